"""Change the core one small thing at a time and see whether a test fails.

``python -m tests.mutation`` tries every mutant of every listed file (hours; it resumes),
``--each 12`` as many of each file, and ``--check 75`` is CI's part: mutants
of the record, for 75 seconds, each against the test that killed it before.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tests.mutation.child import preload, run
from tests.mutation.guards import ALL, ROOT, core
from tests.mutation.operators import WRITTEN, Mutant, changed, mutants
from tests.mutation.record import RESULTS, Record, digest, located

REACH = ROOT / ".cache" / "mutation.json"
ABSENT = 4
"""Pytest's code: a test that is named is no more."""
PASSED = (0, ABSENT, 5)
"""Pytest's codes: all passed; a test is no more; there is none."""
COLLECTING = 15.0
"""CPU seconds that importing graphcond and collecting the tests may take."""


def main() -> int:
    """Run what the command line asks for; 1 where a mutant survives that should not."""
    words = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    words.add_argument("--files", default="*", help="which of the listed files, as a pattern")
    words.add_argument("--by-hand", action="store_true", help="only those written by hand")
    words.add_argument("--sample", type=int, help="how many mutants; default: all")
    words.add_argument("--each", type=int, help="how many mutants of a file; default: all")
    words.add_argument("--seed", type=int, default=0, help="of the sample")
    words.add_argument("--most", type=float, default=60, help="seconds of tests for a mutant")
    words.add_argument("--record", type=Path, default=RESULTS)
    words.add_argument("--check", type=float, metavar="SECONDS", help="replay some of the record")
    asked = words.parse_args()
    os.environ.pop("GRAPHCOND_DATA", None)
    os.chdir(ROOT)
    chosen = sample(asked.files, asked.seed)
    if asked.by_hand:
        chosen = [mutant for mutant in chosen if mutant.operator == WRITTEN]
    preload()
    record = Record(asked.record)
    if asked.each is not None:
        chosen = stratified(chosen, record, asked.each)
    if asked.check is not None:
        return check(record, chosen, asked.check)
    return explore(record, chosen[: asked.sample], asked.most)


def sample(pattern: str, seed: int) -> list[Mutant]:
    """Return all mutants of the listed files that fit a pattern, shuffled: a longer sample holds a
    shorter one, and what changes in one file leaves the others in their order.
    """
    files = [file for file in core() if fnmatch(file, pattern)]
    found = [mutant for file in files for mutant in mutants(file, (ROOT / file).read_text())]
    return sorted(found, key=lambda m: hashlib.sha256(f"{seed} {m.name}".encode()).digest())


def stratified(chosen: list[Mutant], record: Record, each: int) -> list[Mutant]:
    """Return the mutants that the record knows, then the first others of each file, as many made by
    rule as written by hand.
    """
    known = [mutant for mutant in chosen if mutant.name in record.rows]
    taken = Counter[tuple[str, bool]]()
    for mutant in known:
        taken[mutant.file, mutant.operator == WRITTEN] += 1
    others = list[Mutant]()
    for mutant in chosen:
        kind = (mutant.file, mutant.operator == WRITTEN)
        if mutant.name not in record.rows and taken[kind] < each:
            taken[kind] += 1
            others.append(mutant)
    return known + others


def explore(record: Record, chosen: list[Mutant], most: float) -> int:
    """Try mutants against the tests that enter their functions, the fastest first, while those are
    within ``most`` seconds: what the slow ones alone would notice counts as survived.
    """
    guards, reach = core(), Reached(REACH, most)
    todo = [mutant for mutant in chosen if not record.settled(mutant)]
    print(f"{len(chosen)} mutants, {len(chosen) - len(todo)} of them settled before")
    for done, mutant in enumerate(todo, 1):
        tests, seconds = reach.tests(mutant, guards[mutant.file])
        likely = record.killers(mutant)
        killer = attempt(mutant, likely, COLLECTING) if likely else None
        if killer is None and tests:
            killer = attempt(mutant, [test for test in tests if test not in likely], seconds)
        row = record.add(mutant, killer)
        if row["outcome"] == "survived":
            note = "" if tests else " (no test enters it)"
            print(f"{done}/{len(todo)} {where(mutant)}: {mutant.change}{note}", flush=True)
        if done % 20 == 0 or done == len(todo):
            record.write()
    record.keep(sample("*", 0))
    record.write()
    print(json.dumps(record.summary()))
    return int(record.summary()["survived"] > 0)


