import math
from functools import partial

import pytest
import torch

from graphcond import nn
from graphcond.data import EDGE, make_interactions, val_edges
from graphcond.errors import InputError
from graphcond.training import BPR, BPRProgram, EarlyStopping, RankingLooks, fit_recommender


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

    def steps(recipe):
        seen = []
        program = BPRProgram(nn.MF(60, 40), small[EDGE].edge_index, None, recipe)
        program.update, inner = lambda *a: (seen.append(1), inner(*a))[1], program.update
        program.step(0)
        return len(seen)

    assert steps(BPR(min_steps=7)) == 7
    assert steps(BPR(min_steps=7, batch_size=20)) == 9  # whole passes of three
    plain = fit_recommender(nn.MF, small, val_edges(data), recipe=BPR(rounds=2))
    muted = fit_recommender(nn.MF, small, val_edges(data), recipe=BPR(rounds=2, weighted=True))
    assert plain.history.losses[0] > 0
    assert muted.history.losses[0] == 0


def test_a_pass_meets_each_interaction_once_with_its_weight_and_an_item_its_user_has_not_met():
    pairs, seen = blocks()[EDGE].edge_index, []
    weight = torch.rand(pairs.size(1), generator=torch.Generator().manual_seed(1))
    program = BPRProgram(nn.MF(60, 40), pairs, weight, BPR(batch_size=64, min_steps=1))
    program.update = lambda batch, draw: (seen.append(batch), torch.zeros(()))[1]
    program.step(0)
    users, items, others, weights = (torch.cat(parts) for parts in zip(*seen))
    met, known = users * 40 + items, pairs[0] * 40 + pairs[1]
    assert torch.equal(met.sort().values, known.sort().values)
    assert torch.equal(weights[met.argsort()], weight[known.argsort()])
    assert not torch.isin(users * 40 + others, known).any()


def test_models_side_by_side_take_the_steps_of_one_alone(monkeypatch):
    monkeypatch.setattr(BPR, "batch", lambda self, interactions: interactions // 4)
    pairs = blocks()[EDGE].edge_index[:, :400]

    def steps(models):
        model, seen = nn.MF(60, 40, dim=2, num_models=models), []
        edges = torch.cat([model.offset(pairs, k) for k in range(models)], dim=1)
        program = BPRProgram(model, edges, None, BPR(min_steps=1))
        program.update = lambda *_: (seen.append(1), torch.zeros(()))[1]
        program.step(0)
        return len(seen)

    assert steps(1) == steps(3) == 4


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


def test_the_gradient_of_a_bias_is_autograds():
    data = blocks()
    pairs = data[EDGE].edge_index
    model = nn.MF(60, 40, dim=4, bias=True, init_std=0.3)
    with torch.no_grad():
        model.item_bias.copy_(torch.randn(40, generator=torch.Generator().manual_seed(1)))
    program = BPRProgram(model, pairs, None, BPR(weight_decay=0.0))
    draw = torch.Generator().manual_seed(0)
    negatives = program.negatives(pairs[0], draw)
    gap = model(pairs) - model(torch.stack([pairs[0], negatives]))
    want = torch.autograd.grad(torch.nn.functional.softplus(-gap).mean(), [*model.parameters()])
    program.update(nn.Triplets(pairs[0], pairs[1], negatives), draw)
    for parameter, wanted in zip(model.parameters(), want):
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-4, atol=1e-6)


def test_the_decay_is_what_a_triplet_is_expected_to_meet():
    """Users and items by their interactions, and every item as often as a negative is drawn."""
    pairs = torch.tensor([[0, 0, 1], [2, 1, 2]])
    users, items = BPRProgram(nn.MF(3, 4), pairs, None, BPR(weight_decay=0.5)).decay
    assert users[:, 0].tolist() == pytest.approx([0.5 * 2 / 3, 0.5 / 3, 0])
    drawn = 0.5 / 4
    assert items[:, 0].tolist() == pytest.approx(
        [drawn, drawn + 0.5 / 3, drawn + 0.5 * 2 / 3, drawn]
    )


def test_dropout_keeps_the_mean_of_a_users_row():
    data = blocks()
    pairs = data[EDGE].edge_index[:, :1].expand(2, 4000)
    found = []
    for dropout in (0.0, 0.75):
        model = nn.MF(60, 40, dim=4, dropout=dropout)
        program = BPRProgram(model, data[EDGE].edge_index, None, BPR(weight_decay=0.0))
        batch = nn.Triplets(pairs[0], pairs[1], pairs[1] * 0 + 7)
        program.update(batch, torch.Generator().manual_seed(0))
        found.append(model.item.grad[pairs[1, 0]].clone())
    torch.testing.assert_close(found[1], found[0], rtol=0.15, atol=0)


