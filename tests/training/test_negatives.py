import torch

from graphcond.training import UniformNegatives


def test_never_a_training_item_and_every_other_item_alike():
    own = torch.tensor([[0, 0, 0, 1], [1, 2, 4, 0]])
    draw = UniformNegatives(own, num_users=2, num_items=6)
    items = draw(torch.zeros(30_000, dtype=torch.long), torch.Generator().manual_seed(0))
    count = torch.bincount(items, minlength=6)
    assert count[[1, 2, 4]].sum() == 0
    # 10,000 each, half of them drawn anew; the first and the last item are among them. Six standard
    # deviations of a binomial are 490: fails by chance less than once in 10^8 runs
    assert (count[[0, 3, 5]] - 10_000).abs().max() < 490


def test_a_user_with_every_item_ends():
    draw = UniformNegatives(torch.tensor([[0, 0], [0, 1]]), num_users=1, num_items=2)
    assert draw(torch.zeros(5, dtype=torch.long), torch.Generator().manual_seed(0)).max() <= 1


def test_models_side_by_side_get_negatives_of_their_own():
    pairs = torch.tensor(
        [[0, 3], [1, 4 + 2]]
    )  # user 0 of model 0, user 1 of model 1; two users, four items each
    items = UniformNegatives(pairs, num_users=2, num_items=4)(
        torch.tensor([0, 3]).repeat(200), torch.Generator().manual_seed(0)
    )
    assert items[0::2].max() < 4
    assert items[1::2].min() >= 4
    assert (items[0::2] != 1).all()
    assert (items[1::2] != 6).all()


def test_every_item_that_was_not_taken_is_drawn_sometimes():
    taken = torch.tensor([[0, 0], [1, 3]])
    users = torch.zeros(400, dtype=torch.long)
    drawn = UniformNegatives(taken, 1, 6)(users, torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == {0, 2, 4, 5}


def test_every_item_is_drawn_alike_at_the_first_try():
    """Of a user without interactions no draw clashes, so that none is drawn again."""
    draw = UniformNegatives(torch.tensor([[0], [0]]), num_users=2, num_items=4)
    items = draw(torch.ones(40_000, dtype=torch.long), torch.Generator().manual_seed(0))
    # six standard deviations of a binomial are 520
    assert (torch.bincount(items, minlength=4) - 10_000).abs().max() < 520
