"""GDAS and DARTS-PT: what they train, how they decide, and that what they choose is good."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot
from torch_geometric.data import Data

from graphcond.data import planted_graph
from graphcond.errors import InputError
from graphcond.nn import OperationSupernet, soft_weights
from graphcond.search import DARTSPT, GDAS
from graphcond.search.supernet import _SupernetRun, _without
from graphcond.seeding import derive, generator
from graphcond.training import AdamTraining

OPERATIONS = ("fc", "gcn", "skip")
LINKS = (0, 1)
BRIEF = AdamTraining(epochs=3, learning_rate=0.02)
LONG = AdamTraining(epochs=200, learning_rate=0.02)
SEARCHES: dict[str, Any] = {"GDAS": GDAS, "DARTSPT": DARTSPT}


def noisy(seed: int, nodes: int = 300) -> Data:
    """A graph whose features say little alone and whose edges join classes: it needs a GCN."""
    data = planted_graph(num_nodes=nodes, num_classes=3, num_features=8, degree=8.0, seed=seed)
    data.x = data.x + 1.5 * torch.randn(data.x.shape, generator=generator(seed, "noise"))
    return data


def made(name: str, **changed: Any) -> Any:
    shared = {"links": LINKS, "operations": OPERATIONS, "hidden": 8, "recipe": BRIEF}
    return SEARCHES[name](**(shared | changed))


def run_of(data: Data, dropout: float = 0.5) -> _SupernetRun:
    net = OperationSupernet(8, 3, LINKS, OPERATIONS, hidden=8, dropout=dropout)
    return _SupernetRun(net, torch.zeros(2, 3, requires_grad=True), data, BRIEF, 0.05)


def accuracy(operations: tuple[str, ...], data: Data) -> float:
    """Validation accuracy of one network, trained from scratch."""
    run = run_of(data)
    weights = torch.eye(3)[[OPERATIONS.index(each) for each in operations]]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(40):
            run.train(weights)
    return run.validated(weights)[0]


@pytest.mark.parametrize("name", SEARCHES)
def test_its_choices_are_better_than_the_mean_network(name: str) -> None:
    gains = []
    for seed in range(3):
        data = noisy(seed, nodes=600)
        worth = {each: accuracy(each, data) for each in itertools.product(OPERATIONS, repeat=2)}
        found = made(name, recipe=LONG, seed=seed)(data)
        gains.append(worth[found.operations] - sum(worth.values()) / len(worth))
        # Nothing can be learned without the edges, whatever reads the features.
        assert "gcn" in found.operations
        assert len(found.losses) == LONG.epochs
        assert found.lam.shape == (2, 3)
    assert sum(gains) / 3 > 0.05, gains


@pytest.mark.parametrize("name", SEARCHES)
def test_a_seed_repeats_and_two_differ_and_global_generators_stay(name: str) -> None:
    data = noisy(1, nodes=120)
    before = torch.get_rng_state()
    one, same, other = (made(name, seed=seed)(data) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.lam, same.lam)
    assert one.losses == same.losses
    assert not torch.equal(one.lam, other.lam)


@pytest.mark.parametrize("name", SEARCHES)
def test_weights_never_see_validation_labels_nor_logits_training_or_test_ones(name: str) -> None:
    data = noisy(2, nodes=120)
    found = made(name)(data)
    poisoned = data.clone()
    poisoned.y[data.test_mask] = (data.y[data.test_mask] + 1) % 3
    again = made(name)(poisoned)
    assert torch.equal(found.lam, again.lam)
    assert found.operations == again.operations
    # One step each: θ's depends on training labels alone, λ's on validation labels alone.
    weights = torch.full((2, 3), 1 / 3)
    for part, moved in (("train", "inner"), ("val", "outer")):
        other = data.clone()
        mask = data[f"{part}_mask"]
        other.y[mask] = (data.y[mask] + 1) % 3
        runs = [run_of(each, dropout=0.0) for each in (data, other)]
        for run in runs:
            run.train(weights)
            run.move(soft_weights(run.lam)) if moved == "outer" else None
        theta = [torch.cat([value.flatten() for value in run.net.parameters()]) for run in runs]
        assert torch.equal(*theta) == (part == "val")
        if moved == "outer":
            assert not torch.equal(runs[0].lam, runs[1].lam)


def test_both_descend() -> None:
    run = run_of(noisy(3, nodes=120), dropout=0.0)
    weights = torch.full((2, 3), 1 / 3)

    def loss(part: str, mixture: torch.Tensor) -> float:
        mask = run.data[f"{part}_mask"]
        with torch.no_grad():
            logits = run.net(run.data.x, run.data.edge_index, mixture)
        return float(cross_entropy(logits[mask], run.data.y[mask]))

    first = loss("train", weights)
    for _ in range(5):
        run.train(weights)
    assert loss("train", weights) < first
    first = loss("val", soft_weights(run.lam.detach()))
    assert run.move(soft_weights(run.lam)) == pytest.approx(first, rel=1e-4)
    assert loss("val", soft_weights(run.lam.detach())) < first


def test_validation_drops_nothing_and_leaves_the_network_in_training() -> None:
    run = run_of(noisy(3, nodes=120), dropout=0.5)
    weights = torch.full((2, 3), 1 / 3)
    assert run.validated(weights) == run.validated(weights)
    assert all(module.training for module in run.net.modules())


def test_without_an_operation_the_others_of_its_place_share() -> None:
    weights = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]])
    left = _without(weights, 0, 1)
    torch.testing.assert_close(left, torch.tensor([[5 / 7, 0, 2 / 7], [0.1, 0.8, 0.1]]))
    assert weights[0, 1] == pytest.approx(0.3), "the mixture itself is left alone"
    assert _without(torch.ones(1, 1), 0, 0).tolist() == [[0.0]]


def test_darts_pt_keeps_what_is_missed_most_whatever_its_weight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # λ stays even, so that its argmax is the first operation everywhere.
    monkeypatch.setattr(_SupernetRun, "move", lambda self, *given: 0.0)
    monkeypatch.setattr(
        _SupernetRun,
        "validated",
        lambda self, weights: (0.5, -1.0 - float(weights[0, 0] + weights[1, 2])),
    )
    seen = []
    train = _SupernetRun.train
    monkeypatch.setattr(
        _SupernetRun,
        "train",
        lambda self, weights: (seen.append(weights.clone()), train(self, weights)),
    )
    found = made("DARTSPT", between=2)(noisy(4, nodes=120))
    # What lowers the score when it is *present* is missed least.
    assert found.operations[0] != "fc"
    assert found.operations[1] != "skip"
    assert len(seen) == BRIEF.epochs + 2 * 2
    assert sorted(seen[-1].flatten().tolist()) == [0, 0, 0, 0, 1, 1]


def test_gdas_trains_one_operation_a_place_and_cools(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, gradients = [], []
    train, move = _SupernetRun.train, _SupernetRun.move
    monkeypatch.setattr(
        _SupernetRun, "train", lambda self, weights: (seen.append(weights), train(self, weights))
    )

    def watched(self: _SupernetRun, *given: Any) -> float:
        loss = move(self, *given)
        gradients.append(float(self.lam.grad.abs().max()))
        return loss

    monkeypatch.setattr(_SupernetRun, "move", watched)
    search = made("GDAS", recipe=AdamTraining(epochs=30), temperatures=(100.0, 1.0), warmup=0.0)
    search(noisy(5, nodes=120))
    assert all(sorted(row.tolist()) == [0, 0, 1] for each in seen for row in each.detach().round())
    assert len({tuple(each.argmax(1).tolist()) for each in seen}) > 3, "the noise is drawn anew"
    # The softmax's slope is one over its temperature.
    assert sum(gradients[:10]) < sum(gradients[-10:]) / 5


# Nothing here is a default.
HOW: dict[str, Any] = {
    "links": LINKS,
    "operations": OPERATIONS,
    "hidden": 12,
    "dropout": 0.3,
    "post": False,
    "recipe": AdamTraining(epochs=4, learning_rate=0.02, weight_decay=0.3),
    "learning_rate": 0.1,
    "warmup": 0.25,
    "seed": 3,
}


def by_hand(data: Data, mixture: Any) -> tuple[OperationSupernet, torch.Tensor, list[float], Any]:
    """A search of HOW: Adam on θ by training nodes, then, after an epoch, on λ by validation
    nodes. ``mixture(lam, epoch, part)`` is what both compute with.
    """
    torch.manual_seed(derive(3, "supernet search", "dropout"))
    net = OperationSupernet(8, 3, LINKS, OPERATIONS, hidden=12, dropout=0.3, post=False, seed=3)
    lam = torch.zeros(2, 3, requires_grad=True)
    inner = torch.optim.Adam(net.parameters(), lr=0.02, weight_decay=0.3)
    outer = torch.optim.Adam([lam], lr=0.1)

    def step(weights: torch.Tensor, part: str, optimiser: Any) -> float:
        nodes = data[f"{part}_mask"]
        loss = cross_entropy(net(data.x, data.edge_index, weights)[nodes], data.y[nodes])
        if optimiser is not None:
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return float(loss.detach())

    losses = []
    for epoch in range(4):
        step(mixture(lam.detach(), epoch, "train"), "train", inner)
        losses.append(step(mixture(lam, epoch, "val"), "val", outer if epoch >= 1 else None))
    return net, lam.detach(), losses, lambda weights: step(weights, "train", inner)


def test_gdas_is_adam_on_the_weights_and_then_on_the_logits_of_a_sampled_network() -> None:
    data = noisy(8, nodes=120)
    found = GDAS(**HOW, temperatures=(5.0, 0.5))(data)

    def mixture(lam: torch.Tensor, epoch: int, part: str) -> torch.Tensor:
        stream = generator(3, "supernet search", "gumbel", epoch, int(part == "val"))
        gumbel = -torch.log(-torch.log(torch.rand(2, 3, generator=stream)))
        soft = torch.softmax((lam + gumbel) / (5.0 - 4.5 * epoch / 3), 1)
        return one_hot(soft.argmax(1), 3) + soft - soft.detach()

    with torch.random.fork_rng():
        _, lam, losses, _ = by_hand(data, mixture)
    assert found.losses == pytest.approx(losses, rel=1e-4)
    torch.testing.assert_close(found.lam, lam, rtol=1e-3, atol=1e-4)
    assert found.operations == tuple(OPERATIONS[pick] for pick in lam.argmax(1))


@pytest.mark.parametrize("seed", [8, 9, 11])
def test_darts_pt_decides_places_in_turn_by_accuracy_and_then_by_loss(seed: int) -> None:
    data = noisy(seed, nodes=120)
    found = DARTSPT(**HOW, between=2)(data)
    with torch.random.fork_rng():
        net, lam, losses, train = by_hand(data, lambda lam, epoch, part: torch.softmax(lam, 1))
        weights = torch.softmax(lam, 1)
        order = torch.randperm(2, generator=generator(3, "supernet search", "places")).tolist()
        for place in order:
            worth = []
            for operation in range(3):
                left = weights.clone()
                left[place, operation] = 0
                left[place] = left[place] / left[place].sum()
                with torch.no_grad():
                    logits = net.eval()(data.x, data.edge_index, left)[data.val_mask]
                y = data.y[data.val_mask]
                right = int((logits.argmax(1) == y).sum())
                worth.append((right, -float(cross_entropy(logits, y))))
            net.train()
            weights[place] = torch.eye(3)[worth.index(min(worth))]
            for _ in range(2):
                train(weights)
    assert found.losses == pytest.approx(losses, rel=1e-4)
    torch.testing.assert_close(found.lam, lam, rtol=1e-3, atol=1e-4)
    assert found.operations == tuple(OPERATIONS[pick] for pick in weights.argmax(1))


@pytest.mark.parametrize("name", SEARCHES)
def test_lam_waits_for_the_weights(name: str) -> None:
    waits = made(name, recipe=AdamTraining(epochs=4), warmup=0.75)(noisy(7, nodes=120))
    # Adam's first step is the learning rate, whatever the gradient.
    assert waits.lam.abs().max() == pytest.approx(0.05, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("GDAS", {"temperatures": (1.0, 0.0)}),
        ("DARTSPT", {"between": -1}),
        ("GDAS", {"learning_rate": 0.0}),
        ("DARTSPT", {"warmup": 1.0}),
        ("DARTSPT", {"operations": ("gcn", "gcn")}),
    ],
)
def test_wrong_settings_are_refused(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        made(name, **wrong)(noisy(6, nodes=120))
