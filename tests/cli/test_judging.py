"""The protocol that the command line follows: which seeds, which control, which graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from graphcond import condensers, pools
from graphcond.cli import judging
from graphcond.cli import search as searching
from graphcond.cli.main import main
from graphcond.cli.methods import TABLES, build, control, find
from graphcond.cli.options import Budget, Search
from graphcond.data import load, split_interactions
from graphcond.evaluation import Entry
from graphcond.nn import MF
from graphcond.training import ClassifierTraining, FilterTraining


def test_a_name_builds_the_class_of_its_name() -> None:
    for name, make in TABLES["nodes"].items():
        made = make(num_nodes=4, seed=3)
        assert (type(made).__name__, made.num_nodes, made.seed) == (name, 4, 3)
    for name, make in TABLES["interactions"].items():
        made = make(ratio=0.5, seed=3)
        assert type(made).__name__ == name.partition(".")[0]
        assert (made.ratio, made.seed) == (0.5, 3)
    pool = pools.Union(pools.Observed(), pools.ProxyTopK(MF, ratio=0.3))
    for name, wanted in (
        ("PolicyGradient", condensers.PolicyGradient(MF, pool, ratio=0.5)),
        ("PolicyGradient.published", condensers.PolicyGradient.published(MF, pool, ratio=0.5)),
        (
            "TeacherChoice.observed",
            condensers.TeacherChoice(ratio=0.5, mixtures=condensers.TeacherChoice.OBSERVED_ONLY),
        ),
    ):
        assert find(name, "interactions")(ratio=0.5) == wanted


def test_the_budget_reaches_the_condenser_and_has_a_usual_size() -> None:
    graph, pairs = load("karate"), split_interactions(load("southern-women"), seed=0)
    made = build("herding", graph, Budget("karate", ratio=0.5, of="train", num_val=3), 7)
    assert made == condensers.Herding(ratio=0.5, of="train", num_val=3, seed=7)
    assert build("herding", graph, Budget("karate"), 7) == condensers.Herding(ratio=0.05, seed=7)
    counted = build("herding", graph, Budget("karate", num_nodes=4), 7)
    assert counted == condensers.Herding(num_nodes=4, seed=7)
    usual = build("majority", pairs, Budget("southern-women"), 7)
    assert usual == condensers.Majority(ratio=0.25, seed=7)


def test_a_control_is_random_and_has_the_true_size_of_the_set() -> None:
    graph, pairs = load("karate"), split_interactions(load("southern-women"), seed=0)
    small = condensers.Herding(num_nodes=4, num_val=2)(graph)
    wanted = condensers.RandomNodes(num_nodes=4, num_val=2, seed=5)
    assert control(graph, small, Budget("karate", ratio=0.5), 5) == wanted
    half = condensers.Majority(ratio=0.5)(pairs)
    half.card = {**half.card, "ratio_actual": 0.4}
    wanted_pairs = condensers.RandomInteractions(ratio=0.4, seed=5)
    assert control(pairs, half, Budget("southern-women", ratio=0.5), 5) == wanted_pairs


def test_judges_start_at_the_seed_and_a_random_set_is_judged_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(judging, "judge_nodes", lambda *given, **named: seen.append((given, named)))
    monkeypatch.setattr(
        judging, "judge_interactions", lambda *given, **named: seen.append((given, named))
    )
    options = Budget("karate", seed=3, seeds=2, candidates=7, num_nodes=4)
    graph, pairs = load("karate"), split_interactions(load("southern-women"), seed=0)
    herded, drawn = (
        kind(num_nodes=4)(graph) for kind in (condensers.Herding, condensers.RandomNodes)
    )
    judging.judge_beside_random(graph, Entry(herded, (3, 4)), options, options)
    judging.judge_beside_random(graph, Entry(drawn, (3, 4)), options, options)
    judging.judge(pairs, [], options)
    assert [(list(named["seeds"]), named.get("candidates")) for _, named in seen] == [
        *([([3, 4], 7)] * 2),
        ([3, 4], None),
    ]
    beside, alone, (_, _, factory) = (given for given, _ in seen)
    assert [entry.data.card["method"] for entry in beside[1]] == ["Herding", "RandomNodes"]
    assert beside[1][1].seeds == (3, 4)
    assert beside[1][1].data.card["seed"] == 3
    assert [entry.data.card["method"] for entry in alone[1]] == ["RandomNodes"]
    assert factory(2, 3).dim == 64


def test_candidates_are_trained_as_the_options_say() -> None:
    data = load("karate")
    for space, rate in (
        ("models", ClassifierTraining().learning_rate),
        ("graph-nas", 0.005),
        ("nas-bench-graph", ClassifierTraining().learning_rate),
    ):
        options = Search("karate", space=space, epochs=7, seed=3)
        made = searching._objective(options, data, data).keywords
        assert (made["seed"], made["num_classes"]) == (3, 2)
        recipe = made["recipe"]
        assert (recipe.epochs, recipe.learning_rate) == (7, rate)
        assert (recipe.stopping.patience, recipe.stopping.every) == (7, 7)
    long = searching._objective(Search("karate", epochs=50), data, data).keywords["recipe"]
    assert (long.stopping.patience, long.stopping.every) == (50, 10)
    options = Search("karate", space="filters", epochs=7, seed=3)
    filters = searching._objective(options, data, data).keywords
    assert filters == {"recipe": FilterTraining(epochs=7), "seed": 3, "num_classes": 2}


@pytest.mark.parametrize("space", ["models", "filters"])
def test_a_search_trains_on_the_small_graph_and_the_original_decides_and_tests(
    space: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ["condense", "karate", "--method", "random", "--num_nodes", "8", "--judge", "false"]
    assert main([*small, "--out", str(tmp_path)]) == 0
    seen: dict[str, Any] = {}
    search, promote, test = searching.search, searching.promote, searching._test

    def watched(objective: Any, trials: int, **named: Any) -> Any:
        seen.update(named, trial=objective.objective, trials=trials)
        return search(objective, trials, **named)

    def promoted(study: Any, objective: Any, top: int) -> Any:
        seen.update(full=objective, top=top, best=promote(study, objective, top))
        return seen["best"]

    def tested(options: Any, objective: Any, params: Any) -> float:
        seen.update(test=objective, winner=params)
        return test(options, objective, params)

    for name, instead in (("search", watched), ("promote", promoted), ("_test", tested)):
        monkeypatch.setattr(searching, name, instead)
    words = ["search", "karate", "--space", space, "--epochs", "3", "--trials", "4", "--top", "2"]
    words += ["--seed", "3", "--timeout", "600"]
    assert main([*words, "--condensed", str(tmp_path / "condensed.safetensors")]) == 0
    whole, trial = load("karate"), seen["trial"]
    assert trial.data.num_nodes < whole.num_nodes
    for judge in (seen["full"].data, *([trial.validation] if space == "models" else [])):
        assert torch.equal(judge.x, whole.x)
        assert "test_mask" not in judge
    assert (seen["seed"], seen["finite"], seen["timeout"]) == (3, space == "models", 600)
    assert (seen["trials"], seen["top"]) == (4, 2)
    assert "test_mask" in seen["test"].data
    assert seen["winner"] == seen["best"][0].params
