"""Commands that tests run in child processes: `python -m tests.warehouse.child_commands VERB HOME …`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.warehouse.sample_deliveries import many, story
from warehouse.cache.store import Cache
from warehouse.load import load as loading
from warehouse.load.self_repair import load as load_cache


def load(home: Path, count: str = "0", batch: str = "1000") -> None:
    """Load the story, or so many pages, in batches of that size."""
    import duckdb  # noqa: F401
    import pyarrow as pa

    pa.array([1])
    loading.BATCH_DELIVERIES = int(batch)
    print("loading", flush=True)
    report = load_cache(Cache(home), many(int(count)) if int(count) else story())
    print(report.deliveries, report.rows_new, *report.notes, flush=True)


def load_on_a_full_disk(home: Path, count: str, size: str) -> None:
    """Load while no file may grow beyond so many bytes."""
    import resource
    import signal

    import duckdb

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
    try:
        print(load_cache(Cache(home), many(int(count))).deliveries, flush=True)
    except duckdb.Error as error:
        print(error, flush=True)


def rebuild(home: Path) -> None:
    from warehouse.load.rebuild import rebuild as run

    print(run(home, story()).rows, flush=True)


def hold(home: Path, seconds: str) -> None:
    """Hold the cache open, and say when it is."""
    with Cache(home).open():
        print("held", flush=True)
        time.sleep(float(seconds))


def take_turns(home: Path, seconds: str, each: str) -> None:
    """Open the cache over and over for a while; print how often, and the longest wait."""
    deadline = time.monotonic() + float(seconds)
    turns, longest = 0, 0.0
    print("ready", flush=True)
    while time.monotonic() < deadline:
        waiting_since = time.monotonic()
        with Cache(home).locked():
            longest = max(longest, time.monotonic() - waiting_since)
            time.sleep(float(each))
            turns += 1
    print(turns, longest, flush=True)


def shell(home: Path, seconds: str) -> None:
    """Open the file without our lock, as a DuckDB shell does."""
    import duckdb

    with duckdb.connect(str(home / "state" / "cache.duckdb"), read_only=True):
        print("held", flush=True)
        time.sleep(float(seconds))


def shell_that_writes(home: Path, seconds: str) -> None:
    """Commit to the file without our lock, and close it later."""
    import duckdb

    with duckdb.connect(str(home / "state" / "cache.duckdb")) as con:
        con.execute("CREATE TABLE theirs AS SELECT 1 AS one")
        print("held", flush=True)
        time.sleep(float(seconds))


if __name__ == "__main__":
    verb, home, *rest = sys.argv[1:]
    globals()[verb](Path(home), *rest)
