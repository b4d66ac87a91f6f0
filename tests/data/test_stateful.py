"""What is kept comes back: names, shapes, and in place."""

import pytest
import torch

from graphcond.data.stateful import Stateful, joined, part_of
from graphcond.errors import FileFormatError
from graphcond.training import Adam


class Pair(Stateful):
    def __init__(self, **tensors):
        self.tensors = tensors

    def state_dict(self):
        return self.tensors


def test_a_state_is_copied_in_place_and_not_shared():
    kept = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor(3)}
    live = torch.zeros(2, requires_grad=True)
    pair = Pair(a=live, b=torch.tensor(0))
    pair.load_state_dict(kept)
    assert pair.tensors["a"] is live
    assert live.tolist() == [1.0, 2.0]
    assert int(pair.tensors["b"]) == 3
    kept["a"].fill_(9.0)
    assert live.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "other",
    [
        {"a": torch.zeros(2)},
        {"a": torch.zeros(2), "b": torch.zeros(1), "c": torch.zeros(1)},
        {"a": torch.zeros(1), "b": torch.zeros(1)},
    ],
    ids=["one is missing", "one too many", "one of another shape"],
)
def test_the_state_of_something_else_is_refused_before_anything_is_copied(other):
    pair = Pair(a=torch.ones(2), b=torch.ones(1))
    with pytest.raises(FileFormatError, match="same model, sizes and optimiser"):
        pair.load_state_dict(other)
    assert pair.tensors["a"].tolist() == [1.0, 1.0]


def test_parts_are_joined_and_told_apart_by_their_whole_name():
    value = torch.ones(1, requires_grad=True)
    tensors = joined(now={"x.step": value}, nowhere={"x": value + 1})
    assert list(tensors) == ["now.x.step", "nowhere.x"]
    assert not tensors["now.x.step"].requires_grad
    assert list(part_of(tensors, "now")) == ["x.step"]
    assert list(part_of(tensors, "nowhere")) == ["x"]
    assert part_of(tensors, "other") == {}
    tensors["now.x.step"].fill_(5.0)
    assert float(value) == 5.0, "the joined tensors are live"


@pytest.mark.parametrize("fused", [True, False])
def test_adam_goes_on_from_its_state_bit_for_bit(fused):
    def start():
        tensors = {name: torch.ones(3, requires_grad=True) for name in ("x", "y")}
        return Adam(tensors, {"x": 0.1, "y": 0.3}, 0.01, fused=fused)

    def descend(adam, steps):
        for step in steps:
            adam.descend(sum((value - step).pow(4).sum() for value in adam.tensors.values()))

    unbroken, broken, resumed = start(), start(), start()
    descend(unbroken, range(6))
    descend(broken, range(3))
    resumed.load_state_dict(broken.state_dict())
    descend(resumed, range(3, 6))
    for name, value in unbroken.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert not torch.equal(unbroken.tensors["x"], unbroken.tensors["y"])
