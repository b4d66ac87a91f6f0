"""Every random draw comes from the seed that was given, and no two draws from one stream."""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from dataclasses import replace
from functools import cache, partial
from types import SimpleNamespace

import pytest
import torch

from graphcond import condensers, masks, nn, pools, seeding, training
from graphcond.condensers.dconrec.objective import ONE_EPOCH
from graphcond.condensers.hcdc import teachers
from graphcond.data import (
    load,
    make_interactions,
    planted_graph,
    split_interactions,
    split_nodes,
    val_edges,
)
from graphcond.evaluation import evaluate_node, evaluate_recommender
from graphcond.search import FilterDescent, search
from graphcond.search.reinforce import ReinforceSampler
from graphcond.spaces import GraphNAS, ModelChoices, PolynomialFilters, TrainingRanges, TreeChoice
from graphcond.training import BPR, ClassifierTraining, FilterTraining, ForestTraining

SAME_FOR_ALL = {"0/looks", "0/power iteration"}
"""Streams that no seed moves: which users early stopping looks at, where a norm's search starts."""


def streams(run, seed, monkeypatch):
    """The streams that a run opens, as "seed/name/…", in order."""
    seen = []

    def noted(text, **options):
        seen.append(text.decode())
        return hashlib.blake2b(text, **options)

    with monkeypatch.context() as patch:
        patch.setattr(seeding, "hashlib", SimpleNamespace(blake2b=noted))
        run(seed)
    return seen


MF = partial(nn.MF, dim=4)
SHORT = BPR(rounds=2, min_steps=2, batch_size=32)
FEW = FilterTraining(epochs=2)
SMALL = {"num_nodes": 4, "num_val": 4}


@cache
def women():
    return split_interactions(load("southern-women"), seed=0)


@cache
def narrow():
    return planted_graph(num_nodes=60, num_classes=2, num_features=6, degree=6.0, seed=0)


@cache
def graph():
    """Wider than the sketches of clusterings, so that these are drawn."""
    data = copy.copy(narrow())
    data.x = torch.cat([data.x, data.x.repeat(1, 50)], 1)
    return data


def condensing(method, data, **settings):
    def run(seed):
        method(**settings, seed=seed).condense(data())

    return run


def hcdc(**settings):
    return condensing(
        condensers.HypergradientMatching,
        narrow,
        **{**SMALL, "recipe": FilterTraining(epochs=2, dropout=0.5), **settings},
    )


def policy(pool=None, **settings):
    settings = {"ratio": 0.4, "schedule": condensers.Schedule(steps=2), **settings}
    return condensing(
        partial(condensers.PolicyGradient, MF, pool or pools.Observed()), women, **settings
    )


TRAJECTORIES = condensers.Trajectories(starts=2, num_seeds=2, epochs=2, warmup=0, every=1)
POOL = condensers.Pool(size=10, batch=4, steps=3, copies=2)
PROXY = pools.Union(pools.Observed(), pools.ProxyTopK(MF, recipe=SHORT, ensemble=2))
EPOCH = replace(ONE_EPOCH, batch_size=32)
LEARNED = {**SMALL, "rounds": 2, "steps": 2, "batch": 5, "targets": "train", "start": "nodes"}
NET = nn.PolynomialFilterNet(306, hidden=4, num_classes=2)
NAS = GraphNAS().decode(GraphNAS().sample(1))[0]
TREE = TreeChoice((0, 1, 2, 3), ("gcn", "gcn", "fc", "fc"))
OLD_AND_NEW = torch.arange(40)


