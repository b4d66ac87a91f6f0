"""The mutation run itself: which changes it makes, and that a change is what the tests see."""

from __future__ import annotations

import subprocess
import sys

from tests.mutation.guards import ROOT, core
from tests.mutation.operators import changed, mutants
from tests.mutation.record import located

SOURCE = '''
from graphcond.seeding import generator

def best(losses: Tensor, data, seed: int) -> float:
    """Return 1 + 1."""
    require(len(losses) > 0, "No losses.")
    draw = generator(seed, "best", 2)
    if losses.min() < 0.5 and not data.empty:
        data.clear()
    return losses[data.train_mask].mean() - losses.argmin()
'''
EXPECTED = (
    "losses.min() < 0.5 → losses.min() <= 0.5",
    "losses.min() < 0.5 → losses.min() > 0.5",
    "losses.min → losses.max",
    "0.5 → 1.0",
    "not data.empty → data.empty",
    "generator(seed, 'best', 2) → generator(0, 'best', 2)",
    "generator(seed, 'best', 2) → generator(seed, 'best')",
    "data.clear() → pass",
    "data.train_mask → data.val_mask",
    "losses.argmin → losses.argmax",
    "losses[data.train_mask].mean → losses[data.train_mask].sum",
)


def test_every_kind_of_change_is_made_and_checks_and_texts_are_left_alone():
    found = mutants("some.py", SOURCE)
    names = [mutant.change for mutant in found]
    assert not [change for change in EXPECTED if change not in names]
    assert not [change for change in names if "No losses" in change or "1 + 1" in change]
    assert len({mutant.name for mutant in found}) == len(found)
    for mutant in found:
        source = changed(mutant, SOURCE)
        assert source is not None
        compile(source, "some.py", "exec")
    assert changed(found[0], "x = 1") is None


def test_listed_files_and_their_guards_are_there():
    listed = core()
    assert len(listed) > 60
    for guards in listed.values():
        assert len(guards) > 1
        assert all((ROOT / guard).exists() for guard in guards)


def test_the_tests_see_the_changed_file_and_the_disk_does_not():
    """In a process of its own: this one has imported the file already."""
    file = "graphcond/metrics/classification.py"
    text = (ROOT / file).read_text()
    lines = [
        "from tests.mutation.child import run",
        f"text = open({file!r}).read()",
        "for found in ('argmax', 'argmin'):",
        f"    change = ({file!r}, text.replace('argmax', found))",
        "    answer = run(['tests/metrics/test_classification.py'], 120, change)",
        "    print(answer['code'], answer['test'])",
        "from tests.mutation.__main__ import attempt, mutants",
        f"swapped = [m for m in mutants({file!r}, text) if m.change.endswith('argmin')][0]",
        "print(attempt(swapped, [answer['test'].partition('[')[0] + '[as it was]'], 120))",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True
    )
    kept, broken, renamed = done.stdout.splitlines()
    assert kept == "0 None", done.stderr[-2000:]
    assert broken.startswith("1 tests/metrics/test_classification.py::")
    assert renamed == broken.removeprefix("1 "), "its parameters are others by now"
    assert (ROOT / file).read_text() == text


def test_a_killer_is_found_where_it_has_moved():
    own = "tests/mutation/test_mutation.py::test_a_killer_is_found_where_it_has_moved"
    doctest = "graphcond/seeding.py::graphcond.seeding.derive"
    assert [located(test) for test in (own, doctest)] == [own, doctest]
    assert located(own.replace("test_mutation.py", "test_before.py") + "[0]") == own + "[0]"
    assert located("tests/mutation/test_mutation.py::test_that_never_was") is None
    assert located("(time or memory)") is None
