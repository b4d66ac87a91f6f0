"""Rankings of every user: best first, without what is left out."""

from __future__ import annotations

import torch

from graphcond.training import Fitted, Recommender, ranker


def test_the_best_come_first_and_what_is_left_out_does_not_come(monkeypatch):
    """All scores are below 0, so that a place is not lost to a 0 by chance; blocks of two."""
    monkeypatch.setattr(ranker, "_BLOCK", 2)
    draw = torch.Generator().manual_seed(0)
    scores = -torch.rand(5, 4, generator=draw) - 1
    model = Recommender(scores, torch.eye(4), Fitted())
    assert torch.equal(model.rank(4)[1], scores.argsort(1, descending=True))
    out = torch.tensor([[0, 0, 1, 4, 4, 4, 4], [1, 2, 3, 0, 1, 2, 3]])
    values, items = model.rank(4, out)
    for user in range(5):
        gone = out[1, out[0] == user].tolist()
        left = [item for item in scores[user].argsort(descending=True).tolist() if item not in gone]
        assert items[user].tolist() == left + [-1] * len(gone)
        assert values[user].isinf().sum() == len(gone)
