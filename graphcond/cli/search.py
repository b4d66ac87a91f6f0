"""``graphcond search``: search a space on a condensed set, promote the best to the original, test
the winner; or search with a user's own objective.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch_geometric.data import Data, HeteroData

from graphcond.cli.cost import Timed, cost, cost_line
from graphcond.cli.endings import interruptible, warnings_as_lines
from graphcond.cli.judging import as_json
from graphcond.cli.options import Search
from graphcond.cli.own_file import columns_of
from graphcond.cli.source import load_split
from graphcond.data import (
    Strategy,
    check_split,
    check_writable,
    digest,
    read,
    train_edges,
    val_edges,
    without_test,
)
from graphcond.data.atomic import write_lines
from graphcond.data.store import file_of
from graphcond.errors import InputError, require
from graphcond.evaluation import evaluate_node, held_out_accuracy
from graphcond.evaluation.recommender import rank_scores
from graphcond.search import (
    FilterObjective,
    ModelObjective,
    RankerObjective,
    ScriptObjective,
    draw_history,
    fault,
    promote,
    search,
    write_history,
)
from graphcond.search.models import num_classes
from graphcond.search.script import is_script
from graphcond.search.study import fixed
from graphcond.spaces import DiscreteSpace, GraphNAS, ModelChoices, NasBenchGraph
from graphcond.training import (
    BPR,
    ClassifierTraining,
    EarlyStopping,
    FilterTraining,
    train_filters,
)

if TYPE_CHECKING:
    from optuna import Study

EVERY = 10
"""Epochs between two looks at the original's validation nodes, each of which costs a forward pass
on it.
"""

TESTED = {"accuracy": "accuracy {:.1f} %", "ndcg@10": "NDCG@10 {:.4f}"}
"""What a winner may be tested by, and how it is printed."""

GRAPH_NAS_RATE = 0.005
"""Learning rate that GraphNAS's authors train with."""


def run(options: Search) -> None:
    """Search, promote, test once, print."""
    require(
        options.trials >= options.top >= 1,
        f"`trials` must be at least `top`, and both at least 1, but they are {options.trials} and"
        f" {options.top}. Try more or promote fewer.",
    )
    with interruptible(options), warnings_as_lines():
        if is_script(options.subject):
            _search_script(options)
        else:
            _search_space(options)


def _search_space(options: Search) -> None:
    """Search a space of this library."""
    require(
        options.data is None and options.full is None,
        "`data` and `full` belong to an objective of your own, script.py:function."
        " For a data set give --condensed.",
    )
    given = None if options.condensed is None else read(options.condensed)
    full = _loaded(options, options.subject, None, given)
    small = without_test(full) if given is None else given
    objective = _objective(options, small, full)
    check_split(small, full)
    # A graph condensed for filters ranks filters by its own validation nodes, and other
    # architectures only by the original's.
    seen, own = without_test(full), options.space == "filters"
    trial = objective(small) if own else objective(small, validation=seen)
    settings: dict[str, str | int | float | None] = {
        "space": options.space or _usual(full),
        "graph": digest(small, None if own else seen),
        "epochs": options.epochs,
    }
    study, seconds = _searched(options, Timed(trial), settings, finite=not own)
    start = time.perf_counter()
    start_cpu = time.process_time()
    best = promote(study, objective(seen), options.top)
    promoted = time.perf_counter() - start
    each = (time.process_time() - start_cpu) / len(best)
    require(
        math.isfinite(best[0].full),
        f"All {len(best)} candidates failed on the original. The first: {best[0].fault}.",
    )
    found = _found(study) | {
        **_test(options, objective(full), best[0].params),
        "winner": best[0].params,
        "promoted": [each._asdict() for each in best],
    }
    costs = {}
    if options.condensed is not None:
        costs = cost(study, options.condensed, each, len(best))
    _write(options, study, found, costs)
    if options.json:
        print(as_json(found))
        return
    print(_describe(found, seconds, promoted))
    if costs:
        print(cost_line(costs))


def _usual(full: Any) -> str:
    """Return the space that is searched where none is named."""
    return "recommenders" if isinstance(full, HeteroData) else "models"


def _search_script(options: Search) -> None:
    """Search with an objective of a user's script."""
    require(
        options.condensed is None,
        "An objective of your own gets its graph by --data. Leave --condensed away.",
    )
    small = None if options.data is None else _seen(options, options.data)
    trial = ScriptObjective(options.subject, small)
    settings: dict[str, str | int | float | None] = {
        "objective": Path(options.subject).name,
        "data": None if small is None else digest(small, None),
    }
    study, seconds = _searched(options, trial, settings, direction=options.direction)
    found = _found(study) | {"best": study.best_params, "value": study.best_value}
    promoted = 0.0
    if options.full is not None:
        start = time.perf_counter()
        objective = ScriptObjective(options.subject, _seen(options, options.full))
        best = promote(study, objective, options.top)
        promoted = time.perf_counter() - start
        found |= {"winner": best[0].params, "promoted": [each._asdict() for each in best]}
    _write(options, study, found)
    print(as_json(found) if options.json else _describe(found, seconds, promoted))


