"""Loading by name: embedded sets, folders, downloads, and what goes wrong."""

from __future__ import annotations

import ast
import gzip
import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from torch_geometric.data import Data
from torch_geometric.utils import contains_self_loops, is_undirected

import graphcond.data.raw as raw
from graphcond.data import (
    EDGE,
    Card,
    check_nodes,
    citation,
    find_card,
    load,
    names,
    num_items,
    num_users,
    statistics,
    train_edges,
)
from graphcond.data.citation import arxiv, heterophilous, planetoid, reddit, structural_features
from graphcond.data.embedded import nearest_neighbors
from graphcond.data.loading import _cached
from graphcond.data.recommendation import read_interactions
from graphcond.errors import FileFormatError, InputError, UnknownNameError


def test_digits_are_a_real_graph_with_a_fixed_split() -> None:
    data = load("digits")
    check_nodes(data)
    assert (float(data.x.min()), float(data.x.max())) == (0.0, 1.0)
    assert is_undirected(data.edge_index)
    assert not contains_self_loops(data.edge_index)
    assert int(torch.bincount(data.edge_index[0]).min()) >= 10
    assert torch.bincount(data.y[data.train_mask]).tolist() == [20] * 10
    assert statistics(data)["homophily"] > 0.9
    assert torch.equal(data.test_mask, load("digits").test_mask)
    assert data.card["name"] == "digits"
    assert data.card["licence"] == "CC BY 4.0"


def test_nearest_neighbours_break_ties_by_index() -> None:
    points = np.array([[0], [1], [2], [4]])
    assert nearest_neighbors(points, 1).tolist() == [[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]]


def test_karate_has_its_known_edges_and_clubs() -> None:
    data = load("Karate_Club")
    check_nodes(data)
    assert is_undirected(data.edge_index)
    assert int(torch.bincount(data.edge_index[0]).max()) == 17  # member 34
    assert torch.bincount(data.y).tolist() == [17, 17]


def test_southern_women_have_their_known_counts() -> None:
    data = load("southern-women")
    assert (num_users(data), num_items(data), train_edges(data).size(1)) == (18, 14, 89)
    popular = torch.bincount(train_edges(data)[1])
    assert data["item"].original_id[int(popular.argmax())] == "E8"
    assert int(popular.max()) == 14


def test_planted_sets_load_by_name() -> None:
    assert load("planted-graph").card["name"] == "planted-graph"
    assert int(load("planted-interactions")[EDGE].useless.sum()) == 0


def test_unknown_names_list_near_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"Similar are cora") as caught:
        load("coraa")
    assert "digits" in str(caught.value)
    assert isinstance(caught.value, LookupError)


