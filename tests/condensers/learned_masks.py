"""Small interactions and quick settings for tests of learned masks."""

from functools import partial

import torch

from graphcond import masks, nn, pools
from graphcond.condensers import Tail
from graphcond.condensers.dconrec.condenser import PolicyGradient
from graphcond.condensers.dconrec.outer_loop import Schedule
from graphcond.condensers.dconrec.outer_loss import ValidationInteractions
from graphcond.data import make_interactions, split_interactions
from graphcond.training import BPR

MF = partial(nn.MF, dim=8)
POOL = pools.Union(pools.Observed(), pools.ProxyTopK(MF, ratio=0.3, recipe=BPR(rounds=3)))
EPOCH = BPR(batch_size=256, min_steps=1, rounds=1)


def interactions(seed=0, users=40, items=60, count=700):
    draw = torch.Generator().manual_seed(seed)
    skewed = (torch.rand(count, generator=draw) ** 2 * users).long()
    edges = torch.stack([skewed, torch.randint(0, items, (count,), generator=draw)])
    return split_interactions(make_interactions(edges, users, items), seed=0)


def condenser(**changes):
    settings = {
        "ratio": 0.4,
        "schedule": Schedule(steps=4),
        "tail": Tail(threshold=12),
        "control": 0,
    }
    settings |= {
        "inner": EPOCH,
        "estimator": masks.LeaveOneOut(),
        "outer": ValidationInteractions(),
    }
    return PolicyGradient(MF, POOL, **{**settings, **changes})
