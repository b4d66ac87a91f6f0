"""Real data sets: counts are on the cards and checked by ``load``; here, agreement with PyG and
what cards cannot say.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch_geometric.datasets import Amazon, Coauthor, HeterophilousGraphDataset, Planetoid

from graphcond.data import (
    EDGE,
    check_interactions,
    check_nodes,
    load,
    split_interactions,
    statistics,
    test_edges,
    train_edges,
    val_edges,
)

pytestmark = pytest.mark.dataset


def _linked(source: Path, target: Path) -> Path:
    target.mkdir(parents=True)
    for file in source.iterdir():
        shutil.copy(file, target / file.name)
    return target


@pytest.mark.parametrize("name", ["Cora", "CiteSeer", "PubMed"])
def test_planetoid_agrees_with_pyg(name: str, data_root: Path, tmp_path: Path) -> None:
    _linked(data_root / "planetoid" / name / "raw", tmp_path / name / "raw")
    theirs, ours = Planetoid(str(tmp_path), name)[0], load(name.lower(), data_root)
    check_nodes(ours)
    for key in ("edge_index", "y", "train_mask", "val_mask", "test_mask"):
        assert torch.equal(theirs[key], ours[key]), key
    torch.testing.assert_close(theirs.x / theirs.x.sum(1, keepdim=True).clamp(min=1e-12), ours.x)
    assert load(name.lower(), tmp_path).num_edges == ours.num_edges, (
        "the layout PyG makes is found too"
    )


def test_citeseer_has_its_isolated_nodes(data_root: Path) -> None:
    assert statistics(load("citeseer", data_root))["isolated"] == 48


@pytest.mark.parametrize(
    ("name", "folder", "raw", "make"),
    [
        ("amazon-photo", "amazon", "Photo", lambda root: Amazon(root, "Photo")),
        pytest.param(
            "coauthor-cs",
            "coauthor",
            "CS",
            lambda root: Coauthor(root, "CS"),
            marks=pytest.mark.slow,
        ),
        (
            "tolokers",
            "heterophilous",
            "tolokers",
            lambda root: HeterophilousGraphDataset(root, "Tolokers"),
        ),
    ],
)
def test_archives_agree_with_pyg(
    name: str, folder: str, raw: str, make, data_root: Path, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    _linked(data_root / folder / raw / "raw", tmp_path / raw / "raw")
    theirs, ours = make(str(tmp_path))[0], load(name, data_root)
    check_nodes(ours)
    assert torch.equal(theirs.x, ours.x)
    assert torch.equal(theirs.y, ours.y)
    assert torch.equal(theirs.edge_index, ours.edge_index)
    if "train_mask" in theirs:
        assert torch.equal(theirs.train_mask[:, 0], ours.train_mask)


@pytest.mark.parametrize("name", ["lastfm", "gowalla", "dianping", "ciao-dcrec"])
def test_published_splits_pass_the_checks(name: str, data_root: Path) -> None:
    loaded = load(name, data_root)
    data = split_interactions(loaded, strategy="published")
    check_interactions(data)
    sizes = [part(data).size(1) for part in (train_edges, val_edges, test_edges)]
    assert sum(sizes) == loaded[EDGE].edge_index.size(1)
    assert sizes[2] == int((loaded[EDGE].split == 2).sum())
    if name == "gowalla":
        assert sizes == [719_081, 91_047, 217_242]


def test_ciao_merges_and_drops_as_counted(data_root: Path) -> None:
    card = load("ciao", data_root).card
    assert card["duplicates_merged"] + card["rows_dropped"] + 257_406 == 284_086


def test_lastfm_keeps_plays_apart_from_weights(data_root: Path) -> None:
    data = split_interactions(load("lastfm", data_root))
    assert "edge_weight" not in data[EDGE]
    assert data[EDGE].plays.shape == (train_edges(data).size(1),)
    assert int(data[EDGE].plays.max()) > 1000
    check_interactions(data)


@pytest.mark.slow
def test_stand_in_features_of_arxiv_say_something_and_are_kept(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = load("ogbn-arxiv-partial", data_root)
    check_nodes(data)
    torch.testing.assert_close(data.x.norm(dim=1), torch.ones(169_343))
    train = data.x[data.train_mask]
    target = torch.nn.functional.one_hot(data.y[data.train_mask], 40).float()
    weight = torch.linalg.solve(train.t() @ train + torch.eye(128), train.t() @ target)
    guess = (data.x[data.val_mask] @ weight).argmax(1)
    # The largest class is 22 % of the validation nodes; features that say something of the topic
    # beat it by far.
    assert float((guess == data.y[data.val_mask]).float().mean()) > 0.45
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    assert torch.equal(data.x, load("ogbn-arxiv-partial", data_root).x)
