"""HCDC over architectures: what is learned, from where, and what stays."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from graphcond.condensers import SampledNeighbourhoods, SupernetMatching, Trajectories
from graphcond.condensers.hcdc import supernet_matching
from graphcond.data import load, parts, planted_graph
from graphcond.errors import InputError, NumericalError
from graphcond.hypergrad import Implicit, cosine_distance
from graphcond.testing.contracts import CondenserContract

SHORT = Trajectories(starts=2, num_seeds=2, epochs=4, warmup=2, every=2, learning_rate=0.5)
SMALL = {"num_nodes": 4, "num_val": 6, "links": ((0, 1), (0, 0)), "hidden": 4, "over": SHORT}


def matching(**options):
    return SupernetMatching(**{**SMALL, **options})


class TestSupernetMatching(CondenserContract):
    def condenser(self, seed):
        return matching(seed=seed)

    def data(self):
        return load("karate")


def test_only_the_validation_features_move():
    data = load("karate")
    start = parts(SampledNeighbourhoods(num_nodes=4, num_val=6)(data))
    found = parts(matching()(data))
    for part, (before, after) in zip(("train", "val"), zip(start, found)):
        assert torch.equal(before.edge_index, after.edge_index)
        assert torch.equal(before.y, after.y)
        assert torch.equal(before[f"{part}_mask"], after[f"{part}_mask"])
    assert torch.equal(start[0].x, found[0].x)
    moved = (start[1].x - found[1].x).abs().max()
    # Four steps, each of about the rate times the root mean square.
    scale = float(start[1].x.square().mean().sqrt())
    assert 0.002 * scale < float(moved) < 0.012 * scale


def test_operations_and_the_cards_facts_are_handed_on():
    small = SampledNeighbourhoods(num_nodes=4, num_val=6)(load("karate"))
    how = matching(operations=("gcn", "fc"))
    assert how(load("karate")).card["num_context"] == small.card["num_context"]
    assert how._start(0, load("karate"), *parts(small)).whole.net.operations == ("gcn", "fc")


def test_the_solver_is_the_one_that_is_asked_for():
    data = load("karate")
    small = parts(SampledNeighbourhoods(num_nodes=4, num_val=6)(data))
    found = [
        matching(hypergradient=Implicit(direct=direct))._start(0, data, *small)
        for direct in (True, False)
    ]
    first, second = (each.whole.hypergradient(each.lam) for each in found)
    assert not torch.allclose(first, second)


def graph():
    return planted_graph(num_nodes=120, num_classes=3, num_features=6, degree=6.0, seed=0)


def test_hypergradients_come_nearer_to_the_original_s():
    # λ stays, so that every step descends the same distance.
    over = Trajectories(starts=2, num_seeds=1, epochs=45, warmup=30, every=99, learning_rate=0.5)
    how = matching(num_nodes=9, num_val=9, over=over, learning_rate=0.03, dropout=0.0)
    history = how.condense(graph()).history
    distances = [row["distance"] for row in history]
    assert [row["step"] for row in history] == list(range(15))
    assert sum(distances[-3:]) < 0.5 * sum(distances[:3])


def test_the_trajectory_s_sides_start_alike_at_a_network_of_the_space():
    data = graph()
    small = parts(SampledNeighbourhoods(num_nodes=9)(data))
    how = matching(peak=3.0)
    seen = set()
    for seed in range(12):
        found = how._start(seed, data, *small)
        for one, other in zip(found.small.net.parameters(), found.whole.net.parameters()):
            assert torch.equal(one, other)
            assert one is not other
        assert found.small.data is small[0]
        assert found.small.head.val is small[1]
        assert found.whole.data is found.whole.head.val is data
        assert (found.small.net.pre.out_features, found.small.net.head.out_features) == (4, 3)
        lam = found.lam.view(2, 9)
        assert lam.sum(1).tolist() == lam.amax(1).tolist() == [3.0, 3.0]
        seen.add((found.small.net.links, *lam.argmax(1).tolist()))
    assert len(seen) > 8
    assert {links for links, *_ in seen} == {(0, 1), (0, 0)}


@pytest.mark.parametrize("unit", [True, False])
def test_lam_moves_against_the_condensed_hypergradient(unit):
    data = graph()
    found = matching()._start(0, data, *parts(SampledNeighbourhoods(num_nodes=9)(data)))
    found.train()
    before, slope = found.lam, found.small.hypergradient(found.lam).detach()
    found.move(0.5, unit)
    step = slope / slope.norm() if unit else slope
    torch.testing.assert_close(found.lam, before - 0.5 * step)
    assert float(slope.norm()) > 0


def test_the_distance_is_that_of_both_hypergradients_and_moves_the_validation_nodes():
    data = graph()
    train, val = parts(SampledNeighbourhoods(num_nodes=9)(data))
    val.x.requires_grad_()
    found = matching()._start(1, data, train, val)
    found.train()
    distance = found.distance()
    expected = cosine_distance(
        found.small.hypergradient(found.lam), found.whole.hypergradient(found.lam)
    )
    torch.testing.assert_close(distance, expected)
    distance.backward()
    assert float(val.x.grad.abs().max()) > 0
    assert all(
        value.grad is None or not value.requires_grad for value in found.small.net.parameters()
    )


def test_supernets_train_with_decay_and_dropout_on_their_own_graph():
    data = graph()
    nets = []
    for options in ({}, {"dropout": 0.0}, {"recipe": replace(matching().recipe, weight_decay=0.5)}):
        torch.manual_seed(0)
        how = matching(**options)
        found = how._start(0, data, *parts(SampledNeighbourhoods(num_nodes=9)(data)))
        before = found.whole.net.pre.weight.detach().clone()
        for _ in range(3):
            found.train()
        assert not torch.equal(before, found.whole.net.pre.weight)
        nets.append([copy.deepcopy(side.net) for side in (found.small, found.whole)])
    first = [net[0].pre.weight for net in nets]
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])
    assert not torch.equal(nets[0][0].pre.weight, nets[0][1].pre.weight)


def test_a_killed_run_resumes_to_the_same_graph(tmp_path, monkeypatch):
    data = load("karate")
    whole = matching()(data)
    kept = SupernetMatching._repeat

    def once(self, repeat, *given):
        if repeat:
            raise KeyboardInterrupt
        return kept(self, repeat, *given)

    monkeypatch.setattr(SupernetMatching, "_repeat", once)
    with pytest.raises(KeyboardInterrupt):
        matching().condense(data, checkpoint=tmp_path / "c")
    calls = []

    def counted(self, repeat, *given):
        calls.append(repeat)
        return kept(self, repeat, *given)

    monkeypatch.setattr(SupernetMatching, "_repeat", counted)
    again = matching().condense(data, checkpoint=tmp_path / "c")
    assert calls == [1]
    assert torch.equal(whole.x, again.data.x)
    assert [row["step"] for row in again.history] == [0, 1, 2, 3]


def test_what_diverges_says_where(monkeypatch):
    monkeypatch.setattr(supernet_matching, "cosine_distance", lambda one, _: one.sum() + torch.nan)
    with pytest.raises(NumericalError, match="repeat 0, epoch 2"):
        matching()(load("karate"))


@pytest.mark.parametrize(
    "wrong",
    [{"links": ()}, {"dropout": 1.0}, {"peak": -1.0}, {"ridge": 0.0}, {"learning_rate": 0.0}],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        matching(**wrong)
