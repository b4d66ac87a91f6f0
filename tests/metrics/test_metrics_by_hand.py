"""Corners of the metrics, in numbers."""

from __future__ import annotations

import torch

from graphcond.metrics import accuracy


def test_a_class_that_is_ruled_out_is_no_fault_and_an_infinite_best_is():
    ruled_out = torch.tensor([[1.0, -torch.inf], [2.0, -torch.inf], [0.5, -torch.inf]])
    y = torch.tensor([0, 0, 1])
    assert float(accuracy(ruled_out, y)) == torch.tensor(2 / 3)
    both = torch.stack([ruled_out, ruled_out, ruled_out])
    both[1, 2, 1] = torch.inf
    found = accuracy(both, y)
    assert found.isnan().tolist() == [False, True, False]
    known = torch.tensor([True, True, False])
    assert accuracy(both, y, known).tolist() == [1, 1, 1]