def test_every_missing_set_says_where_it_looked_and_what_to_do(
    tmp_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unplugged(url: str, timeout: float) -> None:
        raise OSError(f"no network for {url} within {timeout}")

    monkeypatch.setattr(raw.urllib.request, "urlopen", unplugged)
    embedded = {"digits", "karate", "southern-women", "planted-graph", "planted-interactions"}
    for name in sorted(set(names()) - embedded):
        with pytest.raises(InputError, match="are missing") as caught:
            load(name, tmp_root)
        text = str(caught.value)
        assert str(tmp_root) in text
        assert str(tmp_root.parent / "cache") in text
        assert "no network" in text or "cannot be downloaded" in text
        assert "or give `root`" in text
    assert not any(path.is_file() for path in tmp_root.rglob("*")), (
        "nothing half-downloaded is left"
    )


def _serve(folder: Path, text: dict[str, str]) -> dict[str, str]:
    folder.mkdir()
    for name, content in text.items():
        (folder / name).write_text(content)
    return {name: (folder / name).as_uri() for name in text}


def _card(download: dict[str, str], **change: object) -> Card:
    card = Card(
        "toy",
        "interactions",
        "interactions",
        "nowhere",
        "none",
        "published",
        folders=("toy",),
        files=(("train.txt", "test.txt"),),
    )
    return replace(
        card, download=download, counts={"users": 3, "items": 4, "interactions": 5}, **change
    )  # type: ignore[arg-type]


TEXT = {"train.txt": "0 1 2\n1 0\n", "test.txt": "0 3\n2 2\n"}


def test_files_are_downloaded_once_and_found_again(
    tmp_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = _card(_serve(tmp_root.parent / "server", TEXT))
    monkeypatch.setattr("graphcond.data.loading.find_card", lambda name: card)
    assert train_edges(load("toy", tmp_root)).size(1) == 5
    assert (tmp_root / "toy" / "train.txt").read_text() == TEXT["train.txt"]
    for name in TEXT:
        (tmp_root.parent / "server" / name).unlink()
    assert load("toy", tmp_root).card["source"] == "nowhere"


def test_a_read_only_root_downloads_to_the_cache(
    tmp_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = _card(_serve(tmp_root.parent / "server", TEXT))
    monkeypatch.setattr(raw, "_writable", lambda folder: folder != tmp_root)
    assert raw.raw_folder(card, tmp_root) == tmp_root.parent / "cache" / "graphcond" / "toy"
    assert list(tmp_root.iterdir()) == []


def test_archives_are_unpacked(tmp_root: Path) -> None:
    archive = tmp_root.parent / "toy.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("toy-1.0/train.txt", TEXT["train.txt"])
        packed.writestr("toy-1.0/test.txt", TEXT["test.txt"])
        packed.writestr("toy-1.0/../../evil.txt", "out")
    folder = raw.raw_folder(_card({"toy.zip": archive.as_uri()}), tmp_root)
    assert sorted(path.name for path in folder.iterdir()) == ["test.txt", "train.txt"]
    assert not (tmp_root / "evil.txt").exists()
    archive.write_bytes(b"PK half")
    with pytest.raises(InputError, match="are missing"):
        raw.raw_folder(_card({"toy.zip": archive.as_uri()}, folders=("other",)), tmp_root)


def test_damaged_files_and_other_versions_are_named(
    tmp_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = _card(
        _serve(tmp_root.parent / "server", TEXT),
        sha256={"test.txt": hashlib.sha256(b"other").hexdigest()},
    )
    with pytest.raises(FileFormatError, match=r"the checksum of 'test.txt' .* delete it"):
        raw.raw_folder(wrong, tmp_root)
    counted = replace(wrong, sha256={}, counts={"users": 3, "items": 4, "interactions": 6})
    monkeypatch.setattr("graphcond.data.loading.find_card", lambda name: counted)
    with pytest.raises(InputError, match="interactions=5 instead of 6"):
        load("toy", tmp_root)


def test_the_environment_names_the_root(tmp_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert raw.data_root() == tmp_root.parent / "cache" / "graphcond"
    monkeypatch.setenv("GRAPHCOND_DATA", str(tmp_root))
    assert raw.data_root() == tmp_root
    assert raw.data_root("elsewhere") == Path("elsewhere")


def test_own_arrays_are_loaded(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "pairs.npz",
        user=np.array([0, 0, 1]),
        item=np.array([2, 2, 0]),
        split=np.array([0, 2, 1]),
    )
    data = load(tmp_path / "pairs.npz")
    assert data[EDGE].split.tolist() == [0, 1]
    assert (num_users(data), num_items(data), data.card["duplicates_merged"]) == (2, 3, 1)
    graph = {
        "x": np.eye(3, dtype=np.float32),
        "edge_index": np.array([[0], [1]]),
        "y": np.array([0, 1, 0]),
    }
    np.savez(tmp_path / "graph.npz", **graph)
    assert load(tmp_path / "graph.npz").num_edges == 1
    del graph["y"]
    np.savez(tmp_path / "graph.npz", **graph)
    assert load(tmp_path / "graph.npz").y.tolist() == [-1] * 3
    counted = {
        "x": np.eye(3, dtype=np.int64),
        "edge_index": np.array([[0], [1]]),
        "edge_weight": np.ones(1),
    }
    np.savez(tmp_path / "counted.npz", **counted)
    made = load(tmp_path / "counted.npz")
    assert (made.x.dtype, made.edge_weight.dtype) == (torch.float32, torch.float32)
    for name, value, law in (
        ("edge_index", np.array([[0], [3]]), "largest = 3, n = 3"),
        ("edge_index", np.array([[0, 1], [1, 2], [2, 0]]), r"shape \[2, m\]"),
        ("y", np.array([0.0, np.nan, 1.0]), "of an integer type"),
        ("y", np.array(["a", "b", "c"]), "must hold numbers"),
    ):
        np.savez(tmp_path / "faulty.npz", **{**counted, name: value})
        with pytest.raises(InputError, match=law):
            load(tmp_path / "faulty.npz")
    np.savez(tmp_path / "halves.npz", user=np.array([0.5, 1]), item=np.array([0, 1]))
    with pytest.raises(FileFormatError, match="no whole number"):
        load(tmp_path / "halves.npz")
    np.savez(tmp_path / "uneven.npz", user=np.array([0, 1, 1]), item=np.array([0, 1]))
    with pytest.raises(FileFormatError, match="must be of one length"):
        load(tmp_path / "uneven.npz")
    np.savez(tmp_path / "other.npz", z=np.zeros(3))
    with pytest.raises(FileFormatError, match="has no array of users"):
        load(tmp_path / "other.npz")
    np.savez(tmp_path / "pickled.npz", user=np.array([{}], dtype=object), item=np.array([0]))
    with pytest.raises(FileFormatError, match="no readable .npz"):
        load(tmp_path / "pickled.npz")


def test_a_folder_in_the_way_does_not_hide_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "karate").mkdir()
    assert load("karate").num_nodes == 34
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.txt").write_text("0 1\n")
    assert train_edges(load("mine")).tolist() == [[0], [1]]


def test_the_package_imports_lightly() -> None:
    """ogb's import opens a network connection, the others take seconds: none is imported before it
    is needed.
    """
    heavy = {"ogb", "pandas", "networkx", "sklearn"}
    for path in Path(raw.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            found = (
                {alias.name for alias in node.names}
                if isinstance(node, ast.Import)
                else {getattr(node, "module", None) or ""}
            )
            assert not {name.split(".")[0] for name in found} & heavy, path.name


def test_slow_sets_are_kept_in_the_cache_and_a_damaged_copy_is_made_anew(tmp_root: Path) -> None:
    """A tiny set in the layout of OGB's tables stands in for ogbn-arxiv."""
    folder = tmp_root / "raw"
    folder.mkdir()
    tables = {
        "edge": [[0, 1], [1, 2]],
        "node-feat": [[0.5, 1.0]] * 4,
        "node-label": [[0], [1], [2], [0]],
        "node_year": [[2000], [2018], [2019], [2020]],
    }
    for name, rows in tables.items():
        with gzip.open(folder / f"{name}.csv.gz", "wt") as stream:
            stream.writelines(",".join(map(str, row)) + "\n" for row in rows)
    source = folder / "node-feat.csv.gz"
    data = _cached(source, lambda: arxiv(tmp_root))
    assert data.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert (data.x.dtype, data.y.tolist()) == (torch.float32, [0, 1, 2, 0])
    assert [data[f"{part}_mask"].tolist().count(True) for part in ("train", "val", "test")] == [
        1,
        1,
        2,
    ]
    copy = next(iter((tmp_root.parent / "cache").rglob("*.safetensors")))
    again = _cached(source, lambda: pytest.fail("the copy was not used"))
    assert torch.equal(again.x, data.x)
    copy.write_bytes(copy.read_bytes()[:50])
    assert torch.equal(_cached(source, lambda: arxiv(tmp_root)).y, data.y)
    assert torch.equal(_cached(source, lambda: pytest.fail("the copy was not mended")).y, data.y)


def test_stand_in_features_use_the_graph_alone() -> None:
    graph = load("planted-graph")
    x = structural_features(graph.edge_index, 1000, width=16)
    torch.testing.assert_close(x.norm(dim=1), torch.ones(1000))
    assert torch.equal(x, structural_features(graph.edge_index, 1000, width=16))
    same = graph.y[:, None] == graph.y[None, :]
    cosine = x @ x.t()
    assert float(cosine[same].mean()) > float(cosine[~same].mean()) + 0.05
    assert not torch.equal(x, structural_features(graph.edge_index, 1000, width=16, seed=1))
    lonely = structural_features(torch.tensor([[0, 1], [1, 0]]), 3, width=4)
    assert bool(torch.isfinite(lonely).all())
    assert lonely[2].abs().sum() == 0


def test_reddit_s_archive_is_read(tmp_path: Path) -> None:
    arrays = {
        "feature": np.eye(4),
        "label": np.array([0, 1, 2, 0]),
        "node_types": np.array([1, 2, 3, 1]),
    }
    np.savez(tmp_path / "reddit_data.npz", **arrays)
    sparse.save_npz(
        tmp_path / "reddit_graph.npz",
        sparse.coo_matrix(([1, 1, 1], ([0, 1, 0], [1, 0, 1])), shape=(4, 4)),
    )
    data = reddit(tmp_path)
    assert data.edge_index.tolist() == [[0, 1], [1, 0]]
    assert (data.train_mask.tolist(), data.test_mask.tolist()) == (
        [True, False, False, True],
        [False, False, True, False],
    )
    assert data.val_mask.tolist() == [False, True, False, False]


def test_the_first_published_split_of_an_archive_is_read(tmp_path: Path) -> None:
    masks = {
        f"{part}_masks": np.stack([np.arange(6) % 3 == place, np.arange(6) // 2 == place])
        for place, part in enumerate(("train", "val", "test"))
    }
    nodes = {"node_features": np.eye(6), "node_labels": np.arange(6) % 2}
    np.savez(tmp_path / "set.npz", edges=np.array([[0, 1], [1, 2]]), **nodes, **masks)
    data = heterophilous(tmp_path / "set.npz")
    for part in ("train", "val", "test"):
        assert data[f"{part}_mask"].tolist() == masks[f"{part}_masks"][0].tolist()
    assert data.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]


def test_years_split_papers(tmp_path: Path) -> None:
    years = np.array([2016, 2017, 2018, 2019, 2020])
    graph = {"indptr": np.array([0, 1, 1, 1, 1, 1]), "indices": np.array([1])}
    np.savez(tmp_path / "graph.npz", label=np.arange(5), year=years, **graph)
    data = citation.arxiv_partial(tmp_path / "graph.npz")
    assert data.train_mask.tolist() == (years <= 2017).tolist()
    assert data.val_mask.tolist() == (years == 2018).tolist()
    assert data.test_mask.tolist() == (years >= 2019).tolist()


def test_bags_of_words_are_divided_by_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.tensor([[1.0, 3.0], [0.0, 0.0], [2.0, 0.0]])
    monkeypatch.setattr(citation, "read_planetoid_data", lambda folder, name: Data(x=x.clone()))
    found = planetoid(Path(), "cora").x
    assert found.tolist() == [[0.25, 0.75], [0.0, 0.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"pairs": ["u.data"], "first_id": 1, "value": "rating"}, "1\t2\t5\t88\n2\t1\t3\t89\n"),
        (
            {"pairs": ["u.data"], "first_id": 1, "value": "rating", "delimiter": "::"},
            "1::2::5::88\n2::1::3::89\n",
        ),
    ],
)
def test_movielens_tables_are_read(tmp_path: Path, options: dict[str, object], text: str) -> None:
    (tmp_path / "u.data").write_text(text)
    data = read_interactions(tmp_path, options, {"users": 2, "items": 3})
    assert train_edges(data).tolist() == [[0, 1], [1, 0]]
    assert data[EDGE].rating.tolist() == [5.0, 3.0]
    assert num_items(data) == 3
    assert "edge_weight" not in data[EDGE]


def test_lastfm_s_two_tables_are_read(tmp_path: Path) -> None:
    (tmp_path / "data1.txt").write_text("1\t2\t50\n2\t1\t7\n")
    (tmp_path / "test1.txt").write_text("1\t1\t3\n")
    data = read_interactions(tmp_path, find_card("lastfm").options, {"users": 2, "items": 2})
    assert data[EDGE].split.tolist() == [2, 0, 0]
    assert data[EDGE].plays.tolist() == [3.0, 50.0, 7.0]
