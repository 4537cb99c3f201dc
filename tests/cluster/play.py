"""Play the proof: three workers, twenty readers, and a seeded hand that kills what they rest on."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

import psycopg

from sandbox.world import World
from tests import clocks
from tests.cluster import children, lake
from tests.cluster.prefect_workers import PrefectWorkers
from tests.cluster.servers import ObjectStore, Postgres, system_postgres
from tests.cluster.workers import CommandWorkers, Workers
from tests.crash.child import begin

WORKERS, READERS, APART_SECONDS = 3, 20, 5.0
OF_THE_BUCKET, OF_THE_LAKE = 5, 5
"""Of the twenty readers; the others read the common folder."""
FEW_READERS = 6
"""In the short form, of which one looks at the lake and two at the bucket."""
AWAY_SECONDS = 3.5
"""Longest time between the death of a server and its next start."""
VICTIMS = ("worker", "publisher", "postgres", "s3")
PUBLISHER = """
SELECT activity.application_name FROM pg_locks JOIN pg_stat_activity activity USING (pid)
WHERE locktype = 'advisory' AND classid = 74011 AND objid = 4 AND granted
"""
Say = Callable[[str], None]


@dataclass
class Proof:
    """Deeds and their results. `ended` counts how runs ended, `finished` those that ended well by flow, `reasons` why
    the others failed."""

    seconds: float
    seed: int
    struck: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    reads: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    reader_errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    purchases: int = 0
    transfers: int = 0
    publications: int = 0
    published_rows: int = 0
    lake_rows: int = 0
    lake_snapshots: int = 0
    per_day_atomic: int = 0
    readers: int = READERS

    def line(self) -> str:
        struck = _listed(self.struck)
        reads = _listed(self.reads)
        waits = f" (and {_listed(self.waits)} times it was away)" if self.waits else ""
        return (
            f"cluster: {self.seconds:.0f} s, seed {self.seed}, killed with SIGKILL: {struck}; "
            f"{self.purchases} purchases, {self.transfers} transfers, {sum(self.ended.values())} runs "
            f"({_listed(self.ended)}), {sum(self.finished.values())} of them to their end ({_listed(self.finished)}), "
            f"{self.publications} publications of {self.published_rows} rows in the end, "
            f"{self.lake_rows} rows in {self.lake_snapshots} snapshots of the lake; "
            f"{self.readers} readers: {reads}{waits} with {len(self.reader_errors)} errors; {len(self.wrong)} wrong"
        )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


class Cluster:
    """Servers, homes and processes of one proof."""

    def __init__(self, folder: Path, world: World, postgres: Postgres, store: ObjectStore, proof: Proof) -> None:
        self.folder, self.world, self.postgres, self.store, self.proof = folder, world, postgres, store, proof
        self.dice = random.Random(proof.seed)
        self.buyer = world.buyer("cluster")
        self.shared = folder / "published"
        self.shared.mkdir()
        self.stop = folder / "stop"
        self.workers: Workers = CommandWorkers(folder, self.stop)
        self.readers: list[BaseProcess] = []
        self.lake_readers: list[subprocess.Popen[bytes]] = []
        self.lake = lake.environment(folder / "lake-home")
        self.say: Say = lambda _line: None
        self.pause, self.of_the_lake, self.of_the_bucket = 3.0, 1 if self.lake else 0, 2

    def env(self, number: int, *, faked: bool = False) -> dict[str, str]:
        """A worker's environment: a home of its own, the common ledger, place, store and lake, a clock of its own."""
        home = self.folder / f"home-{number}"
        (home / "state").mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            (home / "published").symlink_to(self.shared)
        ahead = APART_SECONDS * (number - 1)
        faked = faked and clocks.can_be_moved()
        offset = self.world.clock.offset + (0 if faked else ahead)
        return {
            **self.buyer.env,
            **self.store.server.environment(),
            **(clocks.moved(ahead) if faked else {}),
            "TOLLBOOK_HOME": str(home),
            "TOLLBOOK_LEDGER_URL": self.postgres.url(),
            "TOLLBOOK_PUBLISH": "s3://cluster/published",
            "TOLLBOOK_LAKE": self.postgres.url("lake"),
            "TOLLBOOK_LAKE_DATA": lake.DATA,
            "TOLLBOOK_CLOCK_OFFSET": repr(offset),
        }

    def start_readers(self) -> None:
        """Readers of the folder, of the bucket, and of the lake where there is one."""
        cache = {"XDG_CACHE_HOME": str(self.folder / "cache")}
        env = {**self.store.server.environment(), **cache}
        for number in range(self.proof.readers):
            log = str(self.folder / f"reader-{number}.log")
            if number < self.of_the_lake:
                words = ["read", str(self.stop), log, str(number), str(self.pause)]
                own = {**os.environ, **self.env(1), **(self.lake or {})}
                command = [sys.executable, "-m", "tests.cluster.lake", *words]
                # DuckLake's own queries draw a progress bar when they take long.
                self.lake_readers.append(subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL))
                continue
            bucket = number < self.of_the_lake + self.of_the_bucket
            place = "s3://cluster/published" if bucket else str(self.shared / "warehouse.duckdb")
            self.readers.append(begin(children.read, env, place, str(self.stop), log, number, self.pause))

    def prepare(self) -> None:
        """Publish once, and write the lake, so that readers have something from the beginning."""
        self.stop.touch()
        first = begin(children.work, self.env(1), [["run", "signals"]], str(self.stop), str(self.folder / "first.log"))
        first.join(120)
        self.stop.unlink()
        self.write_lake()

    def write_lake(self) -> None:
        """Run `tollbook lake` where there is a DuckDB with the extensions."""
        if self.lake is not None:
            done = lake.tollbook_lake({**self.env(1), **self.lake})
            if done.returncode:
                self.proof.wrong.append(f"lake ends with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")

    def play(self, *, faked: bool = False) -> None:
        """Strike until the time is over, and each kind of victim was struck; on a busy machine that takes longer."""
        self.prepare()
        for number in range(WORKERS):
            self.workers.start(number, self.env(number, faked=faked))
        self.workers.wait_until_ready()
        self.start_readers()
        began, every = time.time(), max(1.0, min(self.proof.seconds / 12, 40))
        due: list[str] = []
        while time.time() < began + self.proof.seconds or (
            not all(self.proof.struck[victim] for victim in VICTIMS) and time.time() < began + 20 * self.proof.seconds
        ):
            time.sleep(self.dice.uniform(0.5, 1.0) * every)
            self.workers.wait_for_a_run()
            due = due or self.dice.sample(VICTIMS, len(VICTIMS))
            victim = due.pop()
            struck = self.strike(victim)
            self.say(f"{time.time() - began:6.1f} s: {victim} {'killed' if struck else 'not found'}")
        self.proof.wrong += self.workers.end()
        self.stop.touch()
        for process in self.readers:
            process.join(180)
            if process.exitcode is None:
                self.proof.wrong.append("a reader hangs")
                process.kill()
        for child in self.lake_readers:
            child.wait(180)
        self._collect()

    def strike(self, victim: str) -> bool:
        """Kill one thing, and start it again; False when there was none."""
        if victim == "publisher":
            struck = self._kill_publisher()
        elif victim == "worker":
            struck = True
            self.workers.kill(self.dice.randrange(WORKERS))
        else:
            struck, server = True, self.postgres if victim == "postgres" else self.store
            server.kill()
            time.sleep(self.dice.uniform(0.2, 1.0) * min(AWAY_SECONDS, self.pause))
            server.start()
        self.proof.struck[victim] += struck
        return struck

    def _kill_publisher(self) -> bool:
        """Wait until a worker holds the publisher's lock, and kill it there."""
        deadline = time.time() + max(4.0, self.proof.seconds / 10)
        while time.time() < deadline:
            with suppress(psycopg.Error), psycopg.connect(self.postgres.url(), autocommit=True) as connection:
                while time.time() < deadline:
                    for (name,) in connection.execute(PUBLISHER).fetchall():
                        pid = str(name).rpartition(" ")[2]
                        if pid.isdigit() and self.workers.kill_publisher(int(pid)):
                            return True
                    time.sleep(0.02)
            time.sleep(0.5)
        return False

    def _collect(self) -> None:
        for run in self.workers.outcomes():
            self.proof.ended[run.ended] += 1
            self.proof.finished[run.what] += run.whole
            if not run.fine:
                self.proof.reasons[f"{run.what}: {run.said[-300:]}"] += 1
            if run.wrong:
                self.proof.wrong.append(f"{run.what} ended with {run.ended}: {run.said[-600:]}")
        for number in range(self.proof.readers):
            kinds = ["lake"] * self.of_the_lake + ["bucket"] * self.of_the_bucket
            kind = kinds[number] if number < len(kinds) else "folder"
            log = self.folder / f"reader-{number}.log"
            if not log.exists():
                self.proof.reader_errors.append(f"a reader of the {kind} died")
                continue
            told = json.loads(log.read_text())
            self.proof.reads[kind] += told["reads"]
            if told["waits"]:
                self.proof.waits[kind] += told["waits"]
            for reason in told.get("reasons", ()):
                self.say(f"a reader of the lake waited: {reason}")
            self.proof.reader_errors += told["errors"]

    def close(self) -> None:
        self.workers.close()
        for process in self.readers:
            process.kill()
        for child in self.lake_readers:
            child.kill()
            child.wait()


