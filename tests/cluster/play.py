"""Play the proof: three workers, twenty readers, and a seeded hand that kills what they rest on."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

import psycopg

from sandbox.world import World
from tests.cluster import children
from tests.cluster.servers import ObjectStore, Postgres, PrefectServer
from tests.crash.child import begin

WORKERS, READERS, APART_SECONDS = 3, 20, 5.0
TOKENS = ("3375", "3306", "3988")
VICTIMS = ("worker", "publisher", "postgres", "s3")
PUBLISHER = """
SELECT activity.application_name FROM pg_locks JOIN pg_stat_activity activity USING (pid)
WHERE locktype = 'advisory' AND classid = 74011 AND objid = 4 AND granted
"""


@dataclass
class Proof:
    """Deeds and their results. `exits` counts the exit codes of the workers' commands."""

    seconds: float
    seed: int
    struck: Counter[str] = field(default_factory=Counter)
    exits: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    reads: int = 0
    reader_errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    purchases: int = 0
    publications: int = 0
    per_day_atomic: int = 0

    def line(self) -> str:
        struck = ", ".join(f"{name} {count}" for name, count in sorted(self.struck.items()))
        return (
            f"cluster: {self.seconds:.0f} s, seed {self.seed}, killed: {struck}; {self.purchases} purchases, "
            f"{sum(self.exits.values())} runs ({dict(sorted(self.exits.items()))}), {self.publications} publications, "
            f"{self.reads} reads by {READERS} readers with {len(self.reader_errors)} errors, {len(self.wrong)} wrong"
        )