def _searched(
    options: Search,
    objective: Any,
    settings: dict[str, str | int | float | None],
    finite: bool = False,
    direction: Any = None,
) -> tuple[Study, float]:
    """Return the finished study and how many seconds this start of it took."""
    storage: str | Path | None = options.storage
    if options.out is not None:
        check_writable(Path(options.out) / "search.json")
        storage = storage or Path(options.out) / "search.journal"
    start = time.perf_counter()
    study = search(
        objective,
        options.trials,
        seed=options.seed,
        finite=finite,
        storage=storage,
        direction=direction,
        workers=options.workers,
        timeout=options.timeout,
        settings=settings,
    )
    faults = [fault(trial) for trial in study.trials if trial.state.name == "COMPLETE"]
    require(len(faults) > 0, "No candidate was finished in time. Give a longer `timeout`.")
    if all(faults):
        raise InputError(f"All {len(faults)} candidates failed. The first: {faults[0]}.")
    return study, time.perf_counter() - start


def _seen(options: Search, name: str) -> Any:
    """Return a data set or a condensed file without its test split."""
    if file_of(name).suffix == ".safetensors":
        return without_test(read(name))
    return without_test(_loaded(options, name, "per-user"))


def _loaded(options: Search, name: str, split: Strategy | None, condensed: Any = None) -> Any:
    """Return a data set or a table of one's own, split; see :func:`load_split`."""
    columns, seed = columns_of(options), options.seed
    return load_split(name, options.root, split, seed, condensed, columns, options.k_core)


def _objective(options: Search, small: Any, full: Any) -> Any:
    """Return what makes an objective of a set, condensed or the original."""
    space = options.space or _usual(full)
    require(
        (space == "recommenders") == isinstance(full, HeteroData),
        f"`space` {space!r} does not fit {options.subject!r}. Leave --space away:"
        f" {_usual(full)} are searched then.",
    )
    if space == "recommenders":
        return partial(RankerObjective, recipe=BPR(rounds=options.epochs), seed=options.seed)
    require(
        isinstance(small, Data)
        and small.get("x") is not None
        and small.num_features == full.num_features,
        f"{options.condensed!r} was not made from {options.subject!r}: the features differ."
        " Give the file made from it.",
    )
    classes = num_classes(full)
    if space == "filters":
        return partial(
            FilterObjective,
            recipe=FilterTraining(epochs=options.epochs),
            seed=options.seed,
            num_classes=classes,
        )
    networks: DiscreteSpace = ModelChoices()
    learning_rate = ClassifierTraining().learning_rate
    if space == "graph-nas":
        networks, learning_rate = GraphNAS(), GRAPH_NAS_RATE
    elif space == "nas-bench-graph":
        networks = NasBenchGraph()
    recipe = ClassifierTraining(
        epochs=options.epochs,
        learning_rate=learning_rate,
        stopping=EarlyStopping(patience=options.epochs, every=min(EVERY, options.epochs)),
    )
    return partial(
        ModelObjective, space=networks, recipe=recipe, seed=options.seed, num_classes=classes
    )


def _test(options: Search, objective: Any, params: dict[str, Any]) -> dict[str, float]:
    """Train the winner on the original and return what it is worth on the test split, the accuracy
    in percent: the one look at it.
    """
    choice, data = objective.choice(fixed(params)), objective.data
    if isinstance(data, HeteroData):
        contender = choice.contender(objective.recipe)
        exclude = train_edges(data)
        model = contender.fit(data, val_edges(data), exclude=exclude, seed=options.seed)
        return {"ndcg@10": rank_scores(model, data, (10,))["ndcg@10"]}
    if options.space != "filters":
        report = evaluate_node(choice, data, data, seeds=(options.seed,), recipe=objective.recipe)
        return {"accuracy": report.mean("accuracy")}
    runs = train_filters(
        objective.network, choice, data, recipe=objective.recipe, seed=options.seed
    )
    accuracy = held_out_accuracy(objective.network, choice, runs.best_params, data)
    return {"accuracy": 100 * float(accuracy)}


def _found(study: Study) -> dict[str, Any]:
    """Return what a search found; the same after a kill, so it holds no times."""
    finished = [trial for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED")]
    return {"trials": len(finished), "failed": sum(fault(trial) is not None for trial in finished)}


def _write(
    options: Search, study: Study, found: dict[str, Any], costs: dict[str, Any] | None = None
) -> None:
    if options.out is None:
        return
    folder = Path(options.out)
    write_history(study, folder / "history.csv")
    with suppress(InputError):  # a picture needs matplotlib, which is an extra
        draw_history(study, folder / "history.png")
    write_lines(folder / "search.json", [as_json(found)])
    # Apart from what was found, which is the same at every start.
    if costs:
        write_lines(folder / "cost.json", [as_json(costs)])


def _describe(found: dict[str, Any], seconds: float, promoted: float) -> str:
    lines = [f"{found['trials']} candidates in {seconds:.1f} s."]
    if "best" in found:
        lines.append(f"The best: {_words(found['best'])}, worth {found['value']:.6g}.")
    if "promoted" in found:
        width = max(len(_words(each["params"])) for each in found["promoted"])
        lines += [f"The best on the original in {promoted:.1f} s:", ""]
        lines.append(f"{'candidate':<{width}}  {'searched':>8}  original")
        for each in found["promoted"]:
            small, full = _number(each["small"]), _number(each["full"])
            lines.append(f"{_words(each['params']):<{width}}  {small:>8}  {full:>8}")
        lines.append("")
    for name in TESTED.keys() & found.keys():
        lines += [
            "On the test split the first, trained on the original, reaches"
            f" {TESTED[name].format(found[name])}.",
            "Values are of validation, higher is better; the test split was looked at once, for the"
            " winner.",
        ]
    return "\n".join(lines)


def _number(value: float) -> str:
    return "failed" if math.isnan(value) else f"{value:.4f}"


def _words(params: dict[str, Any]) -> str:
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in params.items()
    )
