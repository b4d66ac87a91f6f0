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
from graphcond.sparse.backends.triton import shape

TOOL = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
FLOATS, INTS = "*fp32", "*i32"
NAMES = {
    "spmm_pieces": {
        "indptr": INTS,
        "indices": INTS,
        "piece_row": INTS,
        "piece_part": INTS,
        "piece_slot": INTS,
    },
    "spmm_join": {"long_row": INTS, "long_slot": INTS},
    "sddmm_entries": {"row": INTS, "indices": INTS, "nnz": "i32"},
}


def cases():
    for width in (16, 64, 128, 256, 512):
        blocks = shape(width)
        warps = blocks.pop("num_warps")
        more = {"PIECE": 256, "HAS_VALUE": True, "WIDE": False}
        for kind in ("*fp32", "*bf16"):
            for flag in (False, True):
                yield "spmm_pieces", {"width": width, **blocks, **more, "HAS_Z": flag}, kind, warps
            few = min(width, 64)
            inner = {"width": width, "BLOCK_F": few, "BLOCK_E": max(16, 2048 // few)}
            yield "sddmm_entries", {**inner, "WIDE": False}, kind, 4
        joined = {"width": width, "BLOCK_F": blocks["BLOCK_F"], "HAS_Z": True}
        yield "spmm_join", joined, "*fp32", warps


def compiled(name: str, constants: dict[str, object], kind: str, warps: int) -> dict[str, Any]:
    program = getattr(programs, name)
    types = {
        **dict.fromkeys(constants, "constexpr"),
        "alpha": "fp32",
        "beta": "fp32",
        "partial": FLOATS,
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
