import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from graphcond import masks, pools
from graphcond.condensers import Tail
from graphcond.condensers.dconrec import outer_loop
from graphcond.condensers.dconrec.condenser import PolicyGradient
from graphcond.condensers.dconrec.objective import ONE_EPOCH
from graphcond.condensers.dconrec.one_step import UnrolledBPR
from graphcond.condensers.dconrec.outer_loop import Schedule, State
from graphcond.condensers.dconrec.outer_loss import (
    HeldOutInteractions,
    TeacherFavourites,
    ValidationInteractions,
)
from graphcond.data import (
    EDGE,
    make_interactions,
    num_items,
    split_interactions,
    train_edges,
    without_test,
)
from graphcond.errors import BudgetError, InputError
from graphcond.testing.contracts import CondenserContract
from graphcond.training import BPR
from tests.condensers.learned_masks import EPOCH, MF, POOL, condenser, interactions


class TestPolicyGradientContract(CondenserContract):
    reads_validation = True

    def condenser(self, seed):
        return condenser(seed=seed, schedule=Schedule(steps=2))

    def data(self):
        return interactions()


class TestOneStepContract(CondenserContract):
    reads_validation = True

    def condenser(self, seed):
        return condenser(
            seed=seed,
            schedule=Schedule(steps=2),
            estimator=masks.OneStep(),
            inner=UnrolledBPR(),
            outer=HeldOutInteractions(),
        )

    def data(self):
        return interactions()


