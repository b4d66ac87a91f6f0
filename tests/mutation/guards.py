"""Which tests guard which file; a file's doctests always do."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SEARCH = "tests/search/test_search_by_hand.py"

GUARDS: dict[str, tuple[str, ...]] = {
    "graphcond/metrics/*.py": ("tests/metrics", "tests/evaluation/test_which_split.py"),
    "graphcond/linalg/*.py": ("tests/linalg", "tests/hypergrad"),
    "graphcond/hypergrad/*.py": ("tests/hypergrad", "tests/theory"),
    "graphcond/masks/*.py": ("tests/masks",),
    "graphcond/masks/estimators/*.py": ("tests/masks",),
    "graphcond/spaces/*.py": ("tests/spaces", "tests/search", "tests/evaluation/test_calibrate.py"),
    "graphcond/nn/*.py": (
        "tests/nn",
        "tests/condensers/test_synthesis_by_hand.py",
        "tests/condensers/test_learned_by_hand.py",
        "tests/training",
        "tests/evaluation/test_which_split.py",
        "tests/condensers/test_partition.py",
        "tests/condensers/test_learned.py",
        "tests/condensers/test_gradient_matching.py",
        "tests/condensers/test_node_direction.py",
    ),
    "graphcond/nn/graph_nas.py": ("tests/spaces/test_graph_nas.py",),
    "graphcond/training/*.py": (
        "tests/training",
        "tests/nn",
        "tests/evaluation",
        "tests/hypergrad",
        "tests/condensers/test_hypergradient_objective.py",
        "tests/condensers/test_hypergradient_matching.py",
        "tests/condensers/test_hypergradient_teachers.py",
        "tests/condensers/test_hypergradient_trajectories.py",
        "tests/condensers/test_node_direction.py",
        "tests/condensers/test_hypergradient_by_hand.py",
        "tests/condensers/test_hypergradient_runs_by_hand.py",
    ),
    "graphcond/data/split.py": (
        "tests/data/test_split.py",
        "tests/data/test_split_by_hand.py",
        "tests/data/test_interactions.py",
        "tests/data/test_protocols.py",
    ),
    "graphcond/data/protocols.py": (
        "tests/data/test_split.py",
        "tests/data/test_split_by_hand.py",
        "tests/data/test_protocols.py",
    ),
    "graphcond/data/citation.py": ("tests/data/test_real.py", "tests/data/test_load.py"),
    "graphcond/data/ogb.py": ("tests/data/test_ogb.py",),
    "graphcond/data/lightgcn.py": ("tests/data/test_load.py", "tests/data/test_tables.py"),
    "graphcond/data/recbole.py": ("tests/data/test_load.py", "tests/data/test_tables.py"),
    "graphcond/data/recommendation.py": ("tests/data/test_load.py", "tests/data/test_tables.py"),
    "graphcond/data/pixels.py": ("tests/data/test_pixels.py",),
    "graphcond/search/study.py": ("tests/search/test_search.py", "tests/search/test_faults.py"),
    "graphcond/search/ledger.py": ("tests/search/test_search.py", "tests/search/test_faults.py"),
    "graphcond/search/history.py": ("tests/search/test_ranking.py",),
    "graphcond/cli/search.py": ("tests/cli/test_search.py",),
    "graphcond/cli/methods.py": ("tests/cli/test_methods.py", "tests/cli/test_cli.py"),
    "graphcond/cli/condense.py": ("tests/cli/test_cli.py", "tests/cli/test_folder.py"),
    "graphcond/data/statistics.py": ("tests/data/test_statistics.py",),
    "graphcond/data/planted.py": ("tests/data/test_planted.py",),
    "graphcond/data/combine.py": ("tests/data/test_combine.py",),
    "graphcond/data/interactions.py": ("tests/data/test_interactions.py",),
    "graphcond/sparse/normalize.py": ("tests/sparse/test_normalize.py", "tests/nn/test_filters.py"),
    "graphcond/sparse/polynomial.py": ("tests/sparse/test_polynomial.py",),
    "graphcond/sparse/topk.py": ("tests/sparse/test_topk.py",),
    "graphcond/cli/cost.py": ("tests/cli/test_cost.py", "tests/cli/test_search.py"),
    "graphcond/cli/judging.py": ("tests/cli/test_cli.py", "tests/cli/test_folder.py"),
    "graphcond/cli/compare.py": ("tests/cli/test_cli.py", "tests/cli/test_folder.py"),
    "graphcond/pools/*.py": ("tests/pools", "tests/condensers/test_direction.py"),
    "graphcond/search/descent.py": ("tests/search/test_descent.py", SEARCH),
    "graphcond/search/reinforce.py": ("tests/search/test_reinforce.py", SEARCH),
    "graphcond/search/ranking.py": ("tests/search/test_ranking.py", SEARCH),
    "graphcond/search/models.py": (
        "tests/search/test_models.py",
        "tests/search/test_search.py",
        SEARCH,
    ),
    "graphcond/search/filters.py": (
        "tests/search/test_search.py",
        "tests/search/test_models.py",
        SEARCH,
    ),
    "graphcond/search/promotion.py": ("tests/search/test_search.py", "tests/search/test_faults.py"),
    "graphcond/search/supernet.py": ("tests/search/test_supernet.py",),
    "graphcond/search/samplers.py": (
        "tests/search/test_search.py",
        "tests/search/test_resume.py",
        "tests/search/test_faults.py",
    ),
    "graphcond/search/loop.py": ("tests/search/test_search.py", "tests/search/test_faults.py"),
    "graphcond/evaluation/*.py": ("tests/evaluation", "tests/cli/test_cli.py"),
    "graphcond/condensers/*.py": (
        "tests/condensers/test_base.py",
        "tests/condensers/test_budget.py",
        "tests/condensers/test_selection.py",
        "tests/condensers/test_node_direction.py",
        "tests/condensers/test_settings_reach.py",
        "tests/condensers/test_synthesis_by_hand.py",
        "tests/condensers/test_learned_by_hand.py",
        "tests/condensers/test_interactions_by_hand.py",
    ),
    "graphcond/condensers/nodes/*.py": (
        "tests/condensers/test_settings_reach.py",
        "tests/condensers/test_selection.py",
        "tests/condensers/test_node_direction.py",
        "tests/condensers/test_partition.py",
        "tests/condensers/test_learned.py",
        "tests/condensers/test_gradient_matching.py",
        "tests/condensers/test_module_backbone.py",
        "tests/condensers/test_backbones_by_hand.py",
        "tests/condensers/test_synthesis_by_hand.py",
        "tests/condensers/test_learned_by_hand.py",
        "tests/condensers/test_coarsening.py",
        "tests/condensers/test_neighbourhoods.py",
    ),
    "graphcond/condensers/interactions/*.py": (
        "tests/condensers/test_direction.py",
        "tests/condensers/test_interactions_direction.py",
        "tests/condensers/test_item_prices.py",
        "tests/condensers/test_teacher_choice.py",
        "tests/condensers/test_interactions.py",
        "tests/condensers/test_interactions_by_hand.py",
    ),
    "graphcond/condensers/dconrec/*.py": (
        "tests/condensers/test_direction.py",
        "tests/condensers/test_unrolled.py",
        "tests/condensers/test_policy_gradient_planted.py",
        "tests/condensers/test_policy_gradient.py",
        "tests/condensers/test_policy_gradient_resume.py",
        "tests/condensers/test_policy_gradient_settings.py",
        "tests/condensers/test_policy_gradient_by_hand.py",
        "tests/condensers/test_policy_gradient_runs_by_hand.py",
    ),
    "graphcond/condensers/hcdc/*.py": (
        "tests/condensers/test_hypergradient_objective.py",
        "tests/condensers/test_node_direction.py",
        "tests/condensers/test_hypergradient_matching.py",
        "tests/condensers/test_hypergradient_teachers.py",
        "tests/condensers/test_hypergradient_trajectories.py",
        "tests/condensers/test_hypergradient_by_hand.py",
        "tests/condensers/test_hypergradient_runs_by_hand.py",
        "tests/condensers/test_supernet_matching.py",
    ),
}
ALL = ("tests/test_defaults.py", "tests/test_streams.py")
"""Guards of all files: their defaults and constants, and their seeds."""
NO_NUMERICS = {"__init__.py", "plot.py"}
"""Files of a listed folder with nothing to compute: what they print is tested, but not mutated."""


def core() -> dict[str, list[str]]:
    """Return the listed files, each with the tests that guard it."""
    found = {}
    for pattern, tests in GUARDS.items():
        for path in sorted(ROOT.glob(pattern)):
            if path.name not in NO_NUMERICS:
                file = path.relative_to(ROOT).as_posix()
                kept = (test for test in (*tests, *ALL) if (ROOT / test).exists())
                found[file] = [file, *kept]
    return found