def dated():
    pairs = torch.stack([torch.arange(40) % 5, torch.arange(40) // 5])
    return make_interactions(pairs, 5, 8, timestamp=OLD_AND_NEW // 10)


def filters(seed):
    recipe = FilterTraining(epochs=2, dropout=0.5)
    training.train_filters(NET, torch.ones(4, 3), graph(), recipe=recipe, seed=seed)


def forest(seed):
    recipe = ForestTraining(epochs=2, looks=1, hidden=8, sketch=4, block=1)
    training.train_forest([TREE, TREE], graph(), graph(), recipe=recipe, seed=seed)


def classifier(seed):
    model = nn.GraphNet(306, 2, hidden=8, seed=seed)
    recipe = ClassifierTraining(epochs=2)
    training.train_classifier(model, graph(), graph(), recipe=recipe, seed=seed)


def recommender(factory, recipe, seed):
    training.fit_recommender(factory, women(), val_edges(women()), recipe=recipe, seed=seed)


def full_softmax(factory, seed):
    recipe = training.FullSoftmax(rounds=2)
    training.fit_full_softmax(factory, women(), val_edges(women()), recipe=recipe, seed=seed)


def drawing(draw, seed):
    draw(torch.full((600,), 0.5), 300, seed=seed)


def estimating(seed):
    mask = masks.BernoulliMask(torch.full((200_000,), 0.5))
    mask.sample(3, seed=seed)


def reinforced(seed):
    space = ModelChoices(widths=(8, 16))
    search(lambda trial: space.suggest(trial).hidden, 3, sampler=ReinforceSampler(space, seed=seed))


RUNS = {
    "RandomNodes": condensing(condensers.RandomNodes, graph, **SMALL),
    "SampledNeighbourhoods": condensing(condensers.SampledNeighbourhoods, graph, **SMALL),
    "Partition": condensing(condensers.Partition, graph, **SMALL),
    "Coarsening": condensing(condensers.Coarsening, graph, **SMALL),
    "GradientMatching": condensing(
        condensers.GradientMatching,
        graph,
        adjacency="bernoulli",
        **{**SMALL, "num_seeds": 2, "steps": 2, "inner": 1, "batch": 5},
    ),
    "GradientMatching, net": condensing(
        partial(condensers.GradientMatching, NET, space=PolynomialFilters()),
        graph,
        **{**SMALL, "num_seeds": 2, "steps": 2, "inner": 1},
    ),
    "GCond": condensing(condensers.GCond, graph, **SMALL, num_seeds=1, steps=2),
    "DistributionMatching": condensing(
        condensers.DistributionMatching, graph, adjacency="bernoulli", **LEARNED
    ),
    "KernelInducingPoints": condensing(
        condensers.KernelInducingPoints,
        graph,
        adjacency="bernoulli",
        space=PolynomialFilters(),
        **LEARNED,
    ),
    "TrajectoryMatching": condensing(
        condensers.TrajectoryMatching,
        graph,
        adjacency="bernoulli",
        **{name: value for name, value in LEARNED.items() if name != "batch"},
        **{"experts": 2, "expert_steps": 5, "span": 2},
    ),
    **{
        f"pool, {each.name}": hcdc(over=POOL, teacher=each)
        for each in (
            teachers.LinearTeacher(),
            teachers.RandomFeaturesTeacher(),
            teachers.TrainedTeacher(),
            teachers.SharedTeacher(),
        )
    },
    **{
        f"trajectories, {each.name}": hcdc(over=TRAJECTORIES, teacher=each)
        for each in (
            teachers.LinearTeacher(),
            teachers.RandomFeaturesTeacher(),
            teachers.TrainedTeacher(),
            teachers.SharedTeacher(),
        )
    },
    "SupernetMatching": condensing(
        condensers.SupernetMatching,
        graph,
        **SMALL,
        links=((0, 1), (0, 0)),
        hidden=4,
        over=condensers.Trajectories(starts=2, num_seeds=2, epochs=3, warmup=2),
    ),
    "RandomInteractions": condensing(condensers.RandomInteractions, women, ratio=0.4),
    "Majority": condensing(condensers.Majority, women, ratio=0.4),
    "PopularCore": condensing(condensers.PopularCore, women, ratio=0.4),
    "SVPEasiest": condensing(condensers.SVPEasiest, women, ratio=0.4, recommender=MF, recipe=SHORT),
    "DosCondInteractions": condensing(
        condensers.DosCondInteractions, women, ratio=0.4, recommender=MF, steps=2
    ),
    "TeacherChoice": condensing(
        condensers.TeacherChoice, women, ratio=0.4, recommender=MF, recipe=SHORT, ensemble=2
    ),
    "OneStep": policy(control=2),
    "an epoch": policy(
        PROXY, estimator=masks.LeaveOneOut(), inner=EPOCH, outer=condensers.ValidationInteractions()
    ),
    "held out": policy(
        outer=condensers.HeldOutInteractions(),
        inner=condensers.UnrolledBPR(steps=2, start="fresh", dim=4),
        estimator=masks.OneStep(at="sample"),
        control=0,
    ),
    "train_filters": filters,
    "train_forest": forest,
    "train_classifier": classifier,
    "MF": partial(recommender, partial(nn.MF, dim=4, dropout=0.3), SHORT),
    "LightGCN": partial(recommender, partial(nn.LightGCN, dim=4), SHORT),
    "softmax": partial(
        recommender, MF, replace(SHORT, loss=nn.SampledSoftmax(5), learning_rate=0.01)
    ),
    "full softmax": partial(full_softmax, partial(nn.LightGCN, dim=4)),
    "LeastSquares": lambda seed: training.LeastSquares(3).fit(women(), seed=seed),
    "GraphFilter": lambda seed: training.GraphFilter(3).fit(women(), seed=seed),
    "GF-CF": lambda seed: training.GraphFilter(3, 0.3).fit(women(), seed=seed),
    "systematic": partial(drawing, masks.SystematicDraw()),
    "conditional Poisson": partial(drawing, masks.ConditionalPoissonDraw()),
    "Bernoulli": partial(drawing, masks.BernoulliDraw()),
    "masks": estimating,
    "split per user": lambda seed: split_interactions(dated(), seed=seed),
    "split by the last": lambda seed: split_interactions(
        dated(), seed=seed, strategy="leave-last-out"
    ),
    "split of nodes": lambda seed: split_nodes(graph(), seed=seed, train=5, val=10),
    "PolynomialFilters": lambda seed: PolynomialFilters().sample(3, seed=seed),
    "ModelChoices": lambda seed: ModelChoices().sample(3, seed=seed),
    "GraphNAS": lambda seed: GraphNAS().sample(3, seed=seed),
    "TrainingRanges": lambda seed: TrainingRanges().sample(3, seed=seed),
    "GraphNASNet": lambda seed: NAS(3, 2, seed=seed),
    "OperationTree": lambda seed: nn.OperationTree(3, 2, TREE.links, TREE.operations, seed=seed),
    "FilterDescent": lambda seed: FilterDescent(
        starts=2, moves=1, between=1, recipe=FEW, seed=seed
    )(graph()),
    "Reinforce": reinforced,
    "evaluate_node": lambda seed: evaluate_node(
        nn.GraphNet, graph(), graph(), seeds=(seed,), recipe=ClassifierTraining(epochs=2)
    ),
    "evaluate_recommender": lambda seed: evaluate_recommender(
        MF, women(), women(), seeds=(seed,), recipe=SHORT
    ),
}


ON_PURPOSE = {
    "Partition": {"sketch"},
    "Coarsening": {"sketch"},
    "SVPEasiest": {"svp"},
    "TeacherChoice": {"trial", "init", "round"},
    "OneStep": {"init", "round"},
    "an epoch": {"init", "round", "step", "mask", "outer"},
    "held out": {"outer", "split"},
}
"""Streams that are opened twice: both parts of a graph are sketched alike, sets that are compared
are trained alike, and masks are drawn again where they are asked for again.
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("run", RUNS)
def test_two_seeds_share_no_stream_and_no_stream_is_drawn_from_twice(run, monkeypatch):
    women(), graph()
    # Where no recipe can be given, a short one is taken.
    monkeypatch.setattr(training.recommender, "BPR", lambda: SHORT)
    first, second = (streams(RUNS[run], seed, monkeypatch) for seed in (1, 2))
    assert first
    assert set(first) & set(second) <= SAME_FOR_ALL
    twice = {text.split("/")[1] for text, count in Counter(first).items() if count > 1}
    assert twice <= ON_PURPOSE.get(run, set())