ESTIMATORS = [
    masks.Reinforce(samples=2),
    masks.MeanBaseline(),
    masks.LeaveOneOut(),
    masks.PerUser(),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize(
    "inner",
    [EPOCH, UnrolledBPR(), UnrolledBPR(steps=2, start="fresh", dim=4), UnrolledBPR(start="proxy")],
)
def test_every_estimator_with_every_inner_training(estimator, inner):
    result = condenser(estimator=estimator, inner=inner, schedule=Schedule(steps=2)).condense(
        interactions()
    )
    budget = int(0.4 * train_edges(interactions()).size(1))
    assert result.report["num_edges"] == budget
    assert len(result.history) == 2
    assert result.history[0]["loss"] > 0


def test_the_card_and_the_history_say_what_happened():
    data = interactions()
    result = condenser(control=1).condense(data)
    card = result.data.card
    assert card["num_pool"] == card["num_pool_pseudo"] + train_edges(data).size(1)
    assert 0 < card["num_tail"] <= card["num_edges"] // 2
    assert card["num_selected"] == card["num_edges"]
    assert 0 <= card["mean_prob_pseudo"] <= 1
    assert card["beats_random_of_its_size"] in (True, False)
    assert card["control_has_seen_validation"] is True
    assert 0 < card["validation_ndcg@10_random"] <= 1
    steps = [record["step"] for record in result.history]
    assert steps == [0, 1, 2, 3]
    for name in (
        "loss",
        "mapping_norm",
        "prob_observed",
        "prob_pseudo",
        "cosine",
        "variance",
        "noise_level",
        "learning_rate",
    ):
        assert result.history[-1][name] is not None


@pytest.mark.parametrize(
    "draw", [masks.SystematicDraw(), masks.ConditionalPoissonDraw(), masks.BernoulliDraw()]
)
def test_an_honest_budget_is_kept_by_every_draw(draw):
    for seed in range(3):
        small = condenser(draw=draw, seed=seed, schedule=Schedule(steps=1))(interactions())
        assert small.card["ratio_actual"] <= 0.4
        if draw != masks.BernoulliDraw():
            assert small.card["num_edges"] == int(0.4 * train_edges(interactions()).size(1))


def test_the_tail_is_whole_in_the_set():
    data = interactions()
    small = condenser()(data)
    pool = POOL(without_test(data), seed=0)
    degree = torch.bincount(pool.edges[0], minlength=40)
    threshold = small.card["tail_threshold"]
    assert 0 < threshold <= 12
    kept = torch.bincount(train_edges(small)[0], minlength=40)
    tail = (degree < threshold) & (degree > 0)
    assert bool(tail.any())
    assert torch.equal(kept[tail], degree[tail])


def test_the_tail_as_extra_grows_the_set_and_says_so():
    data = interactions()
    budget = int(0.4 * train_edges(data).size(1))
    card = condenser(tail=Tail(threshold=14, budget="extra"))(data).card
    assert card["num_selected"] == budget
    assert card["num_edges"] == budget + card["num_tail"] - card["num_selected_and_tail"] > budget
    assert card["ratio"] == 0.4 < card["ratio_actual"]


def test_the_published_preset_is_algorithm_1_field_by_field():
    method = PolicyGradient.published(MF, POOL, ratio=0.25, threshold=12, steps=7, seed=3)
    assert method == PolicyGradient(
        MF,
        POOL,
        ratio=0.25,
        estimator=masks.Reinforce(samples=1),
        schedule=Schedule(
            steps=7, learning_rate=0.1, factor=0.1, every=100, floor=1e-4, plain=True
        ),
        tail=Tail(threshold=12, of="pool", budget="extra"),
        cap="interactions",
        draw=masks.BernoulliDraw(),
        outer=ValidationInteractions(),
        inner=ONE_EPOCH,
        seed=3,
    )
    assert PolicyGradient.published(MF, POOL, ratio=0.25).schedule.steps == 1000
    assert PolicyGradient.published(MF, POOL, ratio=0.25).tail.threshold == 10


def test_as_printed_the_tail_comes_on_top_of_the_budget():
    method = PolicyGradient.published(MF, POOL, ratio=0.25, threshold=12, steps=2)
    card = method(interactions()).card
    budget = method.budget(interactions())
    assert abs(card["num_selected"] - budget) < 5 * budget**0.5
    assert card["num_tail"] > 0
    assert card["tail_threshold"] == 12
    assert card["ratio_actual"] > 0.25


def test_the_released_codes_budget_is_a_share_of_the_pool():
    data = interactions()
    method = PolicyGradient.released(MF, POOL, ratio=0.25, steps=1)
    card = method(data).card
    assert (method.cap, method.schedule) == ("pool", Schedule(steps=1, every=100, centred=False))
    assert (
        abs(card["num_selected"] - 0.25 * card["num_pool"]) < 5 * (card["num_pool"] * 0.19) ** 0.5
    )
    assert PolicyGradient.released(MF, POOL, ratio=1.0, steps=1)(data).card["ratio_actual"] > 1.0


def test_the_papers_epoch_moves_the_outer_loss_and_the_card_says_how_far():
    draw = torch.Generator().manual_seed(0)
    edges = torch.stack([torch.randint(0, 40, (3000,), generator=draw)] * 2)
    edges[1] = (torch.rand(3000, generator=draw) ** 4 * 60).long()  # few items are popular
    data = split_interactions(make_interactions(edges, 40, 60), seed=0)
    losses = {}
    for rate in (0.2, 0.0002):
        inner = replace(ONE_EPOCH, learning_rate=rate, batch_size=16)
        card = condenser(inner=inner, schedule=Schedule(steps=1))(data).card
        assert card["outer_loss_untrained"] == pytest.approx(math.log(2), abs=1e-3)
        assert card["outer_loss_first"] == card["outer_loss_last"]
        losses[rate] = abs(card["outer_loss_untrained"] - card["outer_loss_first"])
    assert losses[0.2] > 0.02 > 10 * losses[0.0002]
    # Where nothing moves it is the loss of the first step, of the same tables and negatives.
    still = {"inner": replace(ONE_EPOCH, learning_rate=1e-15), "schedule": Schedule(steps=1)}
    card = condenser(estimator=masks.Reinforce(), **still)(data).card
    assert card["outer_loss_untrained"] == pytest.approx(card["outer_loss_first"], rel=1e-6)


def test_held_out_interactions_leave_the_pool():
    data = interactions()
    method = condenser(outer=HeldOutInteractions(), schedule=Schedule(steps=1))
    pool = method._pool(without_test(data))
    held = method.outer.edges(without_test(data), pool, method.seed)
    inside = set((pool.edges[0] * 60 + pool.edges[1]).tolist())
    assert held.size(1) > 0
    assert not inside & set((held[0] * 60 + held[1]).tolist())
    assert set((held[0] * 60 + held[1]).tolist()) <= set(
        (train_edges(data)[0] * 60 + train_edges(data)[1]).tolist()
    )
    assert method(data).card["ratio_actual"] <= 0.4


def test_no_proxy_has_seen_held_out_interactions(monkeypatch):
    data, seen = without_test(interactions()), []
    fit = pools.proxy.fit_recommender

    def spy(factory, train, *args, **kwargs):
        seen.append(train_edges(train))
        return fit(factory, train, *args, **kwargs)

    monkeypatch.setattr(pools.proxy, "fit_recommender", spy)
    held = HeldOutInteractions().held_out(data, 0)
    condenser(outer=HeldOutInteractions(), estimator=masks.OneStep(), inner=UnrolledBPR())._pool(
        data
    )
    assert seen
    for edges in seen:
        assert edges.size(1) + held.size(1) == train_edges(data).size(1)
        assert not bool(
            torch.isin(
                edges[0] * num_items(data) + edges[1], held[0] * num_items(data) + held[1]
            ).any()
        )


def test_the_designs_own_line_runs():
    pool = pools.Union(pools.Observed(), pools.ProxyTopK(MF, ratio=0.3, recipe=BPR(rounds=2)))
    method = PolicyGradient(
        MF, pool, ratio=0.25, estimator=masks.LeaveOneOut(samples=4), schedule=Schedule(steps=2)
    )
    card = method(interactions()).card
    assert card["ratio_actual"] <= 0.25
    assert card["control_has_seen_validation"] is False


def test_a_teacher_asks_for_what_the_proxy_ranks_first_and_sees_no_validation():
    data = interactions()
    method = condenser(outer=TeacherFavourites(), estimator=masks.OneStep(), inner=UnrolledBPR())
    pool = method._pool(without_test(data))
    asked = method.outer.edges(without_test(data), pool, method.seed)
    scores = pool.proxies[0].users @ pool.proxies[0].items.T
    scores[train_edges(data)[0], train_edges(data)[1]] = -torch.inf
    assert asked[1, asked[0] == 0].tolist() == scores[0].topk(10).indices.tolist()
    assert method(data).card["ratio_actual"] <= 0.4
    without = PolicyGradient(
        MF,
        pools.Observed(),
        ratio=0.4,
        outer=TeacherFavourites(),
        control=0,
        schedule=Schedule(steps=1),
    )
    assert without(data).card["share_pseudo"] == 0.0


def test_bad_arguments():
    wrongs = [{"cap": "all"}, {"draw": "coin"}, {"outer": "test"}, {"control": -1}, {"cap": "pool"}]
    for wrong in [*wrongs, {"estimator": masks.OneStep(), "inner": EPOCH}]:
        with pytest.raises(InputError, match="must be|needs"):
            condenser(**wrong)
    with pytest.raises(InputError, match="budget"):
        Tail(budget="free")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="steps"):
        Schedule(learning_rate=0.0)
    with pytest.raises(InputError, match="steps"):
        UnrolledBPR(steps=0)
    with pytest.raises(InputError, match="start"):
        UnrolledBPR(start="there")  # type: ignore[arg-type]
    with pytest.raises(BudgetError):
        condenser(ratio=1.4)(interactions())
    with pytest.raises(InputError, match="floor <= learning_rate"):
        Schedule(learning_rate=1e-5)
    with pytest.raises(InputError, match="`of`"):
        Tail(of="both")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="threshold"):
        Tail(threshold=-3)
    data = without_test(interactions())
    bare = pools.Observed()(data, seed=0)
    with pytest.raises(InputError, match="The pool must have a proxy model"):
        condenser(outer=TeacherFavourites()).loop(data, bare)


