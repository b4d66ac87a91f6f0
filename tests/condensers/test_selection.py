import itertools

import pytest
import torch
from torch_geometric.data import Data

from graphcond.condensers import Herding, KCenter, RandomNodes
from graphcond.condensers.selection import NodeSelection
from graphcond.data import load, parts
from graphcond.errors import BudgetError, InputError
from graphcond.seeding import generator
from graphcond.testing.contracts import CondenserContract


class TestRandomNodes(CondenserContract):
    def condenser(self, seed):
        return RandomNodes(num_nodes=6, num_val=5, seed=seed)

    def data(self):
        return load("karate")


class TestHerding(CondenserContract):
    draws = False

    def condenser(self, seed):
        return Herding(num_nodes=6, num_val=5, seed=seed)

    def data(self):
        return load("karate")


class TestKCenter(CondenserContract):
    draws = False

    def condenser(self, seed):
        return KCenter(num_nodes=6, num_val=5, seed=seed)

    def data(self):
        return load("karate")


def points_of_one_class(n=9):
    x = torch.randn(n, 2, generator=generator(0, "points"))
    mask = torch.ones(n + 4, dtype=torch.bool)
    mask[n:] = False
    y = torch.zeros(n + 4, dtype=torch.int64)
    x = torch.cat([x, torch.zeros(4, 2)])
    edges = torch.stack([torch.arange(n + 3), torch.arange(1, n + 4)])
    return Data(
        x=x, y=y, edge_index=torch.cat([edges, edges.flip(0)], 1), train_mask=mask, val_mask=~mask
    )


def rows_of(small):
    return parts(small)[0].x


def test_k_center_is_within_twice_the_best_radius():
    data = points_of_one_class()
    x = data.x[data.train_mask]
    centers = rows_of(KCenter(num_nodes=3, num_val=1, hops=0)(data))
    radius = torch.cdist(x, centers).min(1).values.max()
    best = min(
        torch.cdist(x, x[list(three)]).min(1).values.max()
        for three in itertools.combinations(range(len(x)), 3)
    )
    assert radius <= 2 * best + 1e-6


def test_herding_starts_nearest_to_the_mean_and_beats_random_means():
    data = points_of_one_class()
    x = data.x[data.train_mask]
    chosen = rows_of(Herding(num_nodes=4, num_val=1, hops=0)(data))
    assert torch.equal(chosen[0], x[(x - x.mean(0)).norm(dim=1).argmin()])
    gap = (chosen.mean(0) - x.mean(0)).norm()
    gaps = [
        (rows_of(RandomNodes(num_nodes=4, num_val=1, seed=s)(data)).mean(0) - x.mean(0)).norm()
        for s in range(20)
    ]
    assert gap < sorted(gaps)[4]


@pytest.mark.parametrize("seed", range(3))
def test_herding_and_k_center_choose_one_by_one_by_euclidean_distance(seed):
    """By plain loops, in the order of the choice."""
    x = torch.randn(14, 3, generator=generator(seed, "points"))
    herd, far = [], [int((x - x.mean(0)).norm(dim=1).argmin())]
    for _ in range(6):
        means = {i: x[[*herd, i]].mean(0) for i in range(14) if i not in herd}
        herd.append(min(means, key=lambda i: float((means[i] - x.mean(0)).norm())))  # noqa: B023
        if len(far) < 6:
            gap = torch.cdist(x, x[far]).amin(1)
            far.append(int(gap.argmax()))
    assert Herding(num_nodes=6)._choose(x, 6, None).tolist() == herd
    assert KCenter(num_nodes=6)._choose(x, 6, None).tolist() == far
    data = points_of_one_class(14)
    data.x[:14, :2] = x[:, :2]
    for method in (Herding, KCenter):
        order = method(num_nodes=6)._choose(x[:, :2], 6, None)
        whole = method(num_nodes=6, num_val=1, hops=0)(data)
        assert torch.equal(rows_of(whole), x[order, :2]), "nodes come in the order of the choice"
    for method in (Herding, KCenter):
        alike = method(num_nodes=4)._choose(torch.ones(5, 2), 4, None).tolist()
        assert len(set(alike)) == 4, "points that coincide are chosen once each"


