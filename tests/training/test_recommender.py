from functools import partial

import pytest
import torch

from graphcond import nn
from graphcond.data import EDGE, make_interactions, val_edges
from graphcond.errors import InputError
from graphcond.training import BPR, BPRProgram, EarlyStopping, fit_recommender


def blocks(users=60, items=40, seed=0):
    """Two tastes: even users take even items, odd users odd ones."""
    draw = torch.Generator().manual_seed(seed)
    u, i = torch.meshgrid(torch.arange(users), torch.arange(items), indexing="ij")
    taken = ((u + i) % 2 == 0) & (torch.rand(users, items, generator=draw) < 0.6)
    pairs = torch.stack([u[taken], i[taken]])
    held = torch.rand(pairs.size(1), generator=draw) < 0.15
    data = make_interactions(pairs[:, ~held], users, items)
    data[EDGE].val_edge_index = pairs[:, held]
    return data


@pytest.mark.parametrize(
    "factory",
    [
        partial(nn.MF, dim=8),
        partial(nn.LightGCN, dim=8),
        partial(nn.MF, dim=8, bias=True, dropout=0.2),
    ],
)
def test_learns_two_tastes(factory):
    data = blocks()
    model = fit_recommender(factory, data, val_edges(data), recipe=BPR(batch_size=256, rounds=40))
    top = model.rank(5)[1]
    assert ((torch.arange(60)[:, None] + top) % 2 == 0).float().mean() > 0.95
    assert model.history.best_score > 0.3


@pytest.mark.parametrize("make", [nn.MF, nn.LightGCN])
@pytest.mark.parametrize(
    "loss",
    [nn.SampledSoftmax(20, temperature=0.2), nn.CosineContrastive(20, margin=0.2, weight=10)],
)
def test_shared_negatives_learn_two_tastes_and_score_cosines(make, loss):
    data = blocks()
    recipe = BPR(loss=loss, learning_rate=0.02, batch_size=256, rounds=20)
    model = fit_recommender(partial(make, dim=8), data, val_edges(data), recipe=recipe)
    top = model.rank(5)[1]
    assert ((torch.arange(60)[:, None] + top) % 2 == 0).float().mean() > 0.95
    torch.testing.assert_close(model.items.norm(dim=1), torch.ones(40))


def test_a_recipes_step_and_decay_take_the_place_of_the_models():
    data = blocks()
    pairs = data[EDGE].edge_index
    still = BPRProgram(nn.MF(60, 40), pairs, None, BPR(weight_decay=0.0))
    assert still.decay[0].max() == 0
    usual = BPRProgram(nn.MF(60, 40), pairs, None, BPR())
    assert usual.decay[0].max() > 0
    moved = nn.MF(60, 40)
    before = moved.user.detach().clone()
    BPRProgram(moved, pairs, None, BPR(learning_rate=1e-6, min_steps=1)).step(0)
    assert 0 < (moved.user - before).abs().max() < 1e-5


def test_shared_negatives_refuse_a_bias():
    data = blocks()
    with pytest.raises(InputError, match="without a bias"):
        fit_recommender(
            partial(nn.MF, bias=True), data, val_edges(data), recipe=BPR(loss=nn.SampledSoftmax())
        )


def test_a_killed_run_resumes_to_the_same_tables(tmp_path):
    data = blocks()
    factory = partial(nn.MF, dim=4)
    run = partial(fit_recommender, factory, data, val_edges(data), seed=3)
    whole = run(recipe=BPR(rounds=6))
    run(recipe=BPR(rounds=3), checkpoint=tmp_path / "c")
    again = run(recipe=BPR(rounds=6), checkpoint=tmp_path / "c")
    assert torch.equal(whole.users, again.users)
    assert torch.equal(whole.items, again.items)


def test_held_out_items_are_drawn_as_negatives():
    data = blocks()
    program = BPRProgram(nn.MF(60, 40), data[EDGE].edge_index, None, BPR())
    drawn = torch.cat(
        [
            program.negatives(data[EDGE].edge_index[0], torch.Generator().manual_seed(s))
            for s in range(20)
        ]
    )
    pairs = set(zip(data[EDGE].edge_index[0].repeat(20).tolist(), drawn.tolist()))
    held = set(zip(*val_edges(data).tolist()))
    assert len(held & pairs) > 0.9 * len(held)


def test_a_round_has_its_fewest_steps_and_weights_count_only_if_asked():
    data = blocks()
    small = make_interactions(data[EDGE].edge_index[:, :50], 60, 40, edge_weight=torch.zeros(50))
    seen = []
    program = BPRProgram(nn.MF(60, 40), small[EDGE].edge_index, None, BPR(min_steps=7))
    program.update, inner = lambda *a: (seen.append(1), inner(*a))[1], program.update
    program.step(0)
    assert len(seen) == 7
    plain = fit_recommender(nn.MF, small, val_edges(data), recipe=BPR(rounds=2))
    muted = fit_recommender(nn.MF, small, val_edges(data), recipe=BPR(rounds=2, weighted=True))
    assert plain.history.losses[0] > 0
    assert muted.history.losses[0] == 0


@pytest.mark.parametrize("make", [nn.MF, nn.LightGCN])
def test_one_step_of_decay_and_gradient_matches_autograd(make):
    data = blocks()
    pairs = data[EDGE].edge_index
    model = make(60, 40, dim=4, init_std=0.3)
    program = BPRProgram(model, pairs, None, BPR(weight_decay=0.5))
    draw = torch.Generator().manual_seed(0)
    negatives = program.negatives(pairs[0], draw)
    users, items = model.embeddings(program.graph)
    gap = (users[pairs[0]] * (items[pairs[1]] - items[negatives])).sum(1)
    want = torch.autograd.grad(torch.nn.functional.softplus(-gap).mean(), [model.user, model.item])
    program.update(nn.Triplets(pairs[0], pairs[1], negatives), draw)
    rate = 0.5 * torch.bincount(pairs[0], minlength=60) / pairs.size(1)
    before = make(60, 40, dim=4, init_std=0.3).user
    torch.testing.assert_close(
        model.user.grad, want[0] + rate[:, None] * before.detach(), rtol=1e-4, atol=1e-6
    )


def test_nothing_to_train_on():
    data = make_interactions(torch.empty(2, 0, dtype=torch.long), 3, 4)
    with pytest.raises(InputError, match="training interaction"):
        fit_recommender(nn.MF, data, torch.tensor([[0], [1]]))
    with pytest.raises(InputError, match="positive"):
        BPR(batch_size=0, stopping=EarlyStopping())
