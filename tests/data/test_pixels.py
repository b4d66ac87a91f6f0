"""Images as grid graphs (HCDC, appendix C.2)."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import contains_self_loops, is_undirected

from graphcond.condensers import HypergradientMatching, Pool
from graphcond.data import check_nodes, from_images
from graphcond.errors import InputError
from graphcond.evaluation import calibrate
from graphcond.nn import PolynomialFilterNet, filter_operator
from graphcond.spaces import PolynomialFilters
from graphcond.sparse import apply


def segmentation(count: int = 12, side: int = 8, seed: int = 0) -> Data:
    """Noisy images whose left and right halves are two classes, swapped at random: a pixel alone
    says little, its neighbours more.
    """
    stream = torch.Generator().manual_seed(seed)
    left = torch.arange(side).expand(count, side, side) < side // 2
    labels = (left ^ (torch.rand(count, 1, 1, generator=stream) < 0.5)).long()
    images = labels[..., None].float() + torch.randn(count, side, side, 2, generator=stream)
    return from_images(images, labels, train=4, val=4)


def test_a_grid_has_its_neighbours_and_images_do_not_touch() -> None:
    data = from_images(torch.rand(3, 4, 5, 2), torch.zeros(3, 4, 5), train=1, val=1)
    assert data.num_edges == 2 * 3 * (4 * 4 + 3 * 5)
    assert is_undirected(data.edge_index)
    assert not contains_self_loops(data.edge_index)
    assert torch.equal(data.edge_index[0] // 20, data.edge_index[1] // 20), (
        "every edge stays in its image"
    )
    degree = torch.bincount(data.edge_index[0]).view(3, 4, 5)
    assert degree[0].tolist() == [
        [2, 3, 3, 3, 2],
        [3, 4, 4, 4, 3],
        [3, 4, 4, 4, 3],
        [2, 3, 3, 3, 2],
    ]


def test_whole_images_are_split_and_unknown_pixels_are_in_no_part() -> None:
    labels = torch.zeros(5, 2, 2, dtype=torch.long)
    labels[:, 0, 0] = -1
    data = from_images(torch.rand(5, 2, 2, 1), labels, train=2, val=1, seed=3)
    parts = torch.stack([data.train_mask, data.val_mask, data.test_mask]).view(3, 5, 4)
    assert parts.sum(2).unique().tolist() == [
        0,
        3,
    ], "an image is in a part with its three known pixels or not at all"
    assert parts.any(2).sum(1).tolist() == [2, 1, 2]
    assert parts.sum(0)[:, 0].sum() == 0
    assert not torch.equal(
        data.train_mask,
        from_images(torch.rand(5, 2, 2, 1), labels, train=2, val=1, seed=4).train_mask,
    )
    check_nodes(data)


def test_the_first_filter_is_a_convolution_with_a_cross() -> None:
    """Inside an image, where all degrees are 4, T_1 of the scaled Laplacian is -A / 4."""
    images = torch.rand(2, 7, 7, 3)
    data = from_images(torch.cat([images, images[:1]]), torch.zeros(3, 7, 7), train=1, val=1)
    filtered = apply(filter_operator(data.edge_index, int(data.num_nodes or 0)), data.x).view(
        3, 7, 7, 3
    )[:2]
    cross = -torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]).expand(3, 1, 3, 3) / 4
    wanted = torch.nn.functional.conv2d(
        images.permute(0, 3, 1, 2), cross, padding=1, groups=3
    ).permute(0, 2, 3, 1)
    torch.testing.assert_close(filtered[:, 2:-2, 2:-2], wanted[:, 2:-2, 2:-2])


def test_hcdc_condenses_pixels_like_any_nodes() -> None:
    data, space = segmentation(), PolynomialFilters(order=2)
    net = PolynomialFilterNet(2, hidden=4, num_classes=2)
    condenser = HypergradientMatching(
        net, space, num_nodes=16, over=Pool(size=40, batch=24, steps=60)
    )
    small = condenser(data)
    assert int(small.train_mask.sum()) == int(small.val_mask.sum()) == 16
    report = calibrate(net, space.sample(20, seed=1), full=data, condensed=small)
    assert report.mean("spearman_loss") > 0.6


@pytest.mark.parametrize("wrong", [{"train": 2, "val": 1}, {"train": 0, "val": 1}])
def test_parts_must_leave_images_for_all(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="images in every part"):
        from_images(torch.rand(3, 2, 2, 1), torch.zeros(3, 2, 2), **wrong)


def test_labels_are_whole_numbers_in_tensors() -> None:
    with pytest.raises(InputError, match="whole numbers as `labels`"):
        from_images(torch.rand(3, 2, 2, 1), torch.full((3, 2, 2), float("nan")), train=1, val=1)
    with pytest.raises(InputError, match="as tensors"):
        from_images(torch.rand(3, 2, 2, 1).numpy(), torch.zeros(3, 2, 2), train=1, val=1)  # type: ignore[arg-type]


def test_channels_come_last() -> None:
    with pytest.raises(InputError, match="channels last"):
        from_images(torch.rand(3, 1, 2, 2), torch.zeros(3, 2, 2), train=1, val=1)
