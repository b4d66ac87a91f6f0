"""Every condenser on the device: the result lives there, keeps its budget and repeats."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch_geometric.data import HeteroData

from graphcond import condensers, masks, nn, pools
from graphcond.condensers import (
    DistributionMatching,
    DosCond,
    DosCondInteractions,
    GCond,
    GCondX,
    HeldOutInteractions,
    Herding,
    HypergradientMatching,
    KCenter,
    KernelInducingPoints,
    LinearTeacher,
    Majority,
    Partition,
    PolicyGradient,
    Pool,
    PopularCore,
    RandomFeaturesTeacher,
    RandomInteractions,
    RandomNodes,
    SampledNeighbourhoods,
    Schedule,
    SharedTeacher,
    SupernetMatching,
    SVPHardest,
    Tail,
    Teacher,
    TeacherChoice,
    TrainedTeacher,
    Trajectories,
    TrajectoryMatching,
    ValidationInteractions,
)
from graphcond.data import EDGE
from graphcond.evaluation import evaluate_recommender
from graphcond.hypergrad import Implicit
from graphcond.linalg import CG, Neumann
from graphcond.spaces import PolynomialFilters
from graphcond.testing import small_graph, small_interactions
from graphcond.training import BPR, FilterTraining

pytestmark = [pytest.mark.cuda, pytest.mark.filterwarnings("ignore::UserWarning")]

MF = partial(nn.MF, dim=8)
POOL = pools.Union(pools.Observed(), pools.ProxyTopK(MF, ratio=0.3, recipe=BPR(rounds=3)))
EPOCH = BPR(batch_size=256, min_steps=1, rounds=1)
QUICK = FilterTraining(epochs=8)
SMALL = Pool(size=10, batch=6, steps=6, copies=2)
SIZE = {"num_nodes": 9, "num_val": 9}
FEW = {**SIZE, "rounds": 2, "steps": 2}


def hcdc(teacher: Teacher) -> HypergradientMatching:
    return HypergradientMatching(**SIZE, over=SMALL, recipe=QUICK, teacher=teacher)


NODES = {
    "random": lambda: RandomNodes(**SIZE),
    "herding": lambda: Herding(**SIZE),
    "k-center": lambda: KCenter(**SIZE),
    "partition": lambda: Partition(**SIZE),
    "gcond": lambda: GCond(**SIZE, num_seeds=2, steps=2),
    "gcond-x": lambda: GCondX(**SIZE, num_seeds=2, steps=2),
    "doscond": lambda: DosCond(**SIZE, num_seeds=3),
    "gcond, filters": lambda: GCondX(
        **SIZE,
        num_seeds=2,
        steps=2,
        inner=1,
        net=nn.PolynomialFilterNet(8, 8, 3),
        space=PolynomialFilters(order=2),
    ),
    "kip": lambda: KernelInducingPoints(**FEW),
    "kip, filters": lambda: KernelInducingPoints(
        **FEW, adjacency="learned", space=PolynomialFilters(order=2)
    ),
    "distribution": lambda: DistributionMatching(**FEW),
    "trajectory": lambda: TrajectoryMatching(**FEW, experts=1, expert_steps=30),
    "neighbourhoods": lambda: SampledNeighbourhoods(**SIZE),
    "supernet": lambda: SupernetMatching(
        **SIZE, hidden=4, over=Trajectories(starts=2, num_seeds=2, epochs=3, warmup=2)
    ),
}
HCDC = {
    "linear": lambda: hcdc(LinearTeacher()),
    "random features": lambda: hcdc(RandomFeaturesTeacher()),
    "trained": lambda: hcdc(TrainedTeacher()),
    "shared": lambda: hcdc(SharedTeacher()),
}
HCDC["algorithm 1"] = lambda: HypergradientMatching(
    **SIZE,
    over=Trajectories(starts=2, num_seeds=1, epochs=6, warmup=2, every=2),
    recipe=QUICK,
    teacher=SharedTeacher(),
    hypergradient=Implicit(Neumann(terms=5)),
)
HCDC["hessian"] = lambda: HypergradientMatching(
    **SIZE,
    over=SMALL,
    recipe=FilterTraining(epochs=60, weight_decay=0.05),
    hypergradient=Implicit(CG(max_steps=5), damping=1.0),
    curvature="hessian",
    adjacency="mlp",
)
SHORT = {"ratio": 0.4, "schedule": Schedule(steps=3), "tail": Tail(threshold=12), "control": 0}
INTERACTIONS = {
    "random": lambda: RandomInteractions(ratio=0.4),
    "majority": lambda: Majority(ratio=0.4),
    "popular core": lambda: PopularCore(ratio=0.4),
    "svp": lambda: SVPHardest(ratio=0.4, recipe=BPR(rounds=2)),
    "doscond": lambda: DosCondInteractions(ratio=0.4, recommender=MF, steps=4),
    "teacher choice": lambda: TeacherChoice(
        ratio=0.4, recommender=MF, ensemble=1, factors=8, rank=8, recipe=BPR(rounds=3)
    ),
    "one step": lambda: PolicyGradient(MF, POOL, **SHORT),
    "one step, fresh": lambda: PolicyGradient(
        MF,
        POOL,
        **SHORT,
        inner=condensers.UnrolledBPR(steps=2, start="fresh"),
        outer=HeldOutInteractions(),
    ),
    "leave one out": lambda: PolicyGradient(
        MF,
        POOL,
        **SHORT,
        inner=EPOCH,
        estimator=masks.LeaveOneOut(),
        outer=ValidationInteractions(),
    ),
    "per user, LightGCN": lambda: PolicyGradient(
        partial(nn.LightGCN, dim=8, num_layers=2),
        POOL,
        **SHORT,
        inner=EPOCH,
        estimator=masks.PerUser(),
        draw=masks.ConditionalPoissonDraw(),
    ),
    "published": lambda: replace(PolicyGradient.published(MF, POOL, ratio=0.4, steps=3), control=0),
}


def everything_on(data, device: torch.device) -> bool:
    tensors = [value for store in data.stores for value in store.values()]
    return all(t.device.type == device.type for t in tensors if isinstance(t, torch.Tensor))


@pytest.mark.parametrize("name", [*NODES, *HCDC])
def test_condensed_nodes(device, name, tmp_path):
    condense = {**NODES, **HCDC}[name]()
    data = small_graph().to(device)
    before = data.x.clone()
    small = condense(data)
    assert everything_on(small, device)
    assert (int(small.train_mask.sum()), int(small.val_mask.sum())) == (9, 9)
    assert bool(torch.isfinite(small.x).all())
    assert torch.equal(data.x, before)
    path = tmp_path / "run.safetensors"
    kept = condense.condense(data, checkpoint=path).data
    resumed = condense.condense(data, checkpoint=path).data
    torch.testing.assert_close(resumed.x, kept.x)
    torch.testing.assert_close(small.x, kept.x, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", list(INTERACTIONS))
def test_condensed_interactions(device, name, tmp_path):
    condense = INTERACTIONS[name]()
    data = small_interactions().to(device)
    assert isinstance(data, HeteroData)
    result = condense.condense(data)
    small = result.data
    assert everything_on(small, device)
    total = data[EDGE].edge_index.size(1)
    if name != "published":
        assert 0 < small[EDGE].edge_index.size(1) <= 0.4 * total
    path = tmp_path / "run.safetensors"
    kept = condense.condense(data, checkpoint=path).data
    resumed = condense.condense(data, checkpoint=path).data
    assert torch.equal(resumed[EDGE].edge_index, kept[EDGE].edge_index)


def test_deterministic_choices_are_those_of_the_host(device):
    data, pairs = small_graph(), small_interactions()
    for name in ("random", "herding", "k-center"):
        wanted = NODES[name]()(data)
        torch.testing.assert_close(NODES[name]()(data.clone().to(device)).x.cpu(), wanted.x)
    for name in ("random", "majority"):
        wanted = INTERACTIONS[name]()(pairs)[EDGE].edge_index
        got = INTERACTIONS[name]()(pairs.clone().to(device))[EDGE].edge_index
        assert torch.equal(got.cpu(), wanted)


def test_a_condensed_set_is_judged_on_the_device(device):
    data = small_interactions().to(device)
    small = INTERACTIONS["random"]()(data)
    report = evaluate_recommender(MF, train=small, test=data, seeds=range(1))
    assert report is not None
