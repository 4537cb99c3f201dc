"""A flow run's process outlives the worker that is killed above it, and is told to stop (I11)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.page import PROJECT

ENGINE = """
import os, signal, sys, time
from pathlib import Path
from tasks.prefect.process import leave_dead_parent
told = []
def stop(number, frame):
    leave_dead_parent()
    told.append(number)
signal.signal(signal.SIGTERM, stop)
print("ready", os.environ["PREFECT__FLOW_RUN_ID"], flush=True)
until = time.monotonic() + 30
while not told and time.monotonic() < until:
    time.sleep(0.01)
for line in range(2000):
    print("x" * 100, flush=True)
Path(sys.argv[1]).write_text(signal.Signals(told[0]).name)
sys.exit(7)
"""
START = "import sys; from tasks.prefect import process; process.ENGINE = {engine}; sys.exit(process.main([]))"


def begin(tmp_path: Path, last: Path) -> subprocess.Popen[bytes]:
    """A flow run's process whose engine has begun."""
    engine = (sys.executable, "-c", ENGINE, str(last))
    env = {**os.environ, "PREFECT__FLOW_RUN_ID": "of-this-run", "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", START.format(engine=engine)]
    started = subprocess.Popen(command, env=env, cwd=tmp_path, stdout=subprocess.PIPE)
    assert started.stdout is not None
    assert started.stdout.readline() == b"ready of-this-run\n"
    return started


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)


def test_an_engine_whose_worker_killed_it_gets_sigterm_and_goes_on_to_its_end(tmp_path: Path) -> None:
    """Nobody reads what it writes then, and that ends it neither."""
    last = tmp_path / "last"
    with begin(tmp_path, last) as started:
        assert started.stdout is not None
        started.stdout.close()
        started.kill()
        wait_until(last.exists)
    wait_until(lambda: bool(last.read_text()))
    assert last.read_text() == "SIGTERM"


def test_sigterm_is_passed_on_and_the_engines_words_and_code_come_back(tmp_path: Path) -> None:
    """A cancelled flow run."""
    with begin(tmp_path, tmp_path / "last") as started:
        started.send_signal(signal.SIGTERM)
        out, _ = started.communicate(timeout=30)
    assert (started.returncode, out.count(b"x" * 100)) == (7, 2000)


def test_a_containers_first_process_ends_after_all_that_was_left_behind(tmp_path: Path) -> None:
    last = tmp_path / "last"
    left_behind = f"(sleep 0.3; echo done > {last}) & exit 3"
    command = [sys.executable, "-m", "tasks.prefect.process", "sh", "-c", left_behind]
    done = subprocess.run(command, cwd=PROJECT, timeout=30, check=False)
    assert (done.returncode, last.read_text()) == (3, "done\n")


@pytest.mark.parametrize(("own", "level"), [({}, "WARNING"), ({"of_its_own": "INFO"}, "INFO")])
def test_the_engines_log_leaves_out_what_each_call_says_better(tmp_path: Path, own: dict[str, str], level: str) -> None:
    """Unless the worker's environment says otherwise."""
    name = "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL"
    engine = (sys.executable, "-c", f"import os; print(os.environ['{name}'])")
    env = {**os.environ, "PYTHONPATH": str(PROJECT), **({name: own["of_its_own"]} if own else {})}
    command = [sys.executable, "-c", START.format(engine=engine)]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == f"{level}\n"