def check(record: Record, chosen: list[Mutant], seconds: float) -> int:
    """Try mutants that were killed against their killers only, while time lasts."""
    start, tried, alive = time.perf_counter(), 0, 0
    for mutant in chosen:
        row = record.rows.get(mutant.name)
        killer = None
        if row is not None and row["outcome"] == "killed":
            killer = located(row["by"])
        if killer is None:
            continue
        if time.perf_counter() - start > seconds:
            break
        tried += 1
        if attempt(mutant, [killer], COLLECTING) is None:
            alive += 1
            print(f"{where(mutant)}: {mutant.change}\n  survives {killer}")
    print(f"{tried} mutants of the record, {alive} of them survive the test that killed them")
    return int(alive > 0 or tried == 0)


def attempt(mutant: Mutant, tests: list[str], seconds: float) -> str | None:
    """Return the test that a mutant fails, None where it passes all.

    Where a test has other parameters by now, all of each test's are tried.
    """
    source = changed(mutant, (ROOT / mutant.file).read_text())
    assert source is not None
    answer = run(tests, COLLECTING + 5 * seconds, (mutant.file, source))
    if answer["code"] == ABSENT:
        whole = list(dict.fromkeys(test.partition("[")[0] for test in tests))
        answer = run(whole, COLLECTING + 5 * seconds, (mutant.file, source))
    if answer["code"] in PASSED:
        return None
    return answer["test"] or f"(pytest's code {answer['code']})"


def where(mutant: Mutant) -> str:
    """Return file, line and function."""
    return f"{mutant.file}:{mutant.line} {mutant.function} [{mutant.operator}]"


class Reached:
    """Which functions every test enters, measured once for each state of its file.

    Args:
        path: Where it is kept.
        most: Seconds of tests that a mutant may take.
    """

    def __init__(self, path: Path, most: float) -> None:
        self.path, self.most = path, most
        self.known = json.loads(path.read_text()) if path.exists() else {}

    def tests(self, mutant: Mutant, guards: list[str]) -> tuple[list[str], float]:
        """Return the tests that enter a mutant's function, fastest first, and their seconds."""
        found: dict[str, float] = {}
        for file in _test_files(guards):
            entry = self._measured(file)
            shared = set(entry.get(file, {}).get("entered", []))
            for test, facts in entry.items():
                entered = mutant.function in shared or mutant.function in facts["entered"]
                if "::" in test and (entered or mutant.entry == 0):
                    found[test] = facts["seconds"]
        taken, total = list[str](), 0.0
        # What acts at import is most likely a default or a constant.
        first = ALL[0] if mutant.entry == 0 else ""
        for test in sorted(found, key=lambda test: (not test.startswith(first), found[test])):
            if taken and total + found[test] > self.most:
                break
            taken.append(test)
            total += found[test]
        return taken, total

    def _measured(self, file: str) -> dict[str, Any]:
        state = digest(ROOT / file)
        known = self.known.get(file)
        if known is None or known["digest"] != state:
            print(f"measuring {file}", flush=True)
            found = run([file], 3600, None, reach=True).get("reach", {})
            known = self.known[file] = {"digest": state, "tests": found}
            self.path.parent.mkdir(exist_ok=True)
            self.path.write_text(json.dumps(self.known))
        tests: dict[str, Any] = known["tests"]
        return tests


def _test_files(guards: list[str]) -> Iterator[str]:
    for guard in guards:
        path = ROOT / guard
        for file in sorted(path.glob("test_*.py")) if path.is_dir() else [path]:
            yield file.relative_to(ROOT).as_posix()


if __name__ == "__main__":
    raise SystemExit(main())