class Cluster:
    """Servers, homes and processes of one proof."""

    def __init__(self, folder: Path, world: World, postgres: Postgres, store: ObjectStore, proof: Proof) -> None:
        self.folder, self.world, self.postgres, self.store, self.proof = folder, world, postgres, store, proof
        self.dice = random.Random(proof.seed)
        self.buyer = world.buyer("cluster")
        self.shared = folder / "published"
        self.shared.mkdir()
        self.stop = folder / "stop"
        self.workers: dict[int, BaseProcess] = {}
        self.readers: list[BaseProcess] = []
        self.prefect: Mapping[str, str] = {}

    def env(self, number: int) -> dict[str, str]:
        """A worker's environment: a home of its own, the common ledger, place and store, a clock of its own."""
        home = self.folder / f"home-{number}"
        (home / "state").mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            (home / "published").symlink_to(self.shared)
        offset = self.world.clock.offset + APART_SECONDS * (number - 1)
        return {
            **self.buyer.env,
            **self.store.server.environment(),
            "TOLLBOOK_HOME": str(home),
            "TOLLBOOK_LEDGER_URL": self.postgres.url(),
            "TOLLBOOK_PUBLISH": "s3://cluster/published",
            "TOLLBOOK_CLOCK_OFFSET": repr(offset),
            **self.prefect,
        }

    def start_worker(self, number: int) -> None:
        """A worker's flows: as runs of Prefect's server where there is one."""
        word, more = ("flow", ["publish", "costs"]) if self.prefect else ("run", [])
        commands = [[word, name] for name in ("grades", "signals", "moonshots", *more)]
        commands = commands[number:] + commands[:number]
        for year in (2023, 2024, 2025):
            for token in TOKENS:
                past = ["--from", f"{year}-01-01", "--to", f"{year}-12-20", "--yes"]
                commands.append(["backfill", "signals", "--tokens", token, *past])
        log = str(self.folder / f"worker-{number}.log")
        self.workers[number] = begin(children.work, self.env(number), commands, str(self.stop), log)

    def start_readers(self) -> None:
        path = str(self.shared / "warehouse.duckdb")
        for number in range(READERS):
            log = str(self.folder / f"reader-{number}.log")
            self.readers.append(begin(children.read, path, str(self.stop), log, number))

    def prepare(self) -> None:
        """Publish once, so that readers have something from the beginning."""
        self.stop.touch()
        begin(children.work, self.env(1), [["run", "signals"]], str(self.stop), str(self.folder / "first.log")).join(
            120
        )
        self.stop.unlink()

    def play(self) -> None:
        """Strike until the time is over, and each kind of victim was struck; on a busy machine that takes longer."""
        self.prepare()
        for number in range(WORKERS):
            self.start_worker(number)
        self.start_readers()
        began, every, turn = time.time(), max(1.0, self.proof.seconds / 12), list(VICTIMS)
        self.dice.shuffle(turn)
        while time.time() < began + self.proof.seconds or (turn and time.time() < began + 4 * self.proof.seconds):
            time.sleep(self.dice.uniform(0.5, 1.0) * every)
            victim = turn.pop() if turn else self.dice.choice(VICTIMS)
            if not self.strike(victim):
                turn.insert(0, victim)
        self.stop.touch()
        for process in (*self.workers.values(), *self.readers):
            process.join(180)
            if process.exitcode is None:
                self.proof.wrong.append("a process hangs")
                process.kill()
        self._collect()

    def strike(self, victim: str) -> bool:
        """Kill one thing, and start it again; False when there was none."""
        if victim == "publisher":
            struck = self._kill_publisher()
        elif victim == "worker":
            struck = True
            self._kill(self.dice.randrange(WORKERS))
        else:
            struck, server = True, self.postgres if victim == "postgres" else self.store
            server.kill()
            time.sleep(self.dice.uniform(0.2, 1.0))
            server.start()
        self.proof.struck[victim] += struck
        return struck

    def _kill(self, number: int) -> None:
        self.workers[number].kill()
        self.workers[number].join()
        self.start_worker(number)

    def _kill_publisher(self) -> bool:
        """Wait until a worker holds the publisher's lock, and kill it there."""
        deadline = time.time() + max(4.0, self.proof.seconds / 10)
        while time.time() < deadline:
            with suppress(psycopg.Error), psycopg.connect(self.postgres.url(), autocommit=True) as connection:
                for (name,) in connection.execute(PUBLISHER).fetchall():
                    for number, process in self.workers.items():
                        if process.pid is not None and str(name).endswith(f" {process.pid}"):
                            self._kill(number)
                            return True
            time.sleep(0.02)
        return False

    def _collect(self) -> None:
        for number in range(WORKERS):
            log = self.folder / f"worker-{number}.log"
            for line in log.read_text().splitlines() if log.exists() else ():
                code, words, said = json.loads(line)
                self.proof.exits[code] += 1
                if code not in (0, 3):
                    self.proof.reasons[said.strip()[-300:]] += 1
                if code in (2, 5):
                    self.proof.wrong.append(f"{' '.join(words)} ended with {code}: {said[-600:]}")
        for number in range(READERS):
            told = json.loads((self.folder / f"reader-{number}.log").read_text())
            self.proof.reads += told["reads"]
            self.proof.reader_errors += told["errors"]


@contextmanager
def cluster(
    folder: Path, seconds: float, seed: int, caps: Mapping[str, str], *, prefect: bool = False
) -> Iterator[Cluster]:
    """Everything that the proof needs, up and running; with `prefect`, its server too."""
    with World(folder / "world") as world, Postgres() as postgres, ObjectStore() as store, ExitStack() as more:
        proof = Proof(seconds, seed, per_day_atomic=round(float(caps["per_day"]) * 1_000_000))
        made = Cluster(folder, world, postgres, store, proof)
        policy = Path(made.buyer.env["TOLLBOOK_POLICY"])
        text = policy.read_text()
        for name, value in caps.items():
            lines = [f'{name} = "{value}"' if line.startswith(f"{name} = ") else line for line in text.splitlines()]
            text = "\n".join(lines) + "\n"
        own = folder / "policy.toml"
        own.write_text(text)
        made.buyer = type(made.buyer)(
            made.buyer.address,
            made.buyer.private_key,
            made.buyer.home,
            {**made.buyer.env, "TOLLBOOK_POLICY": str(own)},
        )
        if prefect:
            made.prefect = more.enter_context(PrefectServer(folder / "prefect")).env
        try:
            yield made
        finally:
            for process in (*made.workers.values(), *made.readers):
                with suppress(ValueError, ProcessLookupError):
                    if process.exitcode is None and process.pid:
                        os.kill(process.pid, signal.SIGKILL)
