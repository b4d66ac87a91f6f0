"""What a set of ten million interactions costs, from the table to a trained model, step by step.

The interactions are planted: a long tail of items in groups, and users with two groups each. Every
stage runs in a process of its own and leaves its result in a folder, so that its memory is its own
and a stopped run goes on with the next stage. Models are trained for a few rounds: a stage says
what a round costs, not how good a model becomes::

    python -m benchmarks.recommender.size --work FOLDER
    python -m benchmarks.recommender.size --quick
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from benchmarks.recommender.setting import store_of
from benchmarks.store import Store, add_usual
from graphcond import nn, pools
from graphcond.condensers import PolicyGradient, Schedule, SVPEasiest, TeacherChoice
from graphcond.data import (
    make_interactions,
    num_items,
    num_users,
    read,
    save,
    split_interactions,
    train_edges,
    val_edges,
    without_test,
)
from graphcond.data.store import load_state, save_state
from graphcond.evaluation.recommender import rank_scores
from graphcond.measure import Measure
from graphcond.pools import DataPool, PoolBuilder
from graphcond.training import (
    BPR,
    EarlyStopping,
    Fitted,
    Recommender,
    ensemble,
    fit_graph_filter,
    fit_least_squares,
    fit_recommender,
)

MF = partial(nn.MF, dim=64)
RATIO = 0.25
GROUP = 500
"""Items of a group."""
PER_USER = 50
PER_ITEM = 100
FLAT = 50
"""Popularity falls as 1 / (rank + FLAT): the first item takes some thousandths of all."""
_BLOCK = 1 << 20


def planted(count: int, seed: int = 0) -> HeteroData:
    """Return about ``count`` interactions, drawn a block at a time.

    Nine of ten come from the user's two groups, the rest from all items; each by popularity.

    Args:
        count: Interactions; repeated pairs are drawn once more than they count.
        seed: Seed of the draw.
    """
    draw = torch.Generator().manual_seed(seed)
    users, items = count // PER_USER, count // PER_ITEM
    groups = -(-items // GROUP)
    popularity = 1.0 / (torch.randperm(items, generator=draw) + FLAT).double()
    mass = popularity.cumsum(0)
    first = torch.arange(groups) * GROUP
    last = (first + GROUP).clamp(max=items) - 1
    below = torch.where(first > 0, mass[(first - 1).clamp(min=0)], 0.0)
    own = torch.randint(groups, (users, 2), generator=draw)
    activity = torch.randn(users, generator=draw).exp().clamp(max=20).double().cumsum(0)
    found = []
    for start in range(0, count, _BLOCK):
        size = min(_BLOCK, count - start)
        chance = torch.rand(size, generator=draw, dtype=torch.float64)
        user = torch.searchsorted(activity, chance * activity[-1]).clamp_(max=users - 1)
        group = own[user, torch.randint(2, (size,), generator=draw)]
        inside = torch.rand(size, generator=draw) < 0.9
        low = torch.where(inside, below[group], 0.0)
        high = torch.where(inside, mass[last[group]], mass[-1])
        chance = torch.rand(size, generator=draw, dtype=torch.float64)
        item = torch.searchsorted(mass, low + chance * (high - low)).clamp_(max=items - 1)
        found.append(torch.stack([user, item]))
    pairs = torch.cat(found, dim=1)
    name = f"planted, {count:,} drawn"
    return make_interactions(pairs, users, items, card={"name": name, "seed": seed})


@dataclass(frozen=True)
class Given(PoolBuilder):
    """The observed interactions and the favourites of a proxy that is there.

    Args:
        proxy: What proposes.
    """

    proxy: Recommender

    def __call__(self, data: HeteroData, *, seed: int) -> DataPool:
        """Return the pool."""
        observed = pools.Observed()(data, seed=seed)
        pseudo = pools.ProxyTopK(MF, ratio=0.3).select((self.proxy,), data)
        origin = torch.full_like(pseudo[0], pools.PSEUDO, dtype=torch.int8)
        edges = torch.cat([observed.edges, pseudo], dim=1)
        return pools.make_pool(edges, torch.cat([observed.origin, origin]), (self.proxy,))


@dataclass(frozen=True)
class Folder:
    """What the stages leave for one another.

    Args:
        path: The folder.
        count: Interactions drawn.
        rounds: Rounds of every training.
    """

    path: Path
    count: int
    rounds: int

    @property
    def recipe(self) -> BPR:
        """How models are trained."""
        return BPR(rounds=self.rounds, stopping=EarlyStopping(patience=self.rounds))

    def data(self) -> HeteroData:
        """Return the split interactions."""
        found = read(self.path / "data.safetensors")
        if not isinstance(found, HeteroData):
            raise TypeError("the first stage writes interactions")
        return found

    def model(self, name: str) -> Recommender:
        """Return a trained model."""
        tensors, _ = load_state(self.path / f"{name}.safetensors")
        return Recommender(tensors["users"], tensors["items"], Fitted())

    def keep(self, name: str, model: Recommender) -> None:
        """Write a trained model."""
        tensors: dict[str, Tensor] = {"users": model.users, "items": model.items}
        save_state(self.path / f"{name}.safetensors", tensors, {})


def draw(folder: Folder) -> dict[str, Any]:
    """Draw, merge and split."""
    data = split_interactions(planted(folder.count), seed=0)
    save(folder.path / "data.safetensors", data)
    sizes = {"num_users": num_users(data), "num_items": num_items(data)}
    return {**sizes, "num_edges": train_edges(data).size(1)}


def proxy(folder: Folder) -> dict[str, Any]:
    """Train MF on everything."""
    data = folder.data()
    model = fit_recommender(MF, without_test(data), val_edges(data), recipe=folder.recipe)
    folder.keep("proxy", model)
    return {"val_ndcg@10": model.history.best_score}


def factors(folder: Folder) -> dict[str, Any]:
    """Solve for the teacher's factors."""
    folder.keep("factors", fit_least_squares(without_test(folder.data()), 64))
    return {}


