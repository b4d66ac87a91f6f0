"""One node classifier: it is Adam on its training nodes, and judged without dropout."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn.functional import cross_entropy

from graphcond.data import planted_graph
from graphcond.errors import FileFormatError
from graphcond.metrics import accuracy
from graphcond.nn import GraphNet
from graphcond.training import ClassifierTraining, infer, train_classifier
from graphcond.training.classifiers import ClassifierProgram, prepared


@pytest.fixture(scope="module")
def graph():
    data = planted_graph(num_nodes=120, num_classes=3, num_features=8, degree=6.0, seed=0)
    data.edge_weight = torch.linspace(0.2, 2, data.num_edges)
    return data


def test_training_is_plain_adam_with_its_rate_and_penalty(graph):
    recipe = ClassifierTraining(epochs=4, learning_rate=0.03, weight_decay=0.2)
    found, mine = (GraphNet(8, 3, hidden=4, dropout=0.0, seed=1) for _ in range(2))
    adam = torch.optim.Adam(mine.parameters(), lr=0.03, weight_decay=0.2)
    first = None
    program = ClassifierProgram(found, graph, graph, recipe, 0)
    for epoch in range(4):
        logits = mine(graph.x, graph.edge_index, graph.edge_weight)[graph.train_mask]
        loss = cross_entropy(logits, graph.y[graph.train_mask])
        first = first or float(loss.detach())
        adam.zero_grad()
        loss.backward()
        adam.step()
        assert program.step(epoch) == pytest.approx(float(loss.detach()), rel=1e-4)
    for one, other in zip(found.parameters(), mine.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
    assert float(loss.detach()) < first


def test_inputs_are_dropped_in_training_alone(graph):
    model = GraphNet(8, 3, hidden=16, dropout=0.9, seed=1)
    start = copy.deepcopy(model.state_dict())
    losses = []
    for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0)):
        model.load_state_dict(start)
        program = ClassifierProgram(model, graph, graph, ClassifierTraining(), seed)
        wanted = float(accuracy(infer(model, graph), graph.y, graph.val_mask))
        assert program.validate() == wanted
        losses.append(program.step(epoch))
        model.train()
        again = program.validate()
        assert again == program.validate()
        assert again == float(accuracy(infer(model, graph), graph.y, graph.val_mask))
    assert losses[0] == losses[1]
    assert len(set(losses)) == 3


def test_it_reads_training_and_validation_labels_each_for_its_purpose(graph):
    def trained(train, val):
        model = GraphNet(8, 3, hidden=4, seed=1)
        return train_classifier(model, train, val, recipe=ClassifierTraining(epochs=3))

    plain = trained(graph, graph)
    for part in ("train", "val", "test"):
        moved = copy.copy(graph)
        moved.y = torch.where(graph[f"{part}_mask"], (graph.y + 1) % 3, graph.y)
        found = trained(moved, moved)
        assert (found.losses == plain.losses) == (part != "train")
        if part != "train":
            assert (found.scores == plain.scores) == (part == "test")
    other = copy.copy(graph)
    other.edge_weight = None
    assert trained(other, graph).losses != plain.losses
    assert trained(graph, other).scores != plain.scores


def test_a_run_is_resumed_with_its_own_seed_and_graphs_alone(graph, tmp_path):
    def trained(epochs, seed=0, val=graph, **file):
        model, recipe = GraphNet(8, 3, hidden=4, seed=1), ClassifierTraining(epochs=epochs)
        return train_classifier(model, graph, val, recipe=recipe, seed=seed, **file)

    trained(2, checkpoint=tmp_path / "c")
    assert trained(4, checkpoint=tmp_path / "c").losses == trained(4).losses
    other = copy.copy(graph)
    other.val_mask = graph.test_mask
    for change in ({"seed": 1}, {"val": other}):
        with pytest.raises(FileFormatError, match="same settings and data"):
            trained(4, checkpoint=tmp_path / "c", **change)


class Normed(torch.nn.Module):
    """Softmax regression on standardised features, from zeros."""

    def __init__(self):
        super().__init__()
        self.norm, self.linear = torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 3)
        torch.nn.init.zeros_(self.linear.weight)
        torch.nn.init.zeros_(self.linear.bias)

    def forward(self, x, edge_index, edge_weight):
        return self.linear(self.norm(x))


def test_the_best_epoch_is_kept_with_its_running_statistics(graph, tmp_path):
    long, short, halted, resumed = (Normed() for _ in range(4))
    best = train_classifier(long, graph, graph, recipe=ClassifierTraining(epochs=20)).best_epoch
    assert 0 < best < 19
    train_classifier(short, graph, graph, recipe=ClassifierTraining(epochs=best + 1))
    torch.testing.assert_close(dict(long.state_dict()), dict(short.state_dict()))
    for model, epochs in ((halted, best), (resumed, best + 1)):
        recipe = ClassifierTraining(epochs=epochs)
        train_classifier(model, graph, graph, recipe=recipe, checkpoint=tmp_path / "run")
    torch.testing.assert_close(dict(resumed.state_dict()), dict(short.state_dict()))


@pytest.mark.parametrize("weighted", [True, False])
def test_a_graph_of_another_type_is_looked_at_in_the_models(graph, weighted):
    model = GraphNet(8, 3, hidden=4, seed=1)
    single, double = copy.copy(graph), copy.copy(graph)
    double.x, double.edge_weight = graph.x.double(), graph.edge_weight.double()
    if not weighted:
        single.edge_weight = double.edge_weight = None
    torch.testing.assert_close(infer(model, double), infer(model, single))
    assert double.x.dtype == torch.float64


def test_a_graph_is_made_ready_for_its_model_and_else_left_as_it_is(graph):
    plain = graph.clone()
    del plain.edge_weight
    net = GraphNet(8, 3, hidden=4)
    assert prepared(torch.nn.Linear(8, 3), plain) is plain
    for data in (plain, graph):
        ready = prepared(torch.nn.Linear(8, 3).double(), data)
        assert ready.x.dtype == torch.float64
        assert data.x.dtype == torch.float32
    assert ready.edge_weight.dtype == torch.float64
    words = plain.clone()  # few are there, as of a bag of words
    words.x = torch.zeros(200, 50)
    words.x[:, 7] = 1.0
    assert prepared(net, words).x.layout == torch.sparse_csr
