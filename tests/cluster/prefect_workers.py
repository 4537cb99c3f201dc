"""Workers of a Prefect server: its deployments, run again and again, each run in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil

from tests.cluster.workers import TOKENS, YEARS, Outcome
from tests.docs.page import PROJECT
from tests.flows.server import Prefect, quiet_environment

DATABASE = "PREFECT_API_DATABASE_CONNECTION_URL"
AHEAD = 6
"""Runs that wait for a worker."""
STOP_SECONDS, A_MINUTE = 240, 60
LIMIT = "2"
"""Runs of one worker at a time."""
RETRIED = {"PREFECT_CLIENT_RETRY_EXTRA_CODES": "500"}
"""Prefect's server answers so while its database is away: worker and run ask again, as docs/scaling.md says."""
WORKER = ("prefect", "worker", "start", "--pool", "local", "--type", "process", "--limit", LIMIT, "--name")
BUYING = ("grades", "signals", "moonshots")
OTHERS = ("lake", "publish", "costs", "reconcile", "lake", "publish", "health", "compact")
QUARTERS = (("01-01", "03-31"), ("04-01", "06-30"), ("07-01", "09-30"), ("10-01", "12-20"))
OURS = ("Money: ", " paid calls, ", "losses", "lost", "finding", "agree")
"""Words of a failure that tollbook tells itself: one of them is in each."""


class PrefectWorkers:
    """A server, deployments and workers. `with PrefectWorkers(…)` begins without a worker."""

    def __init__(self, folder: Path, env: Mapping[str, str], database: str, lake: Mapping[str, str]) -> None:
        folder.mkdir()
        self._folder, self._lake = folder, lake
        self._prefect = Prefect(folder, {**env, **({DATABASE: database} if database else {})}, patience=900)
        self._environments: dict[int, Mapping[str, str]] = {}
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.died: list[str] = []
        self.feeding_failed, self._seen = 0, 0

    def __enter__(self) -> PrefectWorkers:
        self._prefect.__enter__()
        flows = {flow["id"]: flow["name"] for flow in self._prefect.post("/flows/filter", {})}
        deployed = self._prefect.post("/deployments/filter", {})
        self._deployments = {flows[one["flow_id"]]: one["id"] for one in deployed}
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        self._prefect.__exit__(None, None, None)

    def start(self, number: int, env: Mapping[str, str]) -> None:
        home = self._folder / f"worker-{number}"
        home.mkdir(exist_ok=True)
        self._environments[number] = env
        given = {**quiet_environment(home, env), **RETRIED, "PREFECT_API_URL": self._prefect.api}
        with (self._folder / f"worker-{number}.log").open("ab") as out:
            command = [*WORKER, f"worker-{number}"]
            self._workers[number] = subprocess.Popen(command, env=given, cwd=PROJECT, stdout=out, stderr=out)

    def wait_until_ready(self) -> None:
        self._prefect.wait("a run has ended", self._completed, seconds=1200)

    def wait_for_a_run(self) -> None:
        with suppress(TimeoutError):
            self._prefect.wait("another run", lambda: self._completed() > self._seen, seconds=A_MINUTE)
        with suppress(OSError):
            self._seen = self._completed()

    def kill(self, number: int) -> None:
        with self._lock:
            for process in self._family(number):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self._workers[number].wait()
            self.start(number, self._environments[number])

    def kill_publisher(self, pid: int) -> bool:
        with self._lock:
            for number in self._workers:
                for process in self._family(number)[1:]:
                    if process.pid == pid:
                        os.kill(pid, signal.SIGKILL)
                        return True
        return False

    def end(self) -> list[str]:
        """Tell the workers to stop: each run in progress ends in the ordinary way, what it has paid is waited for.

        Prefect 3.9.1 forgets the signal when a run's process is ending at that moment; a person would send it again.
        """
        self._stopped.set()
        self._feeder.join()
        families = [process for number in self._workers for process in self._family(number)]
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and any(worker.poll() is None for worker in self._workers.values()):
            for worker in self._workers.values():
                worker.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                for worker in self._workers.values():
                    worker.wait(30)
        _, alive = psutil.wait_procs(families, timeout=STOP_SECONDS)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return [f"{len(alive)} processes of the workers hang"] if alive else []

    def outcomes(self) -> Iterator[Outcome]:
        names = {identity: name for name, identity in self._deployments.items()}
        for offset in range(0, 10_000, 200):
            page = self._prefect.post("/flow_runs/filter", {"limit": 200, "offset": offset, "sort": "START_TIME_ASC"})
            for run in page:
                state = run.get("state") or {}
                said, ended = str(state.get("message") or ""), str(state.get("name"))
                if state.get("type") == "SCHEDULED" and ended != "AwaitingRetry":
                    continue
                told = state.get("type") != "FAILED" or any(word in said for word in OURS)
                fine = state.get("type") in ("COMPLETED", "CANCELLED", "RUNNING", "PENDING", "CRASHED")
                whole = state.get("type") == "COMPLETED"
                yield Outcome(names.get(run["deployment_id"], "?"), ended, said, whole, fine, not told)
            if len(page) < 200:
                return

    def close(self) -> None:
        self._stopped.set()
        for number in self._workers:
            for process in self._family(number):
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def _completed(self) -> int:
        completed = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
        return int(self._prefect.post("/flow_runs/count", completed))

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def _family(self, number: int) -> list[psutil.Process]:
        """The worker and all that it runs."""
        try:
            worker = psutil.Process(self._workers[number].pid)
            return [worker, *worker.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _feed(self) -> None:
        """Keep runs waiting; start a worker that has ended by itself, as a supervisor does."""
        runs = self._runs()
        while not self._stopped.wait(2):
            with self._lock:
                for number, worker in list(self._workers.items()):
                    if worker.poll() is not None:
                        self.died.append(f"worker {number} ended with {worker.returncode}")
                        self.start(number, self._environments[number])
            try:
                # A run that a killed worker had begun to submit stays pending for ever: it waits for nobody.
                due = {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"before_": _now()}}
                waiting = self._prefect.post("/flow_runs/count", {"flow_runs": due})
                for _ in range(AHEAD - waiting):
                    name, body = next(runs)
                    self._prefect.post(f"/deployments/{self._deployments[name]}/create_flow_run", body)
            except OSError:
                self.feeding_failed += 1
                time.sleep(1)

    def _runs(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every flow in turn, for ever; of the past another token's quarter each time."""
        past = cycle((token, year, months) for year in YEARS for months in QUARTERS for token in TOKENS)
        rest = cycle(OTHERS)
        for name in cycle(BUYING):
            yield name, {}
            token, year, (first, last) = next(past)
            parameters = {"dataset": ["signals"], "tokens": token, "approve_above": "100"}
            days = {"first": f"{year}-{first}", "last": f"{year}-{last}"}
            yield "backfill", {"parameters": {**parameters, **days}}
            other = next(rest)
            yield other, {"job_variables": {"env": dict(self._lake)}} if other == "lake" else {}


def _now() -> str:
    return datetime.now(UTC).isoformat()
