"""The cache: pages into rows, a day into a long history, what is missing, rebuilding, and the memory of it all.

TOLLBOOK_BENCH_ROWS is the history's size (default 10 million), TOLLBOOK_BENCH_BODIES the rows that are rebuilt from
bodies (default 1 million). Each part runs in a process of its own, so that its memory can be read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench import warehouse_parts
from bench.rows import Row

TITLE = "The cache"

ROWS = int(os.environ.get("TOLLBOOK_BENCH_ROWS", "10000000"))
BODIES = int(os.environ.get("TOLLBOOK_BENCH_BODIES", "1000000"))
LIMIT_MB = 2048

Figures = Mapping[str, float]


def rows() -> Iterator[Row]:
    """Each figure with what it is measured against, in one run."""
    peaks: dict[str, float] = {}
    for name, judge, size in (("pages", _pages, 0), ("history", _history, ROWS), ("missing", _missing, 0)):
        found = _measure(name, size)
        peaks[name] = found["peak_mb"]
        yield from judge(found)
    found = _measure("rebuild", BODIES)
    peaks["rebuild"] = found["peak_mb"]
    yield _rebuild(found)
    worst = max(peaks.values())
    beside = ", ".join(f"{name} {peak:,.0f}" for name, peak in peaks.items())
    yield Row("peak memory of the largest part", f"{worst:,.0f} MB", f"{LIMIT_MB} MB", worst / LIMIT_MB, 1.0, beside)


def _measure(part: str, size: int) -> Figures:
    """One part's figures, with the peak of its memory."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-W", "ignore", "-m", "bench.warehouse", part, folder, str(size)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _pages(found: Figures) -> Iterator[Row]:
    ours, alone, dlt = found["ours"], found["ours_alone"], found["dlt"]
    name = "1,000-row page to typed, deduplicated, committed rows"
    note = "one page a load, half of them new"
    yield Row(name, _ms(alone), f"dlt merge {_ms(dlt)}", alone / dlt, 1 / 20, note)
    one = found["read_json_alone"]
    yield Row(
        "the same", _ms(alone), f"read_json {_ms(one)}", alone / one, 3.0, "one page, opening and closing the file"
    )
    note = f"{found['count']:.0f} pages a load; one alone takes {_ms(alone)}"
    yield Row("the same", _ms(ours), f"read_json {_ms(found['read_json'])}", ours / found["read_json"], 3.0, note)


def _history(found: Figures) -> Iterator[Row]:
    long, short = found["long"], found["short"]
    note = f"{found['day_rows']:,.0f} rows, half of them restated or seen again"
    yield Row(f"a day into {ROWS:,} rows", _ms(long), f"into 100,000 rows {_ms(short)}", long / short, 1.5, note)


def _missing(found: Figures) -> Iterator[Row]:
    ours = found["ours"]
    for peer in ("hishel", "requests-cache"):
        took = found[peer] * found["calls"]
        beside = f"{peer} {took:.1f} s for {found['calls']:,.0f} URLs at {found[peer] * 1000:.2f} ms"
        note = f"with a list of the calls saved {_ms(found['listed'])}"
        yield Row("nothing is missing, 5,000 tokens × 1 year", _ms(ours), beside, ours / took, 1 / 50, note)


def _rebuild(found: Figures) -> Row:
    ours, first = found["rebuild"], found["first"]
    note = f"{found['same']:.0f} tables equal"
    return Row(f"rebuild of {BODIES:,} rows", f"{ours:.1f} s", f"first load {first:.1f} s", ours / first, 1.0, note)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"


PARTS: Mapping[str, Callable[[Path, int], dict[str, float]]] = {
    "pages": warehouse_parts.pages,
    "history": warehouse_parts.history,
    "missing": warehouse_parts.missing,
    "rebuild": warehouse_parts.rebuilding,
}


def main(part: str, folder: str, size: str) -> None:
    """Measure one part and print its figures."""
    import resource

    figures = PARTS[part](Path(folder), int(size))
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    figures["peak_mb"] = max(peaks) / 1024
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
