import pytest
import torch
from torch_geometric.data import Data

from graphcond.condensers import SampledNeighbourhoods
from graphcond.condensers.nodes import neighbourhoods
from graphcond.condensers.nodes.neighbourhoods import sampled_neighbours
from graphcond.data import load, parts
from graphcond.errors import InputError
from graphcond.seeding import generator
from graphcond.testing.contracts import CondenserContract


class TestSampledNeighbourhoods(CondenserContract):
    def condenser(self, seed):
        return SampledNeighbourhoods(num_nodes=6, num_val=5, seed=seed)

    def data(self):
        return load("karate")


def star_and_tail() -> Data:
    """Node 0 with neighbours 1-5, then a path 5-6-7."""
    one_way = torch.tensor([[0, 0, 0, 0, 0, 5, 6], [1, 2, 3, 4, 5, 6, 7]])
    return Data(x=torch.eye(8), edge_index=torch.cat([one_way, one_way.flip(0)], 1))


def test_neighbours_are_at_most_the_fan_out_and_within_the_hops():
    data = star_and_tail()
    start = torch.tensor([0])
    one = sampled_neighbours(data, start, 1, 3, generator(0, "draw"))
    assert len(one) == 3
    assert set(one.tolist()) <= {1, 2, 3, 4, 5}
    all_of_two = sampled_neighbours(data, start, 2, 9, generator(0, "draw"))
    assert set(all_of_two.tolist()) == {1, 2, 3, 4, 5, 6}
    assert set(sampled_neighbours(data, start, 3, 9, generator(0, "draw")).tolist()) == set(
        range(1, 8)
    )


def test_one_hop_and_one_neighbour_are_enough():
    small = SampledNeighbourhoods(num_nodes=4, num_val=4, hops=1, fan_out=1)(load("karate"))
    assert 0 < small.card["num_context"] <= 8


@pytest.mark.parametrize("fan_out", [3, 4])
def test_a_node_with_one_neighbour_too_many_leaves_one_out(fan_out):
    found = sampled_neighbours(star_and_tail(), torch.tensor([0]), 1, fan_out, generator(0, "draw"))
    assert len(found) == fan_out


def test_neighbours_are_those_whose_messages_a_node_receives():
    data = Data(x=torch.eye(3), edge_index=torch.tensor([[1, 0], [0, 2]]))
    found = sampled_neighbours(data, torch.tensor([0]), 2, 9, generator(0, "draw"))
    assert found.tolist() == [1]


def test_neighbours_come_in_the_order_in_which_they_are_reached():
    found = sampled_neighbours(star_and_tail(), torch.tensor([6, 0]), 2, 9, generator(0, "draw"))
    assert found.tolist() == [5, 7, 1, 2, 3, 4]


def test_settings_and_seed_reach_the_sample_of_each_part(monkeypatch):
    seen, sample = [], neighbourhoods.sampled_neighbours

    def watched(data, nodes, hops, fan_out, stream):
        seen.append((tuple(nodes.tolist()), hops, fan_out, stream.initial_seed()))
        return sample(data, nodes, hops, fan_out, stream)

    monkeypatch.setattr(neighbourhoods, "sampled_neighbours", watched)
    for seed in (0, 1):
        SampledNeighbourhoods(num_nodes=6, num_val=5, hops=3, fan_out=4, seed=seed)(load("karate"))
    assert {(hops, fan_out) for _, hops, fan_out, _ in seen} == {(3, 4)}
    assert len({stream for *_, stream in seen}) == 4
    assert len({nodes for nodes, *_ in seen}) == 4


def test_draws_differ_by_seed():
    data = star_and_tail()
    start = torch.tensor([0])
    draws = [sampled_neighbours(data, start, 1, 2, generator(seed, "draw")) for seed in range(20)]
    assert len({tuple(draw.tolist()) for draw in draws}) > 5


def test_labelled_nodes_are_real_and_the_rest_is_context_without_labels():
    data = load("karate")
    small = SampledNeighbourhoods(num_nodes=6, num_val=5, fan_out=2)(data)
    labelled = small.train_mask | small.val_mask
    assert int(labelled.sum()) == 11
    assert small.card["num_context"] == int((~labelled).sum()) > 0
    assert (small.y[~labelled] == 0).all()
    for mask, whole in ((small.train_mask, data.train_mask), (small.val_mask, data.val_mask)):
        rows = [int((data.x == row).all(1).nonzero()[0]) for row in small.x[mask]]
        assert whole[rows].all()
        assert torch.equal(small.y[mask], data.y[rows])


def test_the_two_graphs_are_apart_and_each_context_node_touches_its_part():
    train, val = parts(SampledNeighbourhoods(num_nodes=6, num_val=5)(load("karate")))
    assert int(train.train_mask.sum()) == 6
    assert int(val.val_mask.sum()) == 5
    for graph in (train, val):
        touched = torch.zeros(graph.num_nodes, dtype=torch.bool)
        touched[graph.edge_index.flatten()] = True
        labelled = graph.train_mask | graph.val_mask
        assert touched[~labelled].all()


def test_no_hops_are_refused():
    with pytest.raises(InputError, match="take RandomNodes"):
        SampledNeighbourhoods(num_nodes=6, hops=0)
