import math

import pytest
import torch
from torch_geometric.metrics import LinkPredNDCG, LinkPredRecall

from graphcond.errors import InputError
from graphcond.metrics import hits, mean_over_users, ndcg, recall


@pytest.mark.parametrize("k", [1, 3, 10])
def test_agrees_with_pyg(k):
    draw = torch.Generator().manual_seed(k)
    users, items = 40, 30
    scores = -torch.rand(
        users, items, generator=draw
    )  # all negative: a mask by zeros would rank excluded items first
    relevant = (torch.rand(users, items, generator=draw) < 0.15).nonzero().T
    relevant = relevant[:, relevant[0] > 4]  # five users without items; many with fewer than k
    top = scores.topk(k).indices
    hit, count = hits(top, relevant, items)
    for ours, theirs in ((recall, LinkPredRecall(k)), (ndcg, LinkPredNDCG(k))):
        theirs.update(top, relevant)
        assert mean_over_users(ours(hit, count, k), count) == pytest.approx(
            float(theirs.compute()), abs=1e-6
        )


def test_a_perfect_list_scores_one_even_with_fewer_relevant_items_than_k():
    hit, count = hits(torch.tensor([[2, 0, 1]]), torch.tensor([[0], [2]]), num_items=3)
    assert recall(hit, count, 3).item() == ndcg(hit, count, 3).item() == 1


def test_empty_places_and_users_without_items_count_nothing():
    hit, count = hits(
        torch.tensor([[-1, -1], [1, -1]]), torch.tensor([[1, 1], [1, 0]]), num_items=2
    )
    assert hit.tolist() == [[False, False], [True, False]]
    assert mean_over_users(recall(hit, count, 2), count) == 0.5


def test_nothing_relevant_is_nan_and_bad_k_an_error():
    hit, count = hits(torch.tensor([[0]]), torch.empty(2, 0, dtype=torch.long), num_items=2)
    assert torch.tensor(mean_over_users(recall(hit, count, 1), count)).isnan()
    for metric in (ndcg, recall):
        for k in (0, 2):
            with pytest.raises(InputError, match="k"):
                metric(hit, count, k)


def test_a_user_without_relevant_items_scores_zero_and_is_left_out_of_the_mean():
    hit, count = hits(torch.tensor([[0, 1], [1, 0]]), torch.tensor([[1], [1]]), num_items=2)
    assert recall(hit, count, 2).tolist() == ndcg(hit, count, 2).tolist() == [0, 1]
    assert mean_over_users(torch.tensor([5.0, 1.0]), count) == 1


def test_later_hits_gain_less():
    hit = torch.tensor([[False, True, False], [False, False, True]])
    found = ndcg(hit, torch.tensor([1, 1]), 3).tolist()
    assert found == pytest.approx([1 / math.log2(3), 1 / math.log2(4)])


def test_only_the_first_k_places_count():
    hit = torch.tensor([[False, True, True], [True, False, True]])
    count = torch.tensor([2, 4])
    assert [recall(hit, count, k).tolist() for k in (1, 2, 3)] == [[0, 0.25], [0.5, 0.25], [1, 0.5]]
    first, second = (ndcg(hit, count, k).tolist() for k in (1, 2))
    assert first == [0, 1]
    discount = 1 / math.log2(3)
    assert second == pytest.approx([discount / (1 + discount), 1 / (1 + discount)])


def test_an_empty_place_is_not_the_last_item_of_the_user_before():
    hit, _ = hits(torch.tensor([[0], [-1]]), torch.tensor([[0], [3]]), num_items=4)
    assert not hit.any()


def test_an_interaction_that_is_held_out_twice_is_one_relevant_item():
    twice = torch.tensor([[0, 0, 0], [2, 2, 1]])
    hit, count = hits(torch.tensor([[2, 0]]), twice, num_items=3)
    assert (hit.tolist(), count.tolist()) == ([[True, False]], [2])


def test_items_that_are_not_there_are_refused_on_either_side():
    for top, relevant in ((4, 0), (0, 4), (0, -1)):
        with pytest.raises(InputError, match="Item ids must be in"):
            hits(torch.tensor([[0, top]]), torch.tensor([[0], [relevant]]), num_items=4)


def test_users_that_are_not_there_are_refused_on_either_side():
    top = torch.tensor([[0, 1], [1, 0]])
    for user in (-1, 2):
        with pytest.raises(InputError, match="users of `relevant`"):
            hits(top, torch.tensor([[0, user], [0, 1]]), num_items=2)


@pytest.mark.parametrize("metric", [recall, ndcg])
@pytest.mark.parametrize("k", [0, 3, 1.5])
def test_lists_shorter_than_k_are_refused_by_both(metric, k):
    with pytest.raises(InputError, match="`k`"):
        metric(torch.ones(2, 2, dtype=torch.bool), torch.tensor([1, 1]), k)


def test_the_mean_of_many_users_is_summed_in_double_precision():
    values = torch.full((3_000_000,), 0.1)
    values[0] = 1.0
    wanted = float(values.double().mean())
    assert mean_over_users(values, torch.ones(values.numel())) == pytest.approx(wanted, rel=1e-12)
