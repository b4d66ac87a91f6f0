"""The judges' script: the best candidate is taken, and both ways to rank stand in a row."""

from pathlib import Path

import pytest

from benchmarks.recommender import judges
from benchmarks.recommender.setting import data_of
from benchmarks.store import RECOMMENDER, Store
from graphcond.condensers import RandomInteractions
from graphcond.data import train_edges, val_edges
from graphcond.training import EASE, Contender, Popularity, held_out_ndcg

NAME = "southern-women"
CANDIDATES = (Contender(Popularity()), Contender(EASE(1.0)), Contender(EASE(1e6)))


def test_the_candidate_that_validates_best_is_taken() -> None:
    data = data_of(NAME, 0)
    small = RandomInteractions(ratio=0.5)(data)
    contender, _, score = judges.best_of(CANDIDATES, small, data, 0)
    scores = [
        held_out_ndcg(each.fit(small, val_edges(data)), val_edges(data), train_edges(data))
        for each in CANDIDATES
    ]
    assert score == max(scores) > min(scores)
    assert contender is CANDIDATES[scores.index(max(scores))]


def test_a_row_ranks_without_the_originals_items_and_without_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path / "rows.json", RECOMMENDER)
    key = {"dataset": NAME, "seed": 0, "setting": "EASE"}
    for method, ratio in (("Full", 1.0), ("RandomInteractions", 0.25)):
        judges.add(store, "EASE", CANDIDATES, {**key, "method": method, "ratio": ratio})
    full = store.get(**key, method="Full", ratio=1.0)
    row = store.get(**key, method="RandomInteractions", ratio=0.25)
    assert full["ndcg@10_own"] == full["ndcg@10"]
    assert row["ndcg@10_own"] < row["ndcg@10"], "items of the original stand in the way"
    assert row["percent_ndcg@10"] == pytest.approx(100 * row["ndcg@10"] / full["ndcg@10"], rel=1e-4)
