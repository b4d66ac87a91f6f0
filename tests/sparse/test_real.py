"""Real structure: degrees from 1 to thousands, both directions, against PyG's scatter in fp64."""

import numpy as np
import pytest
import torch
from torch.autograd import grad
from torch.testing import assert_close
from torch_geometric.utils import scatter

from graphcond.sparse import CSR, spmm


@pytest.mark.dataset
def test_interactions_propagate_as_by_scatter(data_root, rand):
    file = np.load(data_root / "lastfm-lightgcn/interactions.npz")
    users, items = (torch.from_numpy(file[key].astype(np.int64)) for key in ("user", "item"))
    size = (int(users.max()) + 1, int(items.max()) + 1)
    weight, x, along = (
        rand(users.numel(), grad=True),
        rand(size[1], 16, grad=True),
        (rand(users.numel()), rand(size[1], 16)),
    )
    csr = CSR.from_edges(users, items, size)

    def theirs(w: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return scatter(w.unsqueeze(1) * t[items], users, dim=0, dim_size=size[0], reduce="sum")

    results = []
    for product in (lambda w, t: spmm(csr, t, w[csr.perm]), theirs):
        out = product(weight, x)
        first = grad(out.sin().sum(), (weight, x), create_graph=True)
        results.append((out, *first, *grad(first, (weight, x), along)))
    assert_close(results[0], results[1], rtol=1e-9, atol=1e-9)
