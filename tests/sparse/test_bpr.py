"""BPR by index: the losses, both ways' gradients, K models at once."""

import pytest
import torch
from torch.autograd import grad
from torch.nn.functional import softplus
from torch.testing import assert_close

from graphcond.errors import InputError
from graphcond.sparse import bpr_losses, sample_compact


@pytest.fixture
def triples():
    make = torch.Generator().manual_seed(5)
    return tuple(torch.randint(0, bound, (40,), generator=make) for bound in (6, 9, 9))


@pytest.mark.parametrize("deterministic", [True, False])
def test_losses_gradients_and_curvature(backend, tolerance, rand, triples, deterministic):
    users, items = rand(6, 5, grad=True), rand(9, 5, grad=True)
    along = (rand(6, 5), rand(9, 5))
    results = []
    for losses in (
        bpr_losses(users, items, triples, deterministic),
        softplus((users[triples[0]] * (items[triples[2]] - items[triples[1]])).sum(1)),
    ):
        first = grad(losses.sum(), (users, items), create_graph=True)
        results.append((losses, *first, *grad(first, (users, items), along)))
    assert_close(results[0], results[1], **tolerance)


def test_several_models_from_a_compacted_list(square, rand):
    """Users and items offset by model, straight from the block-diagonal matrix."""
    kept = sample_compact(square.csr, torch.full((square.edges,), 0.6), 0, range(3))
    users, items = rand(33, 4), rand(33, 4)
    edge = torch.arange(0, kept.nnz, 2)
    negatives = kept.indices[edge] // 11 * 11 + 10
    together = bpr_losses(users, items, (kept.row[edge], kept.indices[edge], negatives))
    for model in range(3):
        mine = kept.row[edge] // 11 == model
        local = tuple(
            ids[mine].long() - 11 * model for ids in (kept.row[edge], kept.indices[edge], negatives)
        )
        block = slice(11 * model, 11 * model + 11)
        assert_close(bpr_losses(users[block], items[block], local), together[mine])


def test_deterministic_gradients_repeat_bit_for_bit(rand, triples):
    users, items = (
        rand(6, 33, grad=True, dtype=torch.float32),
        rand(9, 33, grad=True, dtype=torch.float32),
    )
    runs = [grad(bpr_losses(users, items, triples).mean(), (users, items)) for _ in range(3)]
    assert all(torch.equal(a, b) for run in runs[1:] for a, b in zip(runs[0], run, strict=True))


def test_bad_shapes_are_named(rand, triples):
    with pytest.raises(InputError, match="one shape"):
        bpr_losses(rand(6, 2), rand(9, 2), (triples[0][:3], *triples[1:]))
