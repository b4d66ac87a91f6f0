import pytest
import torch
import torch.nn.functional as F

from graphcond.condensers.nodes.backbones import NetBackbone, SGCBackbone, gradient_distance
from graphcond.condensers.nodes.gradient_matching import DosCond, GCond, GCondX, GradientMatching
from graphcond.data import load, parts
from graphcond.errors import InputError, NumericalError, UnknownNameError
from graphcond.nn.filters import PolynomialFilterNet
from graphcond.nn.labelled_nodes import LabelledNodes
from graphcond.nn.synthetic import gcn_norm_dense
from graphcond.nn.teacher import propagate, propagation
from graphcond.spaces import PolynomialFilters
from graphcond.testing.contracts import CondenserContract


class TestGradientMatching(CondenserContract):
    def condenser(self, seed):
        return GradientMatching(
            adjacency="learned", num_nodes=4, num_val=3, num_seeds=2, steps=2, seed=seed
        )

    def data(self):
        return load("karate")


def weighted(n, seed=0):
    weight = torch.rand(n, n, generator=torch.Generator().manual_seed(seed))
    return ((weight + weight.T) / 2 * (1 - torch.eye(n))).requires_grad_()


def test_closed_form_gradients_of_sgc_equal_automatic_ones(karate):
    members = LabelledNodes.of_part(karate, "train")
    backbone = SGCBackbone(
        karate, members, members.labels.unique().repeat(2).sort().values, 100, seed=0
    )
    weight = backbone.fresh(1)["weight"].requires_grad_()
    z = torch.cat(
        [
            propagate(propagation(karate), karate.x, 2)[members.nodes],
            backbone.scale.expand(len(members.nodes), 1),
        ],
        1,
    )
    real = backbone.real({"weight": weight.detach()}, 0)["weight"]
    for i, label in enumerate(backbone.classes.tolist()):
        inside = members.labels == label
        loss = F.cross_entropy(z[inside] @ weight, torch.full((int(inside.sum()),), i))
        assert torch.allclose(real[i], torch.autograd.grad(loss, weight)[0], atol=1e-6)


def test_gradients_of_the_synthetic_graph_see_its_edges(karate):
    members = LabelledNodes.of_part(karate, "train")
    y = torch.tensor([0, 0, 1, 1])
    backbone, x, weight = (
        SGCBackbone(karate, members, y, 100, seed=0),
        torch.randn(4, karate.num_features),
        weighted(4),
    )
    params = backbone.fresh(0)
    w = params["weight"].clone().requires_grad_()
    operator = gcn_norm_dense(weight)
    z = torch.cat([operator @ operator @ x, backbone.scale.expand(4, 1)], 1)
    expected = torch.autograd.grad(F.cross_entropy(z[:2] @ w, y[:2]), w)[0]
    got = backbone.synthetic(params, x, weight)["weight"][0]
    assert torch.allclose(got, expected, atol=1e-6)
    assert torch.autograd.grad(got.square().sum(), weight)[0].abs().sum() > 0


def test_a_net_matches_the_original_with_itself(karate):
    """The original's own training nodes, features and edges given as the synthetic graph have the
    same gradients.
    """
    members, space = LabelledNodes.of_part(karate, "train"), PolynomialFilters(order=2)
    net = PolynomialFilterNet(karate.num_features, hidden=5, num_classes=2)
    backbone = NetBackbone(net, space, karate, members, members.labels)
    backbone.y = torch.where(karate.train_mask, karate.y, -1)
    weight = torch.zeros(karate.num_nodes, karate.num_nodes)
    weight[karate.edge_index[1], karate.edge_index[0]] = 1
    params = backbone.fresh(0)
    real, ours = backbone.real(params, 0), backbone.synthetic(params, karate.x, weight)
    assert params["lam"].shape == (4, 3)
    assert set(real) == {"weight0", "weight1"}
    for kind in ("cosine", "l2", "both"):
        assert gradient_distance(ours, real, kind, torch.ones(2)) < 1e-3
    other = {name: value.flip(0) for name, value in real.items()}
    assert gradient_distance(ours, other, "cosine", torch.ones(2)) > 1


@pytest.mark.parametrize("preset", [GCond, GCondX, DosCond], ids=["gcond", "gcond_x", "doscond"])
def test_presets_lower_the_distance(preset, karate):
    few = {"num_seeds": 40} if preset is DosCond else {"num_seeds": 3, "steps": 20}
    result = preset(num_nodes=4, num_val=4, keep_best=False, **few).condense(load("karate"))
    distances = [record["loss"] for record in result.history if record["part"] == "train"]
    tail = len(distances) // 3
    assert sum(distances[-tail:]) < sum(distances[:tail])
    train, _ = parts(result.data)
    assert (train.num_edges == 0) == (preset is GCondX)
    assert train.num_edges == 0 or train.edge_weight.min() > preset(num_nodes=4).threshold


@pytest.mark.parametrize("space", [None, PolynomialFilters(order=2)])
def test_matching_with_a_net(space):
    net = PolynomialFilterNet(34, hidden=4, num_classes=2)
    condense = GradientMatching(
        net,
        adjacency="learned",
        space=space,
        num_nodes=4,
        num_val=2,
        num_seeds=4,
        steps=8,
        inner=2,
        keep_best=False,
    )
    history = condense.condense(load("karate")).history
    assert history[3]["loss"] < history[0]["loss"]


def test_a_killed_run_resumes_to_the_same_graph(tmp_path, monkeypatch):
    data = load("karate")
    condense = GradientMatching(adjacency="mlp", num_nodes=4, num_val=2, num_seeds=12, steps=2)
    whole = condense(data)
    original = GradientMatching._match

    def killed(self, learner, backbone, seed, init):
        if init == 11:
            raise KeyboardInterrupt
        return original(self, learner, backbone, seed, init)

    monkeypatch.setattr(GradientMatching, "_match", killed)
    with pytest.raises(KeyboardInterrupt):
        condense.condense(data, checkpoint=tmp_path / "state.safetensors")
    seen = []
    monkeypatch.setattr(
        GradientMatching,
        "_match",
        lambda self, *args: (seen.append(args[-1]), original(self, *args))[1],
    )
    again = condense.condense(data, checkpoint=tmp_path / "state.safetensors").data
    assert seen[:2] == [10, 11]
    assert torch.equal(whole.x, again.x)
    assert torch.equal(whole.edge_weight, again.edge_weight)


def test_divergence_stops_with_the_step_and_the_cure():
    data = load("karate")
    data.x = data.x * 1e30
    with pytest.raises(
        NumericalError,
        match="initialisation 0, step 0.* Lower `learning_rate` .* scale the features",
    ):
        GradientMatching(adjacency="learned", num_nodes=4, num_val=2)(data)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"distance": "l1"}, InputError, "distance"),
        ({"num_seeds": 0}, InputError, "at least 1"),
        ({"learning_rate": 0.0}, InputError, "must be positive"),
        ({"space": PolynomialFilters(order=1)}, InputError, "needs a filter network"),
        ({"adjacency": "dense"}, UnknownNameError, "identity"),
    ],
)
def test_bad_settings_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        GradientMatching(num_nodes=4, **settings)


@pytest.mark.dataset
def test_cora_gcond_beats_random(data_root):
    report = GCond(num_nodes=35, num_val=7, num_seeds=2).condense(load("cora", data_root)).report
    assert report["linear_accuracy"] > report["linear_accuracy_random"] + 0.01
