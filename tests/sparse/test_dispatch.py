"""Which back end is chosen, and how one is forced; without Triton and CUDA nothing is said and
everything is right.
"""

import importlib.util

import pytest
import torch

from graphcond.errors import InputError, UnknownNameError
from graphcond.sparse import spmm
from graphcond.sparse.backends import available, choose, dispatch, use


def test_cpu_computes_with_torch(square, recwarn, rand):
    assert choose(square.csr.pattern, rand(2, 2)) == "torch"
    spmm(square.csr, rand(11, 2))
    assert not recwarn.list


def test_the_table_knows_every_case():
    class OnCuda:
        is_cuda = True

        def __init__(self, dtype):
            self.dtype = dtype

    from graphcond.sparse import CSR

    pattern = CSR.from_edges(torch.tensor([0]), torch.tensor([0]), (1, 1)).pattern
    triton = "triton" if "triton" in available() else "torch"
    assert choose(pattern, OnCuda(torch.float32)) == "torch"
    assert choose(pattern, OnCuda(torch.float32), epilogue=True) == triton
    assert choose(pattern, OnCuda(torch.bfloat16)) == triton


def test_forcing_ends_with_the_block(square, rand):
    with use("torch"):
        assert choose(square.csr.pattern, rand(1)) == "torch"
    with use(None):
        assert choose(square.csr.pattern, rand(1)) == "torch"


def test_bad_names_and_absent_back_ends_are_named(monkeypatch):
    with pytest.raises(UnknownNameError, match="backend"), use("cutlass"):
        pass
    monkeypatch.setattr(dispatch, "available", lambda: ("torch",))
    with pytest.raises(InputError, match="runs here"), use("triton"):
        pass


def test_triton_is_not_imported_unless_asked_for(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    dispatch.available.cache_clear()
    try:
        assert available() == ("torch",)
    finally:
        monkeypatch.undo()
        dispatch.available.cache_clear()


def test_backward_keeps_the_back_end_of_the_forward_pass(square, rand, backend, monkeypatch):
    seen = []
    original = dispatch.kernels
    monkeypatch.setattr(dispatch, "kernels", lambda name: seen.append(name) or original(name))
    x = rand(11, 2, grad=True)
    out = spmm(square.csr, x)
    with use("torch"):
        torch.autograd.grad(out.sum(), x)
    assert seen == [backend, backend]
