"""Which back end is chosen, and how one is forced; without Triton and CUDA nothing is said and
everything is right.
"""

import importlib.util

import pytest
import torch

from graphcond.errors import InputError, UnknownNameError
from graphcond.sparse import spmm
from graphcond.sparse.backends import available, choose, dispatch, forced, use


def test_cpu_computes_with_torch(square, recwarn, rand):
    assert {choose("spmm", rand(2, 2)), choose("sddmm", rand(2, 2))} == {"torch"}
    spmm(square.csr, rand(11, 2))
    assert not recwarn.list


def test_the_table_knows_every_case(monkeypatch):
    class OnCuda:
        is_cuda = True

    monkeypatch.setattr(dispatch, "available", lambda: ("torch", "triton"))
    assert choose("spmm", OnCuda()) == "torch"
    assert choose("sddmm", OnCuda()) == "triton"
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    assert choose("spmm", OnCuda()) == "triton"
    monkeypatch.setattr(dispatch, "available", lambda: ("torch",))
    assert choose("sddmm", OnCuda()) == "torch", "without Triton all is done by torch"


def test_what_is_asked_for_is_what_runs(monkeypatch, rand):
    asked = []
    monkeypatch.setattr(dispatch.importlib, "import_module", lambda name: asked.append(name))
    assert dispatch.kernels("spmm", rand(1)) is dispatch.torch_backend
    dispatch.kernels("spmm", rand(1), "triton")
    assert asked == ["graphcond.sparse.backends.triton"]


def test_forcing_ends_with_the_block():
    with use("torch"):
        assert forced() == "torch"
        with use(None):
            assert forced() is None
    assert forced() is None


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

    def noted(operation, x, asked=None):
        seen.append((operation, asked))
        return original(operation, x, asked)

    monkeypatch.setattr(dispatch, "kernels", noted)
    value, x = rand(square.edges, grad=True), rand(11, 2, grad=True)
    out = spmm(square.csr, x, value)
    with use("torch"):
        torch.autograd.grad(out.sum(), (value, x))
    assert seen == [("spmm", backend), ("sddmm", backend), ("spmm", backend)]
