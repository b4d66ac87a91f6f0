import copy

import torch

from graphcond.condensers import RandomNodes
from graphcond.data import looped, planted_graph
from graphcond.evaluation import Entry, calibrate, judge_nodes, reference
from graphcond.nn import PolynomialFilterNet
from graphcond.seeding import derive
from graphcond.spaces import PolynomialFilters


def test_filters_see_a_set_without_edges_as_identity():
    data = planted_graph(seed=0)
    made = RandomNodes(num_nodes=30)(data)
    bare = copy.copy(made)
    bare.edge_index = torch.empty(2, 0, dtype=torch.int64)
    if "edge_weight" in bare:
        del bare["edge_weight"]
    row = judge_nodes(data, [Entry(bare, (0,))], seeds=(0, 1), candidates=6)[-1]
    net = PolynomialFilterNet(data.num_features, hidden=16, num_classes=int(data.y.max()) + 1)
    lam = PolynomialFilters(order=2).sample(6, seed=derive(0, "judge"))
    whole = reference(net, lam, data, seeds=(0, 1))
    want = calibrate(net, lam, full=whole, condensed=looped(bare), seeds=(0,)).condensed_rows[0]
    assert row["spearman_loss"] == want["spearman_loss"]
    raw = calibrate(net, lam, full=whole, condensed=bare, seeds=(0,))
    assert not torch.equal(
        raw.loss, calibrate(net, lam, full=whole, condensed=looped(bare), seeds=(0,)).loss
    )