def test_entries_are_dropped_each_on_its_own():
    model = nn.MF(60, 40, dim=64, dropout=0.5)
    program = BPRProgram(model, blocks()[EDGE].edge_index, None, BPR(weight_decay=0.0))
    one = torch.tensor([3])
    program.update(nn.Triplets(one, one, one + 1), torch.Generator().manual_seed(0))
    assert 10 < int((model.item.grad[3] == 0).sum()) < 54


def test_a_batch_shares_as_many_negatives_as_told_of_all_items():
    recipe, seen = BPR(loss=nn.SampledSoftmax(30), min_steps=20), []
    program = BPRProgram(nn.MF(60, 40), blocks()[EDGE].edge_index, None, recipe)
    program.update = lambda batch, draw: (seen.append(batch.negatives), torch.zeros(()))[1]
    program.step(0)
    assert {len(negatives) for negatives in seen} == {30}
    assert set(torch.cat(seen).tolist()) == set(range(40))


def test_weights_of_interactions_weigh_the_propagation():
    pairs, model = blocks()[EDGE].edge_index, nn.LightGCN(60, 40, dim=4)
    weight = torch.linspace(0.1, 1, pairs.size(1))
    found = BPRProgram(model, pairs, weight, BPR(weighted=True)).scored()
    with torch.no_grad():
        wanted, plain = (model.embeddings(model.graph(pairs, each)) for each in (weight, None))
    torch.testing.assert_close(found, wanted)
    assert not torch.allclose(found[0], plain[0], rtol=0.05)


def test_looks_sample_users_without_the_global_generator():
    held = torch.stack([torch.arange(50), torch.arange(50) % 7])
    state = torch.random.get_rng_state()
    first, again = (RankingLooks(held, held[:, :0], (50, 7), 10) for _ in range(2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(first.users, again.users)
    assert first.users.numel() == 10
    assert first.held.size(1) == 10
    assert RankingLooks(held, held[:, :0], (50, 7), 50).users.numel() == 50


def test_looks_are_ndcg_at_ten_of_held_out_interactions():
    """The held-out item stands eleventh, or tenth where one better is left out."""
    users, items = torch.ones(1, 1), torch.arange(20.0).flip(0)[:, None]
    held, better = torch.tensor([[0], [10]]), torch.tensor([[0], [3]])
    assert RankingLooks(held, better[:, :0], (1, 20), 5)(users, items) == 0
    found = RankingLooks(held, better, (1, 20), 5)(users, items)
    assert found == pytest.approx(1 / math.log2(11))
    assert math.isnan(RankingLooks(held, better, (1, 20), 5)(users, items * torch.inf))


@pytest.mark.parametrize("make", [nn.MF, partial(nn.MF, dropout=0.3), nn.LightGCN])
def test_a_seed_is_that_of_tables_order_and_negatives(make):
    data = blocks()
    pairs = data[EDGE].edge_index
    run = partial(fit_recommender, partial(make, dim=4), data, val_edges(data))
    first, again, other = (run(recipe=BPR(rounds=1, min_steps=4), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.users, again.users)
    assert not torch.equal(first.users, other.users)
    losses = [
        BPRProgram(make(60, 40, dim=4), pairs, None, BPR(min_steps=4), seed=seed).step(epoch)
        for seed, epoch in ((0, 0), (0, 0), (1, 0), (0, 1))
    ]
    assert losses[0] == losses[1]
    assert len(set(losses)) == 3


def test_batches_are_a_fortieth_of_the_interactions_within_bounds():
    assert [BPR().batch(count) for count in (1, 100_000, 10**6)] == [1024, 2500, 8192]
    assert BPR(batch_size=7).batch(10**6) == 7


def test_a_rounds_loss_is_the_mean_over_its_triplets():
    """Of an untrained model without a step it is ln 2, however many passes a round has."""
    for few in (1, 200):
        program = BPRProgram(
            nn.MF(60, 40, init_std=1e-6),
            blocks()[EDGE].edge_index,
            None,
            BPR(min_steps=few, learning_rate=1e-12),
        )
        assert program.step(0) == pytest.approx(math.log(2), rel=1e-4)


def test_validation_rankings_leave_out_what_is_asked_and_stop_early():
    data, seen = blocks(), []
    val = val_edges(data)
    stop = BPR(rounds=60, batch_size=256, stopping=EarlyStopping(patience=1))
    short = fit_recommender(partial(nn.MF, dim=8), data, val, recipe=stop)
    assert len(short.history.losses) < 60
    assert len(fit_recommender(nn.MF, data, val[:, :0], recipe=BPR(rounds=3)).history.losses) == 3
    other = fit_recommender(partial(nn.MF, dim=8), data, val, exclude=val, recipe=stop)
    seen += [short.history.best_score, other.history.best_score]
    assert seen[1] == 0 < seen[0]
