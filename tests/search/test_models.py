"""Any network is a candidate, trained as the space says, in the data's dtype."""

import copy
from functools import partial

import optuna
import pytest
import torch
from torch_geometric.nn import GAT, GCN, GCNConv

from graphcond.data import load, planted_graph
from graphcond.errors import InputError
from graphcond.search import FilterObjective, ModelObjective, search
from graphcond.search.models import num_classes
from graphcond.search.study import fixed
from graphcond.spaces import GraphNAS, ModelChoices, Product, TrainingRanges
from graphcond.training import ClassifierTraining, EarlyStopping, FilterTraining

QUICK = ClassifierTraining(epochs=4)
ONE = ModelChoices(kinds=("gcn",), widths=(8,), depths=(2,))
PARAMS = {"kind": "gcn", "hidden": 8, "num_layers": 2}


class Plain(torch.nn.Module):
    """A user's network that takes no edge weights."""

    def __init__(self, num_features, num_classes):
        super().__init__()
        self.layer = GCNConv(num_features, num_classes)
        self.edges = []

    def forward(self, x, edge_index):
        self.edges.append(edge_index.size(1))
        return self.layer(x, edge_index)


def pygs(trial, data, kind=GCN):
    width = trial.suggest_int("width", 4, 8)
    return kind(data.num_features, width, num_layers=2, out_channels=num_classes(data))


@pytest.mark.parametrize("kind", [GCN, GAT])
def test_pygs_models_are_candidates(kind):
    data = planted_graph(num_nodes=60, seed=0)
    data.edge_weight = torch.rand(data.num_edges)
    objective = ModelObjective(data, recipe=QUICK, networks=partial(pygs, kind=kind))
    values = [objective(fixed({"width": 4})) for _ in range(2)]
    assert values[0] == values[1], "the seed is the whole source of randomness"
    study = search(objective, 3, sampler=optuna.samplers.RandomSampler(seed=0))
    assert all(0 < trial.value <= 1 for trial in study.trials)


def test_a_network_without_edge_weights_sees_the_heavy_edges():
    data = planted_graph(num_nodes=60, seed=0)
    data.edge_weight = torch.linspace(0, 1, data.num_edges)
    built = []

    def plain(trial, graph):
        built.append(Plain(graph.num_features, num_classes(graph)))
        return built[-1]

    ModelObjective(data, recipe=QUICK, networks=plain)(fixed({}))
    assert set(built[0].edges) == {int((data.edge_weight >= 0.5).sum())}


@pytest.mark.parametrize("ambient", [torch.float32, torch.float64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_datas_dtype_is_the_networks(dtype, ambient):
    data = planted_graph(num_nodes=60, seed=0)
    data.x = data.x.to(dtype)
    before = torch.get_default_dtype()
    torch.set_default_dtype(ambient)
    try:
        model, value = ModelObjective(data, ONE, QUICK).trained(ONE.decode(ONE.all())[0])
        filters = FilterObjective(data, recipe=FilterTraining(epochs=2))
        loss = filters(fixed({"lambda0": 1.0, "lambda1": 0.5, "lambda2": 0.1}))
    finally:
        torch.set_default_dtype(before)
    assert {value.dtype for value in model.parameters()} == {dtype}
    assert 0 < value < 1
    assert loss < 0


def test_a_product_chooses_how_networks_are_trained():
    data = planted_graph(num_nodes=60, seed=0)
    space = Product((ONE, TrainingRanges()))
    objective = ModelObjective(data, space, QUICK)
    training = {"learning_rate": 0.02, "weight_decay": 1e-3, "dropout": 0.25}
    trial = fixed(PARAMS | training)
    model, value = objective.trained(objective.choice(trial))
    assert model.dropout == 0.25
    recipe = ClassifierTraining(epochs=4, learning_rate=0.02, weight_decay=1e-3)
    network = partial(ONE.decode(ONE.all())[0], dropout=0.25)
    assert value == ModelObjective(data, ONE, recipe).trained(network)[1]
    assert value != objective(fixed(PARAMS | training | {"learning_rate": 0.001}))
    with pytest.raises(InputError, match="networks × trainings"):
        ModelObjective(data, Product((ONE, GraphNAS(num_layers=1))), QUICK)(
            fixed(
                PARAMS
                | {"attention0": "gat", "aggregator0": "sum", "activation0": "elu", "heads0": 1}
            )
        )


def test_networks_of_graph_nas_learn():
    data = planted_graph(num_nodes=120, seed=0)
    space = GraphNAS(widths=(8,), heads=(2,))
    objective = ModelObjective(data, space, ClassifierTraining(epochs=30, learning_rate=0.02))
    values = [
        objective.trained(choice)[1]
        for choice in space.decode(space.sample(6, seed=0))
        if "sigmoid" not in str(choice)
    ]
    assert max(values) > 0.6, "chance is a quarter"


def test_classes_are_the_cards():
    data = load("karate")
    small = copy.copy(data)
    small.card = {"num_classes": 7}
    assert num_classes(small) == 7
    del small.card
    assert num_classes(small) == int(data.y.max()) + 1
    small.card = {"num_classes": 7}
    model, _ = ModelObjective(small, ONE, QUICK).trained(ONE.decode(ONE.all())[0])
    assert model.num_classes == 7


def test_successive_halving_trains_the_worse_half_for_fewer_epochs():
    data = planted_graph(num_nodes=60, seed=0)
    space = Product(
        (
            ModelChoices(kinds=("gcn", "sage-mean"), widths=(4, 8), depths=(1, 2)),
            TrainingRanges(learning_rate=(1e-4, 1e-1)),
        )
    )
    recipe = ClassifierTraining(epochs=16, stopping=EarlyStopping(patience=16, every=2))
    objective = ModelObjective(data, space, recipe, pruning=True)
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=2)
    random = optuna.samplers.RandomSampler  # TPE would soon draw few that are worse
    study = search(objective, 24, sampler=random(seed=1), pruner=pruner)
    epochs = [trial.last_step for trial in study.trials]
    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "PRUNED"}
    assert sum(epochs) < 0.75 * 24 * 16
    assert study.trials[study.best_trial.number].last_step == 16
    whole = search(ModelObjective(data, space, recipe), 24, sampler=random(seed=1))
    assert study.best_value > whole.best_value - 0.1
    assert all(trial.last_step is None for trial in whole.trials), "nothing is reported unasked"
