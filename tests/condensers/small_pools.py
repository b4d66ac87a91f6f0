"""Tables, pools and a model of the size of the women's data, for DConRec in numbers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from graphcond import nn, pools

USERS, ITEMS = 18, 14
MF = partial(nn.MF, dim=4)


def tables(dim=4):
    draw = torch.Generator().manual_seed(0)
    return tuple(torch.randn(n, dim, generator=draw) for n in (USERS, ITEMS))


def pool_of(data, kept=None):
    made = pools.Observed()(data, seed=0)
    return made if kept is None else replace(made, kept=kept)
