"""Three flows that buy, load and publish over and over in processes of their own, and analysts who look meanwhile.

`python -m tests.warehouse.flows_and_analysts flow|analyst …`; `look_on` runs them all and tells what they saw.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.warehouse.child_processes import ROOT
from tests.warehouse.deliveries import DAY, T0, body, pieces
from tests.warehouse.purchases import buy, open_ledger
from warehouse.load.self_repair import load

if TYPE_CHECKING:
    import duckdb

FLOWS = {"tm-grade-history": "grades", "trading-signals": "signals", "daily-ohlcv": "ohlcv_daily"}
"""The dataset that each flow buys, and the table it fills."""

ROWS = 20
"""Of each page: an analyst counts them against the deliveries and the costs shown."""


def flow(home: Path, dataset: str, seconds: str) -> None:
    """Buy a page, load it and publish, until the time is over; print how long each had to wait for its turn."""
    from warehouse.cache import store as cache
    from warehouse.publish import attempt
    from warehouse.publish.publish import publish

    waits: list[float] = []
    cache.file_lock = attempt.file_lock = _timed(attempt.file_lock, waits)  # type: ignore[attr-defined]
    own, took, number = cache.Cache(home), [], 0
    with open_ledger(home) as ledger:
        print("ready", flush=True)
        sys.stdin.readline()
        until = time.monotonic() + float(seconds)
        while time.monotonic() < until:
            at = T0 + timedelta(minutes=number)
            tokens = [str(2 * number + n) for n in (1, 2)]
            [piece, *_] = pieces(dataset, tokens, T0 - 9 * DAY, T0, at)
            rows = [_row(token, n) for token in tokens for n in range(ROWS // 2)]
            buy(ledger, piece, body(*rows), at, flow=FLOWS[dataset])
            load(own, ledger)
            started = time.monotonic()
            publish(home, ledger)
            took.append(time.monotonic() - started)
            number += 1
    print(json.dumps({"publications": number, "waits": waits, "took": took}), flush=True)


def _row(token: str, days: int) -> dict[str, Any]:
    return {"TOKEN_ID": int(token), "TOKEN_NAME": token, "TOKEN_SYMBOL": token, "DATE": f"{T0 - DAY * days:%Y-%m-%d}"}


def _timed(lock: Callable[[Path], AbstractContextManager[None]], waits: list[float]) -> Any:
    @contextmanager
    def waiting(path: Path) -> Any:
        asked = time.monotonic()
        with lock(path):
            waits.append(time.monotonic() - asked)
            yield

    return waiting


def analyst(home: Path, held: str, pause: str, library: str) -> None:
    """Sessions that count rows, deliveries and costs, with a pause after each; held: one that must see the same to the
    end. The answers come through `library`."""
    import duckdb

    path, stop = home / "published" / "warehouse.duckdb", home / "stop"
    counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in FLOWS.values())
    query = f"SELECT {counts}, (SELECT count(*) FROM loads), (SELECT coalesce(sum(rows_new), 0) FROM costs)"
    sessions = queries = 0
    while not stop.exists():
        with duckdb.connect(str(path), read_only=True, config={"threads": 1, "memory_limit": "200MB"}) as con:
            first, sessions, look_again = _rows(con, query, library), sessions + 1, True
            while look_again:
                shown = _rows(con, query, library)
                queries += 1
                *tables, loads, priced = shown[0]
                assert sum(tables) == ROWS * loads == priced, shown
                assert shown == first, (shown, first)
                look_again = held == "held" and not stop.exists()
                time.sleep(0.3 if look_again else float(pause))
    print(json.dumps({"sessions": sessions, "queries": queries}), flush=True)


def _rows(con: duckdb.DuckDBPyConnection, query: str, library: str) -> list[tuple[int, ...]]:
    found = con.sql(query)
    if library == "pandas":
        return [tuple(map(int, row)) for row in found.df().itertuples(index=False)]
    return [tuple(map(int, row)) for row in (found.pl().rows() if library == "polars" else found.fetchall())]


@dataclass(frozen=True, slots=True)
class Seen:
    """The result. `errors` are the last words of processes that failed, on either side."""

    errors: tuple[str, ...]
    publications: tuple[int, ...]
    sessions: int
    queries: int
    waits: tuple[float, ...]
    took: tuple[float, ...]

    def __str__(self) -> str:
        return (
            f"{len(self.errors)} errors in {self.sessions} sessions ({self.queries} queries) beside "
            f"{self.publications} publications; a writer waited {statistics.median(self.waits):.2f} s for its turn, "
            f"{max(self.waits):.2f} s at most; a publication took {statistics.median(self.took):.2f} s, "
            f"{max(self.took):.2f} s at most"
        )


def look_on(
    home: Path, analysts: int, held: int, seconds: float, pause: float = 0.02, libraries: Sequence[str] = ("duckdb",)
) -> Seen:
    """Run them all. Something must be published already."""
    watching = [
        _start("analyst", home, "held" if n < held else "short", pause, libraries[n % len(libraries)])
        for n in range(analysts)
    ]
    flows = [_start("flow", home, dataset, seconds) for dataset in FLOWS]
    for one in flows:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in flows:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    told = [_end(one) for one in flows]
    (home / "stop").touch()
    seen = [_end(one) for one in watching]
    failed = tuple(words for _, words in (*told, *seen) if words)
    work = [document for document, _ in told if document]
    looked = [document for document, _ in seen if document]
    return Seen(
        failed,
        tuple(own["publications"] for own in work),
        sum(own["sessions"] for own in looked),
        sum(own["queries"] for own in looked),
        tuple(wait for own in work for wait in own["waits"]),
        tuple(spent for own in work for spent in own["took"]),
    )


def _start(verb: str, home: Path, *rest: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.warehouse.flows_and_analysts", verb, str(home), *map(str, rest)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def _end(child: subprocess.Popen[str]) -> tuple[dict[str, Any] | None, str]:
    """Its answer, or the last it said when it failed."""
    out, err = child.communicate(timeout=300)
    if child.returncode:
        return None, (err.strip().splitlines() or [f"exit {child.returncode}"])[-1]
    document: dict[str, Any] = json.loads(out.splitlines()[-1])
    return document, ""


if __name__ == "__main__":
    verb, home, *rest = sys.argv[1:]
    {"flow": flow, "analyst": analyst}[verb](Path(home), *rest)
