"""Cards are complete, unique and readable."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphcond.data import Card, find_card, names
from graphcond.data.card import cards, cards_folder, read_card, verify_counts
from graphcond.errors import FileFormatError, InputError, UnknownNameError

READERS = {
    "planetoid",
    "shchur",
    "heterophilous",
    "reddit",
    "arxiv",
    "arxiv-partial",
    "interactions",
}
MADE = {"digits", "karate", "southern-women", "planted-graph", "planted-interactions"}


def test_names_and_aliases_are_unique() -> None:
    every = [name for card in cards().values() for name in (card.name, *card.aliases)]
    assert len(every) == len(set(every))
    assert {
        "cora",
        "citeseer",
        "pubmed",
        "ogbn-arxiv",
        "reddit",
        "gowalla",
        "ciao",
        "dianping",
        "lastfm",
        "amazon-book",
    } <= set(names())
    assert names() == sorted(names())


@pytest.mark.parametrize("name", names())
def test_a_card_says_all_it_must(name: str) -> None:
    card = find_card(name)
    assert (cards_folder() / name / "card.toml").is_file()
    assert card.kind in ("nodes", "interactions")
    assert all((card.source, card.licence, card.split))
    sizes = {"nodes", "features", "classes"} if card.kind == "nodes" else {"users", "items"}
    assert sizes <= set(card.counts)
    assert min(card.counts.values()) > 0
    if card.reader in MADE:
        assert card.reader == card.name
        assert not card.files
        return
    assert card.reader in READERS
    assert card.folders
    assert card.files
    assert all(len(value) == 64 for value in card.sha256.values())
    assert set(card.sha256) <= {file for group in card.files for file in group}
    for file, url in card.download.items():
        assert url.endswith(file)
        assert url.startswith("http")
    assert card.record()["name"] == name


def test_pickled_files_have_checksums() -> None:
    """Planetoid's files are pickles: none is opened before its checksum is known to be the
    published one.
    """
    for card in cards().values():
        if card.reader == "planetoid":
            assert set(card.sha256) == set(card.files[0])


def test_names_are_found_in_any_spelling() -> None:
    assert find_card("Ogbn_Arxiv").name == find_card("arxiv").name == "ogbn-arxiv"
    assert find_card("lastfm-lightgcn").name == "lastfm"
    assert find_card("MovieLens").name == "movielens-100k"
    with pytest.raises(UnknownNameError):
        find_card("")


def test_stand_in_features_are_declared() -> None:
    assert "STAND-INS" in find_card("ogbn-arxiv-partial").record()["note"]


def test_faulty_cards_are_named(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    for text in ("name = ", 'name = "x"\n', 'nonsense = 1\nname = "x"\n'):
        path.write_text(text)
        with pytest.raises(FileFormatError, match="is not complete"):
            read_card(path)


def test_counts_that_differ_are_listed() -> None:
    card = Card("toy", "nodes", "x", "s", "l", "r", counts={"nodes": 3, "edges": 4})
    verify_counts(card, {"nodes": 3, "edges": 4, "features": 1})
    with pytest.raises(InputError, match="edges=5 instead of 4") as caught:
        verify_counts(card, {"nodes": 3, "edges": 5})
    assert "nodes=" not in str(caught.value)
