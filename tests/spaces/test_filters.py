import pytest
import torch

from graphcond.errors import InputError
from graphcond.spaces import PolynomialFilters


def test_samples_lie_in_the_space_and_extend_each_other():
    space = PolynomialFilters(order=3, num_layers=2, low=-2, high=0.5)
    lam = space.sample(50, seed=1)
    assert lam.shape == (50, 8)
    assert space.contains(lam).all()
    assert lam.min() < -1.8
    assert torch.equal(space.sample(20, seed=1), lam[:20])
    assert not torch.equal(space.sample(50, seed=2), lam)


def test_relax_is_the_nearest_point_and_contains_knows_the_outside():
    space = PolynomialFilters(order=1)
    outside = torch.tensor([[3.0, 0.5], [0.1, -0.1]])
    assert space.contains(outside).tolist() == [False, True]
    assert space.relax(outside).tolist() == [[1.0, 0.5], pytest.approx([0.1, -0.1])]
    assert not space.contains(torch.zeros(2, 3)).any()


def test_decode_names_coefficients():
    assert PolynomialFilters(order=1).decode(torch.tensor([[0.5, -1.0]])) == [
        {"lambda0": 0.5, "lambda1": -1.0}
    ]
    assert list(PolynomialFilters(order=0, num_layers=2).decode(torch.zeros(1, 2))[0]) == [
        "layer0.lambda0",
        "layer1.lambda0",
    ]


@pytest.mark.parametrize(
    "wrong", [{"order": -1}, {"low": 1.0}, {"num_layers": 0}, {"basis": "fourier"}]
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(InputError):
        PolynomialFilters(**wrong)
