import math
from dataclasses import replace
from functools import partial

import pytest
import torch

from graphcond import nn
from graphcond.data import EDGE, make_interactions, train_edges, val_edges
from graphcond.errors import InputError, NumericalError
from graphcond.training import (
    BPR,
    EASE,
    Contender,
    Fitted,
    LeastSquares,
    Popularity,
    Ranker,
    choose_recipe,
    held_out_ndcg,
    selection,
)


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


MF = partial(nn.MF, dim=8)
GOOD = Contender(MF, BPR(rounds=20, batch_size=256, learning_rate=0.01))
STILL = Contender(MF, BPR(rounds=2, batch_size=256, learning_rate=1e-9))


def test_the_best_on_validation_is_chosen_in_any_order():
    data = blocks()
    for order in ([STILL, GOOD], [GOOD, STILL]):
        choice = choose_recipe(order, data, val_edges(data))
        assert choice.contender == GOOD
        assert choice.score == max(trial["val_ndcg@10"] for trial in choice.trials)
        assert [str(each) for each in order] == [trial["recipe"] for trial in choice.trials]
        assert 0 < choice.rounds <= 20


def test_closed_forms_compete_with_trained_models():
    data = blocks()
    choice = choose_recipe([Contender(Popularity()), Contender(EASE(10.0))], data, val_edges(data))
    assert choice.contender.recommender == EASE(10.0)
    assert choice.rounds == 0


def test_items_of_the_original_are_left_out_of_the_ranking():
    data = blocks()
    small = make_interactions(train_edges(data)[:, ::2], 60, 40)
    scores = [
        choose_recipe([Contender(EASE(10.0))], small, val_edges(data), exclude=exclude).score
        for exclude in (None, train_edges(data))
    ]
    assert scores[1] > 1.2 * scores[0]


class Fixed(Ranker):
    """Ranks item 0 first, then item 1, for both users."""

    history = Fitted(best_epoch=3)

    @property
    def size(self):
        return 2, 3

    def scores(self, start, stop):
        return torch.tensor([[3.0, 2.0, 1.0]]).repeat(stop - start, 1)


def test_held_out_ndcg_by_hand():
    held = torch.tensor([[0, 1], [1, 1]])
    # user 0 finds its item second; user 1's first place is taken out, so that it is first
    want = (1 / torch.log2(torch.tensor(3.0)) + 1) / 2
    assert held_out_ndcg(Fixed(), held, torch.tensor([[1], [0]])) == pytest.approx(float(want))


def test_a_candidate_that_diverges_is_the_worst():
    data = blocks()
    wild = Contender(partial(nn.MF, dim=8, init_std=1e38), BPR(rounds=1))
    choice = choose_recipe([wild, GOOD], data, val_edges(data))
    assert choice.contender == GOOD
    assert choice.trials[0]["val_ndcg@10"] is None
    with pytest.raises(NumericalError, match="diverged"):
        choose_recipe([wild], data, val_edges(data))


def test_rounds_are_fixed_to_train_on_validation_data_too():
    data = blocks()
    fixed = GOOD.without_stopping(3)
    assert fixed == replace(GOOD, recipe=replace(GOOD.recipe, rounds=3))
    assert Contender(MF).without_stopping(3) == Contender(MF, BPR(rounds=3))
    model = fixed.fit(data, val_edges(data)[:, :0])
    assert len(model.history.losses) == 3
    assert Contender(EASE()).without_stopping(3) == Contender(EASE())


def test_the_text_of_a_contender_names_what_was_set():
    text = str(Contender(MF, BPR(loss=nn.SampledSoftmax(9), learning_rate=0.01)))
    assert text.startswith("MF(dim=8) by BPR(loss=SampledSoftmax(negatives=9, cosine=True,")
    assert text.endswith("learning_rate=0.01)")
    assert str(Contender(nn.LightGCN)) == "LightGCN by BPR()"
    assert str(Contender(EASE(7.0))).startswith("EASE(ridge=7.0")


def test_refuses_what_cannot_be_chosen():
    data = blocks()
    with pytest.raises(InputError, match="no candidate"):
        choose_recipe([], data, val_edges(data))
    with pytest.raises(InputError, match="no validation"):
        choose_recipe([GOOD], data, val_edges(data)[:, :0])
    with pytest.raises(InputError, match="takes no recipe"):
        Contender(EASE(), BPR())


def test_a_contender_is_trained_as_asked(monkeypatch):
    """Every argument reaches the training: sets, what is left out, recipe and seed."""
    seen = []
    monkeypatch.setattr(
        selection, "fit_recommender", lambda *args, **named: seen.append((args, named)) or Fixed()
    )
    data, out = blocks(), torch.tensor([[0], [0]])
    Contender(MF, STILL.recipe).fit(data, val_edges(data), exclude=out, seed=7)
    (factory, train, val), named = seen[0]
    assert (factory, train) == (MF, data)
    assert torch.equal(val, val_edges(data))
    assert named == {"exclude": out, "recipe": STILL.recipe, "seed": 7}


def test_the_search_passes_on_seed_and_what_is_left_out_and_counts_rounds():
    seen = []

    class Watched(Contender):
        def fit(self, train, val, *, exclude=None, seed=0):
            seen.append((exclude, seed))
            return Fixed()

    held, out = torch.tensor([[0, 1], [1, 1]]), torch.tensor([[1], [0]])
    data = make_interactions(torch.tensor([[0], [2]]), 2, 3)
    choice = choose_recipe([Watched(MF)], data, held, exclude=out, seed=5)
    assert seen == [(out, 5)]
    assert choice.score == pytest.approx(held_out_ndcg(Fixed(), held, out))
    assert choice.rounds == Fixed.history.best_epoch + 1 == 4
    plain = choose_recipe([Watched(MF)], data, held)
    assert plain.score == pytest.approx(held_out_ndcg(Fixed(), held, train_edges(data)))


def test_of_equals_the_first_is_chosen_with_its_own_rounds():
    class Worse(Fixed):
        history = Fitted(best_epoch=9)

        def scores(self, start, stop):
            return -super().scores(start, stop)

    class Ready(Contender):
        def fit(self, train, val, *, exclude=None, seed=0):
            return self.recommender

    held, data = torch.tensor([[0], [1]]), make_interactions(torch.tensor([[0], [0]]), 2, 3)
    candidates = [Ready(Worse()), Ready(Fixed()), Ready(Fixed())]
    choice = choose_recipe(candidates, data, held)
    assert choice.contender is candidates[1]
    assert choice.rounds == 4


def test_a_closed_form_gets_the_seed():
    data = blocks()
    first, again, other = (
        Contender(LeastSquares(4, sweeps=1)).fit(data, val_edges(data), seed=seed).scores(0, 5)
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_place_counts_up_to_the_tenth():
    class Long(Ranker):
        @property
        def size(self):
            return 1, 20

        def scores(self, start, stop):
            return -torch.arange(20.0)[None]

    nothing = torch.empty(2, 0, dtype=torch.long)
    found = [held_out_ndcg(Long(), torch.tensor([[0], [at]]), nothing) for at in (9, 10)]
    assert found == pytest.approx([1 / math.log2(11), 0])
