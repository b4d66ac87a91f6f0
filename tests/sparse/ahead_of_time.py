"""Compile every Triton program for a Hopper GPU, on any machine, and print registers and spills;
run without the interpreter.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from graphcond.sparse.backends import triton_kernels as programs

TOOL = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
FLOATS, INTS = "*fp32", "*i32"
NAMES = {
    "spmm_pieces": {
        "indptr": INTS,
        "indices": INTS,
        "filters": "i32",
        "piece_row": INTS,
        "piece_part": INTS,
        "piece_slot": INTS,
    },
    "spmm_join": {"filters": "i32", "long_row": INTS, "long_slot": INTS},
    "sddmm_entries": {"row": INTS, "indices": INTS, "used": INTS},
    "draw_and_count": {
        "keys": "*i64",
        "perm": "*i64",
        "edge_id": "*i64",
        "keep": "*i8",
        "counts": INTS,
        "nnz": "i32",
        "blocks": "i32",
    },
    "count": {"keep": "*i8", "counts": INTS, "nnz": "i32", "blocks": "i32"},
    "write_kept": {
        **dict.fromkeys(
            ("offsets", "row", "indices", "before", "out_row", "out_indices", "out_source"), INTS
        ),
        **dict.fromkeys(("nnz", "blocks", "rows", "columns"), "i32"),
        "keep": "*i8",
    },
}


def cases():
    for width in (16, 64, 128, 256, 512):
        block_f = min(width, 128)
        shape = {"width": width, "BLOCK_F": block_f}
        for kind in ("*fp32", "*bf16"):
            for flag in (False, True):
                flags = {"HAS_Z": flag, "HAS_TOTAL": flag}
                more = {
                    "PIECE": 256,
                    "BLOCK_E": max(4, 1024 // block_f),
                    "HAS_VALUE": True,
                    "WIDE": False,
                }
                yield "spmm_pieces", {**shape, **flags, **more}, kind, 4 if block_f >= 64 else 2
            yield (
                "sddmm_entries",
                {
                    "width": width,
                    "BLOCK_F": min(width, 64),
                    "BLOCK_E": max(16, 2048 // min(width, 64)),
                    "WIDE": False,
                },
                kind,
                4,
            )
        yield "spmm_join", {**shape, "HAS_Z": True, "HAS_TOTAL": True}, "*fp32", 4
    for flag in (False, True):
        yield "draw_and_count", {"HAS_ID": flag, "BLOCK": 1024}, "*fp32", 4
    yield "count", {"BLOCK": 1024}, "*fp32", 4
    yield "write_kept", {"BLOCK": 1024}, "*fp32", 4


def compiled(name: str, constants: dict[str, object], kind: str, warps: int) -> dict[str, Any]:
    program = getattr(programs, name)
    types = {
        **dict.fromkeys(constants, "constexpr"),
        "alpha": "fp32",
        "beta": "fp32",
        "partial": FLOATS,
        "lam": FLOATS,
        **NAMES[name],
    }
    signature = {argument: types.get(argument, kind) for argument in program.arg_names}
    aligned = {
        (i,): [["tt.divisibility", 16]]
        for i, argument in enumerate(program.arg_names)
        if signature[argument].startswith("*")
    }
    source = ASTSource(program, signature, constants, aligned)
    return triton.compile(
        source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps}
    ).asm


def usage(assembled: dict[str, Any]) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(assembled["cubin"])
        text = subprocess.run(
            [str(TOOL), "-res-usage", str(file)], capture_output=True, text=True, check=True
        ).stdout
    numbers = {
        key: int(re.search(pattern, text)[1])
        for key, pattern in (("registers", r"REG:(\d+)"), ("stack", r"STACK:(\d+)"))
    }
    numbers["spills"] = int(re.search(r"LOCAL:(\d+)", text)[1])
    widest = max(
        (int(lanes) for lanes in re.findall(r"ld\.global[^ ]*\.v(\d)\.b32", assembled["ptx"])),
        default=1,
    )
    return {**numbers, "load_bytes": 4 * widest}


if __name__ == "__main__":
    rows = []
    for name, constants, kind, warps in cases():
        rows.append(
            {
                "program": name,
                "kind": kind,
                **constants,
                **usage(compiled(name, constants, kind, warps)),
            }
        )
    json.dump(rows, sys.stdout)
