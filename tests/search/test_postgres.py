"""Several machines' way: processes that share nothing but a PostgreSQL data base."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

psycopg = pytest.importorskip("psycopg")

PG_CTL = shutil.which("pg_ctl") or ""
TRIALS = 12
SCRIPT = """
import os
import time
from pathlib import Path

HERE = Path(__file__).parent


def slow(trial):
    width, depth = trial.suggest_int("width", 1, 100), trial.suggest_float("depth", 0, 1)
    (HERE / f"trial {os.getpid()}").touch()
    time.sleep(0.3)
    return width * depth
"""
PROGRAM = """
import sys
from graphcond.search import presence

presence.BEAT, presence.SILENCE = 0.3, 3.0  # instead of a minute
from graphcond.cli.main import main

sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server in a folder of its own, which nobody but its socket's users can reach."""
    if not PG_CTL:
        pytest.skip("there is no PostgreSQL (pg_ctl) on this machine")
    # PostgreSQL refuses to run as root.
    as_user: dict[str, object] = {}
    user = pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:
        try:
            user = next(each for each in ("postgres", "nobody") if _known(each))
        except StopIteration:
            pytest.skip("there is no unprivileged user to run PostgreSQL as")
        as_user = {"user": user, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="gc-pg-"))  # a socket's path must be short
    if as_user:
        shutil.chown(folder, user)
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    calls = {
        "initdb": ["-o", f"-U {user} -A trust --no-sync"],
        "start": ["-w", "-l", str(folder / "log"), "-o", options],
        "stop": ["-m", "immediate"],
    }

    def control(call: str) -> None:
        command = [PG_CTL, call, "-D", str(folder / "data"), *calls[call]]
        subprocess.run(
            command, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=120, **as_user
        )

    try:
        control("initdb")
        control("start")
        yield f"postgresql://{user}@/{{}}?host={folder}"
        control("stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _known(name: str) -> bool:
    try:
        return pwd.getpwnam(name).pw_uid != 0
    except KeyError:
        return False


@pytest.fixture
def storage(server: str, request: pytest.FixtureRequest) -> str:
    """A data base of the test's own; SQLAlchemy before 2.1 takes another driver by default."""
    name = request.function.__name__
    with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    return server.format(name).replace("postgresql:", "postgresql+psycopg:")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path / "script.py"


def words(script: Path, storage: str) -> list[str]:
    options = ["--trials", str(TRIALS), "--top", "1", "--json", "true", "--storage", storage]
    return ["search", f"{script}:slow", *options]


def started(script: Path, storage: str) -> subprocess.Popen[bytes]:
    """Start what one of several machines does."""
    command = [sys.executable, "-c", PROGRAM, *words(script, storage)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes]) -> dict[str, object]:
    """Return what it prints."""
    out, told = process.communicate(timeout=300)
    assert process.returncode == 0, told.decode()
    found: dict[str, object] = json.loads(out)
    return found


def wait_for(folder: Path, count: int) -> None:
    """Wait until so many processes are in the middle of a trial."""
    end = time.monotonic() + 400
    while len(list(folder.glob("trial *"))) < count and time.monotonic() < end:
        time.sleep(0.02)
    assert len(list(folder.glob("trial *"))) >= count


def check(storage: str) -> None:
    """Check that exactly the budget was finished, no candidate twice."""
    (name,) = optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)
    done = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert len(done) == TRIALS
    assert len({(trial.params["width"], trial.params["depth"]) for trial in done}) == TRIALS
    assert not {trial.state.name for trial in study.trials} & {"RUNNING", "WAITING"}


def test_a_killed_process_loses_nothing(storage: str, script: Path) -> None:
    first, second = started(script, storage), started(script, storage)
    wait_for(script.parent, 2)
    first.kill()
    first.communicate()
    again = started(script, storage)
    assert ended(second)["best"] == ended(again)["best"]
    check(storage)


@pytest.mark.slow
def test_all_are_killed_and_started_again(storage: str, script: Path) -> None:
    crowd = [started(script, storage) for _ in range(3)]
    wait_for(script.parent, 3)
    for process in crowd:
        process.kill()
        process.communicate()
    for process in [started(script, storage) for _ in range(3)]:
        ended(process)
    check(storage)


@pytest.mark.slow
def test_workers_of_one_command(storage: str, script: Path) -> None:
    command = [sys.executable, "-m", "graphcond.cli", *words(script, storage), "--workers", "3"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300)
    check(storage)
    assert len(list(script.parent.glob("trial *"))) >= 2, "nobody shared the work"
