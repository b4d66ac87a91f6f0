"""Seeded mutations of every file format that is read."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data, HeteroData

from benchmarks.faults.outcome import Tally, attempt
from graphcond.cli.main import main
from graphcond.data import (
    Checkpoint,
    load,
    planted_graph,
    planted_interactions,
    save,
    split_interactions,
    statistics,
    write_inter,
    write_lightgcn,
)

_EXTREMES = (
    "-1", "0", "1e309", "nan", "", "9" * 12, "4611686018427387904", "9" * 25, "0x10", "1_000",
    '"', "\x00", "\t", "é", "١٢", "true", "[", "{", "\r",
)  # fmt: skip


@dataclass(frozen=True)
class Format:
    """One format.

    Args:
        name: The file's name.
        write: Writes a sound file.
        read: Reads a file; its result is looked at by :func:`sound`.
        text: Whether the file holds lines of text.
    """

    name: str
    write: Callable[[Path], None]
    read: Callable[[Path], object]
    text: bool = False


def _write_graph(path: Path) -> None:
    save(path, planted_graph(num_nodes=24, num_classes=2, num_features=3))


def _write_arrays(path: Path) -> None:
    data = planted_graph(num_nodes=24, num_classes=2, num_features=3)
    names = ("x", "edge_index", "y", "train_mask", "val_mask", "test_mask")
    np.savez(path, **{name: data[name].numpy() for name in names})


def _write_pairs(path: Path) -> None:
    pairs = planted_interactions(12, 12, 30)["user", "interacts", "item"].edge_index.numpy()
    np.savez_compressed(path, user=pairs[0], item=pairs[1])


def _write_csv(path: Path) -> None:
    pairs = planted_interactions(12, 12, 30)["user", "interacts", "item"].edge_index
    lines = ["user_id,item_id,weight,split"]
    lines += [f"u{user},{item},1.5,train" for user, item in pairs.t().tolist()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_atoms(path: Path) -> None:
    write_inter(path, planted_interactions(12, 12, 30))


def _write_lines(path: Path) -> None:
    write_lightgcn(path.parent, split_interactions(planted_interactions(12, 12, 30)))


def _write_checkpoint(path: Path) -> None:
    Checkpoint(path, "run").save({"now.w": torch.ones(3, 2)}, {"step": 3, "scores": [0.1, 0.2]})


def _write_options(path: Path) -> None:
    options = {"data": "karate", "method": "random", "num_nodes": 4, "seed": 3, "judge": False}
    path.write_text(json.dumps(options, indent=2), encoding="utf-8")


def _command(path: Path) -> None:
    """Run a command from options; status 0 and 2 are its documented ends."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            status: object = main(["condense", "--config", str(path)])
    except SystemExit as end:  # jsonargparse refuses unknown or wrong options so
        status = end.code
    assert status in (0, 2), f"status {status}: {err.getvalue()[-300:]}"
    assert "Traceback" not in err.getvalue(), err.getvalue()[-300:]


FORMATS = (
    Format("graph.safetensors", _write_graph, load),
    Format("graph.npz", _write_arrays, load),
    Format("pairs.npz", _write_pairs, load),
    Format("table.csv", _write_csv, load, text=True),
    Format("atoms.inter", _write_atoms, load, text=True),
    Format("train.txt", _write_lines, load, text=True),
    Format("run.safetensors", _write_checkpoint, lambda path: Checkpoint(path, "run").load()),
    Format("options.yaml", _write_options, _command, text=True),
)


def mutated(content: bytes, text: bool, stream: random.Random) -> bytes:
    """Return a file's content after one to three accidents."""
    for _ in range(stream.randint(1, 3)):
        content = _accident(content, text, stream)
    return content


def _accident(content: bytes, text: bool, stream: random.Random) -> bytes:
    if not content:
        return bytes(stream.randrange(256) for _ in range(stream.randrange(20)))
    place = stream.randrange(len(content))
    other = min(len(content), place + stream.randint(1, 40))
    kind = stream.randrange(8 if text else 6)
    if kind == 0:  # a flipped bit
        return (
            content[:place]
            + bytes([content[place] ^ 1 << stream.randrange(8)])
            + (content[place + 1 :])
        )
    if kind == 1:  # the end is missing
        return content[:place]
    if kind == 2:  # a piece is missing
        return content[:place] + content[other:]
    if kind == 3:  # a piece is there twice
        return content[:other] + content[place:]
    if kind == 4:  # a piece is overwritten
        size = other - place
        return content[:place] + stream.choice((b"\x00", b"\xff")) * size + content[other:]
    if kind == 5:  # something is in between
        return content[:place] + stream.randbytes(stream.randint(1, 9)) + content[place:]
    word = stream.choice(_EXTREMES).encode()
    lines = content.split(b"\n")
    line = stream.randrange(len(lines))
    if kind == 6:  # a cell of another kind
        cells = lines[line].replace(b"\t", b",").replace(b" ", b",").split(b",")
        cell = stream.choice(cells)
        lines[line] = lines[line].replace(cell, word, 1) if cell else lines[line] + word
    else:  # lines in another order
        stream.shuffle(lines)
    return b"\n".join(lines)


def sound(found: object) -> None:
    """Raise ``AssertionError`` unless what was read can be used."""
    if isinstance(found, (Data, HeteroData)):
        if isinstance(found, HeteroData):
            pairs = found["user", "interacts", "item"].edge_index
            assert not pairs.numel() or int(pairs.min()) >= 0, "negative ids"
        statistics(found)


def mutate_files(form: Format, numbers: range, folder: Path, seed: int = 0) -> Tally:
    """Read malformed files of one format.

    Args:
        form: The format.
        numbers: Which files; each number is a seeded accident.
        folder: Where they are written.
        seed: Seed of the accidents.

    Returns:
        How they ended.
    """
    place = folder / form.name.replace(".", "-")
    place.mkdir(parents=True, exist_ok=True)
    path = place / form.name
    form.write(path)
    whole = path.read_bytes()
    tally = Tally()
    for number in numbers:
        stream = random.Random(f"{seed} {form.name} {number}")
        path.write_bytes(mutated(whole, form.text, stream))
        attempt(tally, f"{form.name} {number}", lambda: sound(form.read(path)))
    return tally
