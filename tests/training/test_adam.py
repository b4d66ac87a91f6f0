"""The one Adam: torch's, by name, with rates that can change."""

from __future__ import annotations

import torch

from graphcond.training.adam import Adam


def loss(tensors):
    return sum((value - 3).square().sum() for value in tensors.values())


def leaves():
    return {name: torch.full((2,), float(i + 1), requires_grad=True) for i, name in enumerate("ab")}


def test_a_step_goes_down_and_is_torchs():
    for rates, decay in ((0.1, 0.0), (0.1, 0.5), ({"a": 0.3, "b": 0.05}, 0.0)):
        ours, theirs = leaves(), leaves()
        mine = Adam(ours, rates, decay)
        groups = [
            {"params": [value], "lr": rates if isinstance(rates, float) else rates[name]}
            for name, value in theirs.items()
        ]
        torchs = torch.optim.Adam(groups, weight_decay=decay)
        first = float(loss(ours).detach())
        for _ in range(3):
            mine.descend(loss(ours))
            torchs.zero_grad()
            loss(theirs).backward()
            torchs.step()
        assert float(loss(ours).detach()) < first
        for name, value in ours.items():
            torch.testing.assert_close(value, theirs[name])


def test_rates_by_name_can_be_set_anew():
    ours = leaves()
    adam = Adam(ours, {"a": 0.1, "b": 0.1})
    adam.set_rates({"a": 0.0, "b": 0.2})
    before = {name: value.detach().clone() for name, value in ours.items()}
    adam.descend(loss(ours))
    assert torch.equal(ours["a"], before["a"])
    torch.testing.assert_close(ours["b"].detach(), before["b"] + 0.2)
