"""A planted graph and quick settings for tests of hypergradient matching."""

import torch
from torch_geometric.data import Data

from graphcond.condensers import HypergradientMatching, Pool
from graphcond.condensers.hcdc.teachers import (
    LinearTeacher,
    RandomFeaturesTeacher,
    SharedTeacher,
    TrainedTeacher,
)
from graphcond.training import FilterTraining

TEACHERS = [LinearTeacher(), RandomFeaturesTeacher(), TrainedTeacher(), SharedTeacher()]
BY_NAME = {teacher.name: teacher for teacher in TEACHERS}
QUICK = FilterTraining(epochs=8)
SMALL = Pool(size=10, batch=6, steps=6, copies=1)


def planted(n=120, classes=3, features=6, seed=0):
    """Three homophilous communities with noisy class features."""
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    x = torch.nn.functional.one_hot(y, features).float() + 0.8 * torch.randn(
        n, features, generator=g
    )
    linked = torch.rand(n, n, generator=g) < torch.where(y[:, None] == y, 0.1, 0.01)
    linked = linked.triu(1)
    edge_index = (linked | linked.T).nonzero().T.contiguous()
    order = torch.randperm(n, generator=g)
    masks = {
        name: torch.zeros(n, dtype=torch.bool) for name in ("train_mask", "val_mask", "test_mask")
    }
    for name, part in zip(masks, order.split(n // 3)):
        masks[name][part] = True
    data = Data(x=x, edge_index=edge_index, y=y, **masks)
    data.card = {"name": "planted"}
    return data


def condenser(**changed):
    return HypergradientMatching(
        **{"num_nodes": 9, "num_val": 9, "over": SMALL, "recipe": QUICK, **changed}
    )
