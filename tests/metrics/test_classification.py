import pytest
import torch
from sklearn.metrics import accuracy_score

from graphcond.errors import InputError
from graphcond.metrics.classification import accuracy


def test_batched_accuracy_equals_sklearns_on_each_model():
    stream = torch.Generator().manual_seed(0)
    logits, y = torch.randn(3, 50, 4, generator=stream), torch.randint(4, (50,), generator=stream)
    mask = torch.rand(50, generator=stream) < 0.5
    found = accuracy(logits, y, mask)
    for b in range(3):
        assert float(found[b]) == pytest.approx(accuracy_score(y[mask], logits[b].argmax(-1)[mask]))


def test_an_empty_mask_is_refused():
    with pytest.raises(InputError, match="No labelled node"):
        accuracy(
            torch.zeros(3, 2), torch.zeros(3, dtype=torch.long), torch.zeros(3, dtype=torch.bool)
        )


def test_nodes_without_a_label_are_not_counted():
    logits, y = torch.eye(4), torch.tensor([0, 1, -1, -1])
    assert float(accuracy(logits, y)) == 1
    assert float(accuracy(logits, y, torch.tensor([False, True, True, True]))) == 1
    with pytest.raises(InputError, match="No labelled node"):
        accuracy(logits, y, torch.tensor([False, False, True, True]))


def test_nan_is_no_answer_but_only_of_the_model_and_nodes_it_is_in():
    logits = torch.eye(2).expand(3, 2, 2).clone()
    logits[1, 0, 1] = torch.nan
    y = torch.tensor([0, 1])
    found = accuracy(logits, y)
    assert found.isnan().tolist() == [False, True, False]
    assert found[0] == found[2] == 1
    assert accuracy(logits, y, torch.tensor([False, True])).tolist() == [1, 1, 1]


def test_ids_are_no_mask():
    with pytest.raises(InputError, match="index_to_mask"):
        accuracy(torch.eye(4), torch.arange(4), torch.tensor([0, 1, 0, 1]))


def test_a_mask_counts_its_nodes_alone_and_none_counts_all():
    logits, y = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]]), torch.tensor([0, 0, 0])
    assert float(accuracy(logits, y)) == pytest.approx(2 / 3)
    assert float(accuracy(logits, y, torch.tensor([True, True, False]))) == 0.5
    assert accuracy(logits.double(), y).dtype == torch.float64
    with pytest.raises(InputError, match="agree in n"):
        accuracy(logits, y[:2])


def test_labels_of_any_whole_type_and_scores_that_are_whole_numbers():
    scores = torch.tensor([[2, 1], [0, 3], [5, 4]])
    for kind in (torch.uint8, torch.int16, torch.uint16, torch.int64):
        assert accuracy(scores, torch.tensor([0, 0, 1]).to(kind)) == pytest.approx(1 / 3)