def low_pass(folder: Folder) -> dict[str, Any]:
    """Decompose for the teacher's graph filter."""
    folder.keep("filter", fit_graph_filter(without_test(folder.data()), 256))
    return {}


def kept(folder: Folder, name: str, small: HeteroData) -> dict[str, Any]:
    """Write a condensed set."""
    save(folder.path / f"{name}.safetensors", small)
    return {"num_edges": train_edges(small).size(1)}


def easiest(folder: Folder) -> dict[str, Any]:
    """Condense by selection via proxy, the proxy's training included."""
    return kept(folder, "SVPEasiest", SVPEasiest(ratio=RATIO, recipe=folder.recipe)(folder.data()))


def choice(folder: Folder, name: str, **options: Any) -> dict[str, Any]:
    """Condense by the teacher's choice, the trials of its mixtures included."""
    teacher = ensemble(tuple(folder.model(part) for part in ("proxy", "factors", "filter")))
    condense = TeacherChoice(ratio=RATIO, teacher=teacher, recipe=folder.recipe, **options)
    return kept(folder, name, condense(folder.data()))


def policy_gradient(folder: Folder) -> dict[str, Any]:
    """Take one outer step of the learned mask and draw from it."""
    pool = Given(folder.model("proxy"))
    schedule = Schedule(steps=1)
    condense = PolicyGradient(MF, pool, ratio=RATIO, schedule=schedule, control=0)
    return kept(folder, "PolicyGradient", condense(folder.data()))


def judged(folder: Folder) -> dict[str, Any]:
    """Train MF on the observed quarter and rank all items for all users."""
    small, data = read(folder.path / "TeacherChoice.observed.safetensors"), folder.data()
    model = fit_recommender(
        MF,
        small,
        val_edges(data),
        exclude=train_edges(data),
        recipe=folder.recipe,
    )
    return dict(rank_scores(model, data, (10, 20)))


Stage = Callable[[Folder], dict[str, Any]]
STAGES: dict[str, Stage] = {
    "draw and split": draw,
    "proxy": proxy,
    "teacher's factors": factors,
    "teacher's filter": low_pass,
    "SVPEasiest": easiest,
    "TeacherChoice.observed": partial(
        choice, name="TeacherChoice.observed", mixtures=TeacherChoice.OBSERVED_ONLY
    ),
    "TeacherChoice": partial(choice, name="TeacherChoice"),
    "PolicyGradient, one step": policy_gradient,
    "train on a quarter and rank": judged,
}


def run_stage(store: Store, stage: str, folder: Folder, key: dict[str, Any]) -> None:
    """Run one stage in this process and add its row."""
    cpu = time.process_time()
    with Measure() as cost:
        found = STAGES[stage](folder)
    cpu = time.process_time() - cpu
    place = list(STAGES).index(stage)
    row = {
        **key,
        "place": place,
        **found,
        "seconds": cost.seconds,
        "cpu_seconds": cpu,
        "peak_mib": cost.peak_mib,
    }
    store.add(row, code=(STAGES[stage], planted), settings=f"{folder.rounds} rounds")


def main() -> None:
    """Run the stages that are missing, each in a process of its own."""
    command = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--interactions", type=float, default=1e7)
    command.add_argument("--rounds", type=int, default=3, help="rounds of every training")
    command.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES))
    command.add_argument("--work", type=Path, help="folder of what the stages leave")
    command.add_argument("--here", action="store_true", help="run in this process")
    add_usual(command, quick="20,000 interactions, one round")
    options = command.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    if options.quick:
        options.interactions, options.rounds = 2e4, 1
    count = int(options.interactions)
    path = options.work or Path(gettempdir()) / "graphcond-size"
    folder = Folder(path / str(count), count, options.rounds)
    folder.path.mkdir(parents=True, exist_ok=True)
    store = store_of(options, "size")
    for stage in options.stages:
        key = {"dataset": "planted", "method": stage, "seed": 0, "ratio": RATIO}
        key["setting"] = f"{count:.0e} interactions".replace("e+0", "e")
        if store.has(**key):
            continue
        if options.here:
            run_stage(store, stage, folder, key)
            continue
        words = [sys.executable, "-m", "benchmarks.recommender.size", "--here", "--stages", stage]
        words += ["--interactions", str(count), "--rounds", str(options.rounds)]
        words += ["--work", str(path), "--out", str(options.out)]
        words += [f"--{name}" for name in ("quick", "force", "stale") if getattr(options, name)]
        subprocess.run(words, check=True)


if __name__ == "__main__":
    main()
