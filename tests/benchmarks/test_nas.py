"""The benchmark on NAS-Bench-Graph: what scores, rankings and rivals are made of."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data

from benchmarks.node import nas_features, nas_page, nas_ranking, nas_zero_cost
from benchmarks.node.nas_bench_graph import BLOCK, KEY
from benchmarks.node.nas_features import smoothed, tree_features
from benchmarks.node.nas_page import best_half, halving, mixtures, recorded
from benchmarks.node.nas_ranking import Ranking
from benchmarks.node.nas_table import PROTOCOLS, SPACE, Table, read_table
from benchmarks.node.nas_zero_cost import ZERO_COST, zero_cost
from benchmarks.store import Store
from graphcond.errors import InputError
from graphcond.metrics import spearman
from graphcond.nn import ForestGraph, OperationForest
from graphcond.seeding import generator
from graphcond.spaces import TreeChoice

TREES = SPACE.decode(SPACE.sample(12, seed=3))
N, D, C = 40, 6, 3


def graph() -> Data:
    stream = generator(0, "nas")
    edges = torch.randint(N, (2, 90), generator=stream)
    edges = torch.cat([edges, edges.flip(0)], 1)
    y = torch.arange(N) % C
    x = torch.randn(N, D, generator=stream) + 2 * torch.eye(C, D)[y]
    mask = torch.arange(N) < N // 2
    return Data(x=x, edge_index=edges, y=y, train_mask=mask, val_mask=~mask)


def forest() -> OperationForest:
    return OperationForest(TREES, D, C, hidden=8, dropout=0.0, seed=1)


def ranking(score: list[float], truth: list[float], test: list[float], **changed) -> Ranking:
    columns = [torch.tensor(each).double() for each in (score, truth, test)]
    given = {"dataset": "cora", "name": "condensed", "seed": 0, "seconds": 30.0, "full": 10.0}
    return Ranking(score=columns[0], truth=columns[1], test=columns[2], **(given | changed))


def test_each_network_gets_its_own_gradient_norm() -> None:
    data = graph()
    whole, nodes = forest(), data.train_mask.nonzero()[:, 0]

    def losses() -> torch.Tensor:
        logits = whole(ForestGraph(data.x, data.edge_index), nodes)
        target = data.y[nodes][:, None].expand(-1, len(TREES))
        return cross_entropy(logits.permute(0, 2, 1), target, reduction="none").mean(0)

    expected = []
    for row in range(len(TREES)):
        # The gradient of one network's loss, over all weights of the forest.
        slopes = torch.autograd.grad(losses()[row], list(whole.params.values()), allow_unused=True)
        expected.append(sum(float(each.square().sum()) for each in slopes if each is not None))
    losses().sum().backward()
    found = nas_zero_cost._per_network(whole, lambda value, slope: slope.square())
    assert torch.allclose(found, torch.tensor(expected), rtol=1e-4)


def test_synflow_of_a_network_depends_on_its_weights_alone() -> None:
    data, nodes = graph(), torch.arange(N)
    inputs = ForestGraph(data.x, data.edge_index)
    before = nas_zero_cost.synflow(forest(), inputs, nodes)
    louder = forest()
    with torch.no_grad():
        louder.params["post.weight"][4] *= -3
    after = nas_zero_cost.synflow(louder, inputs, nodes)
    changed = (after - before).abs() > 1e-4
    assert changed.tolist() == [row == 4 for row in range(len(TREES))]
    # Every term of a sum over the last layer's weights grows threefold; signs do not matter.
    assert 0 < float(after[4] - before[4]) <= np.log(3) + 1e-4


def test_every_zero_cost_score_is_finite_and_none_is_another() -> None:
    found = zero_cost(TREES, graph(), graph(), hidden=8, post=True, seed=0)
    assert tuple(found) == ZERO_COST
    for name, score in found.items():
        assert np.isfinite(score).all(), name
        assert len(set(score)) > 2, name
    for one, other in itertools.combinations(found.values(), 2):
        assert abs(spearman(torch.tensor(one), torch.tensor(other))) < 0.99


def test_a_readout_is_better_where_labels_follow_the_features() -> None:
    data = graph()
    shuffled = data.clone()
    shuffled.y = data.y[torch.randperm(N, generator=generator(0, "shuffle"))]
    good, bad = (
        np.mean(zero_cost(TREES, each, each, hidden=8, post=True, seed=0)["random readout"])
        for each in (data, shuffled)
    )
    assert good > bad + 0.2


def test_halving_keeps_the_better_half_at_every_look() -> None:
    looks = torch.tensor([[0.1, 0.5, 0.4, 0.3], [0.9, 0.2, 0.3, 0.9], [0.9, 0.9, 0.6, 0.9]])
    score, share = halving(looks)
    # 0 and 3 end first, then 1, whatever they would have become.
    assert score.argsort(descending=True).tolist() == [2, 1, 3, 0]
    assert share == (4 + 2 + 1) / 12


def test_the_better_half_of_the_looks_counts() -> None:
    looks = torch.tensor([[0.0, 0.9], [0.6, 0.1], [0.8, 0.2], [0.1, 0.3]])
    assert best_half(looks).tolist() == pytest.approx([0.7, 0.6])


def test_regret_is_of_the_best_by_validation_among_the_promoted() -> None:
    found = ranking([4, 3, 2, 1], [0.5, 0.7, 0.9, 0.6], [0.50, 0.72, 0.70, 0.80])
    assert found.regret(1) == pytest.approx(30)
    assert found.regret(2) == pytest.approx(8)
    assert found.regret(3) == pytest.approx(10), "validation may choose worse"
    # 30 s are three trainings: a cost of 5 leaves two promotions, one of 3.5 none.
    assert found.regret_at(5) == found.regret(2)
    assert found.regret_at(3.5) is None
    assert found.row()["cost"] == 3 + nas_ranking.PROMOTED


def test_the_interval_holds_the_correlation_and_shrinks_with_networks() -> None:
    stream = generator(0, "interval")
    widths = []
    for count in (30, 300):
        truth = torch.randn(count, generator=stream)
        score = truth + torch.randn(count, generator=stream)
        found = ranking(score.tolist(), truth.tolist(), truth.tolist())
        assert float(
            nas_ranking._spearman(found.score.numpy(), found.truth.numpy())
        ) == pytest.approx(spearman(found.truth, found.score))
        low, high = found.interval(500)
        assert low < spearman(found.truth, found.score) < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_features_tell_networks_apart_and_are_standardised() -> None:
    features = tree_features(TREES)
    assert len(np.unique(features.round(6), axis=0)) == len(TREES)
    assert np.allclose(features.mean(0), 0)
    spread = features.std(0)
    assert np.allclose(spread[spread > 0], 1)


def test_smoothing_pulls_a_noisy_score_towards_the_truth() -> None:
    trees = SPACE.decode(SPACE.sample(150, seed=4))
    gcn = [tree.operations.count("gcn") - tree.operations.count("fc") for tree in trees]
    truth = torch.tensor(gcn).double()
    noisy = truth + 2 * torch.randn(150, generator=generator(0, "noise")).double()
    better = torch.from_numpy(smoothed(tree_features(trees), noisy.argsort().argsort().numpy()))
    assert spearman(truth, better) > spearman(truth, noisy) + 0.1
    worse = torch.from_numpy(smoothed(tree_features(trees), (-noisy).argsort().argsort().numpy()))
    assert spearman(truth, worse) < -0.5


@pytest.fixture(scope="module")
def table() -> Table:
    count = len(SPACE.all())
    stream = generator(0, "table")
    valid = {name: torch.rand(count, generator=stream).double() for name in nas_page.OTHERS}
    place = {choice: row for row, choice in enumerate(SPACE.decode(SPACE.all()))}
    return Table(valid, {name: each - 0.1 for name, each in valid.items()}, place)


def test_rankings_are_read_from_blocks_without_a_gap(tmp_path: Path, table: Table) -> None:
    store = Store(tmp_path / "nas.json", KEY, "none")
    base = {"dataset": "cora", "seed": 5}
    store.add(
        base | {"route": "full training", "seed": None, "block": None, "cpu_full": 4.0}, code=()
    )
    looks = torch.rand(3, 3, BLOCK, generator=generator(0, "looks"))
    for block in (0, 1, 3):
        row = {"cpu_condense": 1.0, "cpu_search": 10.0, "block": block}
        row["looks"] = looks[min(block, 2)].tolist()
        for route in ("condensed", "early stopping"):
            store.add(base | row | {"route": route}, code=())
    found = {each.name: each for each in recorded(store, table, "cora", 5)}
    assert set(found) == {"condensed", "early stopping", "successive halving"}
    places = table.rows(SPACE.decode(SPACE.sample(2 * BLOCK, seed=5)))
    mine = found["condensed"]
    assert torch.equal(mine.truth, table.valid["cora"][places])
    assert torch.allclose(mine.score.float(), best_half(torch.cat([looks[0], looks[1]], 1)))
    assert mine.seconds == 21.0
    assert 11.0 < found["successive halving"].seconds < 21.0
    assert [each.name for each in mixtures(list(found.values()))] == ["condensed, smoothed"]


def test_a_mixture_is_the_mean_rank_and_costs_both() -> None:
    known = [0.5, 0.7, 0.9]
    trained = ranking([1, 3, 2], known, known)
    prior = ranking([9, 1, 5], known, known, name="prior order")
    plain, mixed, smooth = mixtures([trained, prior])
    assert plain.name == "condensed, smoothed"
    assert mixed.name == "condensed and prior order"
    assert mixed.score.tolist() == [4, 4, 4]
    assert mixed.seconds == trained.seconds + prior.seconds
    assert smooth.name == "condensed and prior order, smoothed"
    readout = ranking([5, 8, 7], known, known, name="random readout")
    every = {each.name: each for each in mixtures([trained, prior, readout])}
    assert len(every) == 7, "three mixtures; these and the condensed one smoothed"
    both = every["condensed and random readout and prior order"]
    assert both.score.tolist() == [5, 7, 6]
    assert both.seconds == trained.seconds + prior.seconds + readout.seconds
    shorter = replace(prior, score=prior.score[:2])
    assert [each.name for each in mixtures([trained, shorter])] == ["condensed, smoothed"]


def test_what_others_say_is_looked_up_and_never_the_truth_itself(table: Table) -> None:
    places = table.rows(SPACE.decode(SPACE.sample(2 * BLOCK, seed=5)))
    like = Ranking(
        "cora",
        "condensed",
        5,
        torch.zeros(40),
        table.valid["cora"][places],
        table.test["cora"][places],
        0.0,
        4.0,
    )
    found = {each.name: each for each in nas_page.looked_up(like, table)}
    assert "prior order" in found
    assert found["ridge after 50 trainings"].seconds == 200.0
    # The table is noise: nobody can know the truth, unless it leaks.
    assert all(abs(spearman(like.truth, each.score)) < 0.6 for each in found.values())
    best = next(each for name, each in found.items() if name.startswith("best other"))
    assert "cora" not in best.name


def test_random_search_loses_less_the_longer_it_goes_on() -> None:
    truth = torch.rand(60, generator=generator(0, "truth")).double()
    like = Ranking("cora", "condensed", 0, truth, truth, truth, 0.0, 1.0)
    curve = nas_ranking.random_curve(like, 20)
    assert curve == sorted(curve, reverse=True)
    assert curve[0] == pytest.approx(100 * float(truth.max() - truth.mean()), rel=0.15)
    assert curve[-1] < curve[0] / 4


def test_the_published_table_and_its_protocols(data_root: Path) -> None:
    table = read_table(data_root)
    assert len(table.place) == 26_206
    best = {name: 100 * float(table.valid[name].max()) for name in PROTOCOLS}
    assert best == pytest.approx({"cora": 81.9, "citeseer": 72.8, "pubmed": 81.1}, abs=0.1)
    chain = TreeChoice((0, 1, 2, 3), ("fc",) * 4)
    row = int(table.rows([chain])[0])
    assert table.valid["cora"][row] < table.valid["cora"].median()


def test_a_table_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Set GRAPHCOND_DATA"):
        read_table(tmp_path)


def test_a_tree_is_counted_by_hand() -> None:
    counts = nas_features._counts(TreeChoice((0, 1, 1, 0), ("gcn", "fc", "gat", "fc")))
    assert counts["fc"] == 2
    assert counts["fc is a leaf"] == 2
    assert counts["gat is a leaf"] == 1
    assert counts["gcn is a leaf"] == 0
    assert counts["leaves"] == 3
    assert counts["depth"] == 2
    assert counts["fc reads gcn"] == counts["gat reads gcn"] == 1
    assert counts["gcn reads input"] == counts["fc reads input"] == 1
    assert counts["fc at depth 1"] == counts["fc at depth 2"] == 1


def test_boosted_trees_learn_from_all_other_networks_and_from_no_other() -> None:
    every = SPACE.decode(SPACE.all())
    kinds = [tree.operations for tree in every]
    worth = [("gcn" in kind) ^ ("sage" in kind) for kind in kinds]
    truth = torch.tensor(worth).double() + 0.01 * torch.rand(
        len(every), generator=generator(0, "boosted")
    )
    places = torch.arange(0, len(every), 150)
    found = nas_page._boosted(truth, places)
    good = truth[places] > 0.5
    assert found[good].quantile(0.05) > found[~good].quantile(0.95)
    # What the networks in question are worth is not looked at.
    other = truth.clone()
    other[places] = 0.5
    assert torch.equal(nas_page._boosted(other, places), found)
