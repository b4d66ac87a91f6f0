"""Filters that descend the hypergradient: they improve, repeat, stay inside, see no test node."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Data

from graphcond.errors import InputError
from graphcond.hypergrad import Implicit
from graphcond.linalg import CG
from graphcond.search.descent import FilterDescent
from graphcond.training import FilterTraining

QUICK = FilterDescent(
    starts=4, moves=8, between=5, learning_rate=0.1, recipe=FilterTraining(epochs=60)
)


def communities(n: int = 90, classes: int = 3) -> Data:
    """Return communities whose noisy features only neighbours make clear."""
    draw = torch.Generator().manual_seed(0)
    y = torch.arange(n) % classes
    x = torch.nn.functional.one_hot(y, 6).float() + torch.randn(n, 6, generator=draw)
    linked = torch.rand(n, n, generator=draw) < torch.where(y[:, None] == y, 0.2, 0.02)
    linked = linked.triu(1)
    role = torch.arange(n) // classes % 3
    edges = (linked | linked.T).nonzero().T.contiguous()
    masks = {"train_mask": role == 0, "val_mask": role == 1, "test_mask": role == 2}
    return Data(x=x, y=y, edge_index=edges, **masks)


def test_a_descent_lowers_the_validation_loss_and_an_ascent_raises_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = QUICK(communities())
    assert float(found.losses[-1].mean()) < float(found.losses[0].mean()) - 0.02
    assert found.loss == float(found.losses[-1].min())
    torch.testing.assert_close(found.lam, found.ends[found.losses[-1].argmin()])
    plain = Implicit.__call__
    monkeypatch.setattr(Implicit, "__call__", lambda *given: -plain(*given))
    assert float(QUICK(communities()).losses[-1].mean()) > float(found.losses[-1].mean()) + 0.02


def test_filters_stay_in_their_space_and_starts_can_be_given() -> None:
    corner = torch.tensor([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]])
    found = replace(QUICK, learning_rate=0.7, moves=3)(communities(), starts=corner)
    assert found.ends.shape == (2, 3)
    assert float(found.ends.abs().max()) <= 1
    assert torch.equal(corner, torch.tensor([[1.0] * 3, [-1.0] * 3]))


def test_one_seed_repeats_and_two_differ() -> None:
    first, again = QUICK(communities()), QUICK(communities())
    assert torch.equal(first.ends, again.ends)
    assert not torch.equal(first.ends, replace(QUICK, seed=1)(communities()).ends)


def test_test_labels_change_nothing_and_validation_labels_do() -> None:
    data, short = communities(), replace(QUICK, moves=2)
    ends = short(data).ends
    for part, same in (("test_mask", True), ("val_mask", False)):
        poisoned = communities()
        poisoned.y[poisoned[part]] = (poisoned.y[poisoned[part]] + 1) % 3
        assert torch.equal(short(poisoned).ends, ends) == same


def test_more_exact_solves_give_other_moves() -> None:
    rough = replace(QUICK, moves=2, hypergradient=Implicit(CG(max_steps=1)))
    assert not torch.equal(rough(communities()).ends, replace(QUICK, moves=2)(communities()).ends)


@pytest.mark.parametrize("wrong", [{"starts": 0}, {"moves": 0}, {"learning_rate": 0.0}])
def test_wrong_settings_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"`{next(iter(wrong))}` must be"):
        FilterDescent(**wrong)  # type: ignore[arg-type]