@pytest.mark.parametrize("method", [Herding, KCenter])
def test_a_class_is_chosen_from_by_its_own_points_wherever_they_stand(method):
    x = torch.tensor([4.0, 100.0, 10.0, 110.0, 0.0, 104.0, 7.0, 9.0])[:, None]
    masks = torch.arange(8) < 6
    data = Data(
        x=x,
        y=torch.arange(8) % 2,
        edge_index=torch.empty(2, 0, dtype=torch.long),
        train_mask=masks,
        val_mask=~masks,
    )
    small = method(num_nodes=2, num_val=2, hops=0)(data)
    assert small.x[small.train_mask, 0].tolist() == [4.0, 104.0]
    assert small.x[small.val_mask, 0].tolist() == [7.0, 9.0]


@pytest.mark.parametrize("method", [RandomNodes, Herding, KCenter])
def test_edges_are_those_induced_within_each_part(method):
    data = load("karate")
    one_way = data.edge_index[0] < 1.5 * data.edge_index[1]
    data.edge_index = data.edge_index[:, one_way]
    data.edge_weight = (40 * data.edge_index[0] + data.edge_index[1] + 1).float()
    small = method(num_nodes=8, num_val=6)(data)
    places = [
        int((data.x == row).all(1).nonzero()[0]) for row in small.x
    ]  # karate's features are the nodes' identities
    known = set(map(tuple, data.edge_index.T.tolist()))
    kept = {(places[i], places[j]) for i, j in small.edge_index.T.tolist()}
    assert small.edge_weight.tolist() == [
        40 * places[i] + places[j] + 1 for i, j in small.edge_index.T.tolist()
    ]
    train, val = places[:8], places[8:]
    assert kept == {(i, j) for part in (train, val) for i in part for j in part if (i, j) in known}
    assert data.train_mask[train].all()
    assert data.val_mask[val].all()
    assert small.y.tolist() == data.y[places].tolist()


class Largest(NodeSelection):
    def _choose(self, points, count, stream):
        return points[:, 0].topk(count).indices


def classes(*sizes):
    """Random features of classes in turn, half of each in the training part."""
    y = torch.tensor([label for label, size in enumerate(sizes) for _ in range(size)])
    masks = torch.arange(len(y)) % 2 == 0
    x = torch.randn(len(y), 2, generator=generator(0, "points"))
    none = torch.empty(2, 0, dtype=torch.long)
    return Data(x=x, y=y, edge_index=none, train_mask=masks, val_mask=~masks)


def test_a_selection_sees_the_features_of_each_class_and_part_in_its_share():
    data = classes(8, 24)
    small = Largest(num_nodes=8, num_val=4)(data)
    for part, wanted in (("train", (2, 6)), ("val", (1, 3))):
        inside, found = data[f"{part}_mask"], small[f"{part}_mask"]
        for label, count in enumerate(wanted):
            best = data.x[inside & (data.y == label), 0].topk(count).values
            assert torch.equal(small.x[found & (small.y == label), 0], best)


def test_classes_of_one_size_are_drawn_apart():
    data, same = classes(20, 20), 0
    for seed in range(5):
        small = RandomNodes(num_nodes=6, num_val=2, seed=seed)(data)
        places = [
            [
                int((data.x[data.train_mask & (data.y == label)] == row).all(1).nonzero())
                for row in x
            ]
            for label in (0, 1)
            for x in [small.x[small.train_mask & (small.y == label)]]
        ]
        same += places[0] == places[1]
    assert same < 2


def test_propagation_changes_what_is_chosen():
    data = load("karate")
    assert not torch.equal(
        Herding(num_nodes=6, num_val=5, hops=0)(data).x,
        Herding(num_nodes=6, num_val=5, hops=2)(data).x,
    )
    with pytest.raises(InputError, match="hops"):
        KCenter(num_nodes=6, hops=-1)


def test_too_few_nodes_for_the_classes_is_refused():
    with pytest.raises(BudgetError, match="classes"):
        RandomNodes(num_nodes=1)(load("karate"))