@contextmanager
def cluster(
    folder: Path, seconds: float, seed: int, caps: Mapping[str, str], *, prefect: bool = False, say: Say = print
) -> Iterator[Cluster]:
    """Everything that the proof needs, up and running; with `prefect`, its workers on a PostgreSQL with pg_trgm."""
    programs = system_postgres() if prefect else None
    with (
        World(folder / "world") as world,
        Postgres(programs) as postgres,
        ObjectStore(folder / "store") as store,
        ExitStack() as more,
    ):
        proof = Proof(seconds, seed, per_day_atomic=round(float(caps["per_day"]) * 1_000_000))
        if not prefect:
            proof.readers = FEW_READERS
        made = Cluster(folder, world, postgres, store, proof)
        _cap(made, caps)
        if prefect:
            made.say, made.pause = say, 10.0
            made.of_the_lake, made.of_the_bucket = OF_THE_LAKE if made.lake else 0, OF_THE_BUCKET
            database = postgres.url("prefect", "+asyncpg") if postgres.has_trigrams else ""
            where = "it" if database else "a file: this PostgreSQL has no pg_trgm, which Debian's `postgresql` brings"
            by = "libfaketime" if clocks.can_be_moved() else "TOLLBOOK_CLOCK_OFFSET"
            say(f"PostgreSQL {postgres.version}; Prefect's server on {where}; clocks 5 s apart by {by}")
            if made.lake is None:
                say("no lake: `make .venv-oldest/oldest.stamp` could not set up the DuckDB that has its extensions")
            made.workers = more.enter_context(
                PrefectWorkers(folder / "prefect", made.env(1), database, made.lake or {})
            )
        try:
            yield made
        finally:
            made.close()


def _cap(made: Cluster, caps: Mapping[str, str]) -> None:
    """Give the buyer a policy with these caps."""
    text = Path(made.buyer.env["TOLLBOOK_POLICY"]).read_text()
    for name, value in caps.items():
        lines = [f'{name} = "{value}"' if line.startswith(f"{name} = ") else line for line in text.splitlines()]
        text = "\n".join(lines) + "\n"
    own = made.folder / "policy.toml"
    own.write_text(text)
    buyer, env = made.buyer, {**made.buyer.env, "TOLLBOOK_POLICY": str(own)}
    made.buyer = type(buyer)(buyer.address, buyer.private_key, buyer.home, env)