def test_the_losses_of_one_mask_do_not_depend_on_its_neighbours_start():
    """All K models of a step start from the same tables: without training they have the
    same loss.
    """
    data = without_test(interactions())
    method = condenser(estimator=masks.LeaveOneOut(4))
    pool = method._pool(data)
    loop = method.loop(data, pool)
    nothing = [torch.zeros(len(pool), dtype=torch.bool)] * 3
    losses = loop.objective(nothing)
    assert losses.shape == (3, 40)
    torch.testing.assert_close(losses, losses[:1].expand(3, -1))


def test_schedule():
    assert [
        round(Schedule(steps=1000, every=100).at(step), 5) for step in (0, 99, 100, 250, 999)
    ] == [0.1, 0.1, 0.01, 0.001, 0.0001]


def test_data_set_files_hold_no_trace_of_the_test_split(tmp_path: Path):
    small = condenser()(interactions())
    assert "test_edge_index" not in small[EDGE]


def test_a_step_is_adam_on_the_centred_gradient_and_the_mapping_norm_is_the_theorems():
    data = without_test(interactions())
    method = condenser(tail=Tail(threshold=0), schedule=Schedule(steps=1, learning_rate=0.05))
    pool = method._pool(data)
    loop = method.loop(data, pool)
    state = State(method._start(loop))
    start = state.probs.clone()
    seed = outer_loop.derive(method.seed, "masks", 0)
    grad = method.estimator(loop.objective.at(0), masks.BernoulliMask(start), seed=seed).grad
    loop.step(state)
    simplex = masks.CappedSimplex(float(method.budget(data)))
    mapping = (start - simplex.project(start - 0.05 * grad)) / 0.05
    assert state.history[0]["mapping_norm"] == pytest.approx(float(mapping.norm()), rel=1e-3)
    parameter = start.clone().requires_grad_()
    parameter.grad = grad - grad.mean()
    torch.optim.Adam([parameter], lr=0.05).step()
    torch.testing.assert_close(state.probs, simplex.project(parameter.detach()), atol=1e-5, rtol=0)


def test_a_plain_step_is_projected_descent_and_its_norm_is_the_theorems():
    data = without_test(interactions())
    schedule = Schedule(steps=1, learning_rate=0.05, plain=True)
    method = condenser(
        tail=Tail(threshold=0), schedule=schedule, estimator=masks.Reinforce(samples=1)
    )
    pool = method._pool(data)
    loop = method.loop(data, pool)
    state = State(method._start(loop))
    start = state.probs.clone()
    seed = outer_loop.derive(method.seed, "masks", 0)
    grad = method.estimator(loop.objective.at(0), masks.BernoulliMask(start), seed=seed).grad
    loop.step(state)
    simplex = masks.CappedSimplex(float(method.budget(data)))
    assert float((state.probs - start).abs().max()) > 1e-3
    torch.testing.assert_close(state.probs, simplex.project(start - 0.05 * grad))
    record = state.history[0]
    assert record["step_norm"] == pytest.approx(record["mapping_norm"], rel=1e-4)
    assert record["step_norm"] == pytest.approx(float((state.probs - start).norm()) / 0.05)
