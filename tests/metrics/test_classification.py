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
    with pytest.raises(InputError, match="at least one node"):
        accuracy(
            torch.zeros(3, 2), torch.zeros(3, dtype=torch.long), torch.zeros(3, dtype=torch.bool)
        )
