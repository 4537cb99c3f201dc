"""Paid calls of the planner beside bounds, the exact optimum, and the ways it is done without one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

from bench.planner_exact import fewest_pages, lower_bound
from bench.planner_scenarios import Mask, Scenario, scenarios
from bench.rows import Row
from sources.planner.rectangles import CallLimits, calls_of, covering_blocks

TITLE = "Planner: paid calls, and the time to plan"

DENSE, SMALL = 1.05, 1.10
SECONDS = 60
"""Seconds that the integer program may look for a small scenario's optimum."""


def rows() -> Iterator[Row]:
    for scenario in scenarios():
        yield _scenario(scenario)
    yield from _large()


def _scenario(scenario: Scenario) -> Row:
    """Ours against the optimum where it is known, the bound where the demand is dense, else the best naive way."""
    missing, limits = scenario.missing, scenario.limits
    ours = sum(calls_of(limits, block) for block in covering_blocks(missing, limits))
    bound = lower_bound(missing, limits)
    naive = naive_ways(missing, limits)
    beside = [f"bound {bound}", *(f"{way} {calls}" for way, calls in naive.items())]
    best_naive = min(naive.values())
    note = "" if ours <= best_naive else f"**worse than {best_naive}**"
    if scenario.small:
        least = fewest_pages(missing, limits, SECONDS)
        word = "optimum" if least.proven else "proven bound"
        ratio, aim = ours / least.bound, SMALL
        beside.insert(0, f"{word} {least.bound}")
    elif scenario.dense:
        ratio, aim = ours / bound, DENSE
    else:
        ratio, aim = ours / best_naive, 1.0
    if note:
        aim = 0.0
    return Row(scenario.name, f"{ours} calls", ", ".join(beside), ratio, aim, note)


def naive_ways(missing: Mask, limits: CallLimits) -> dict[str, int]:
    """Calls without a planner, each way generously counted."""
    return {
        "token by token": sum(_windows_of(np.flatnonzero(row).tolist(), limits) for row in missing),
        "SDK chunks": _sdk_chunks(missing, limits),
        "cell by cell": int(missing.sum()) * limits.pages(1, 1),
    }


def _windows_of(steps: list[int], limits: CallLimits) -> int:
    """One token alone: windows from its first missing day on, each paged to its end."""
    calls, place = 0, 0
    while place < len(steps):
        end = place
        while end + 1 < len(steps) and steps[end + 1] - steps[place] < limits.width:
            end += 1
        calls += limits.pages(1, steps[end] - steps[place] + 1)
        place = end + 1
    return calls


def _sdk_chunks(missing: Mask, limits: CallLimits) -> int:
    """The official SDK 0.4.0: the whole range in chunks that share a day, for all tokens in one list. It asks for
    one page of each; here all pages are counted, or it would lose rows."""
    keys, days = missing.shape
    starts = range(0, max(1, days - 1), limits.width)
    return sum(limits.pages(keys, min(limits.width + 1, days - start)) for start in starts)


LARGE = {
    "5,000 tokens × 4 years": "np.zeros((5000, 1461), dtype=bool)",
    "5,000 tokens × 4 years, 1% missing": "np.random.default_rng(31).random((5000, 1461)) >= 0.01",
    "5,000 tokens × 4 years, a year held": "np.arange(1461)[None, :].repeat(5000, 0) < 365",
}
"""Part of the largest demand that is held, as keys × days."""

_PLAN_IT = """
import json, resource, sys, time
from datetime import UTC, datetime
import numpy as np
from sources import registry
from sources.planner.held import HeldCells
from sources.planner.plan import plan
from sources.slots import slot

dataset = registry.dataset("trading-signals")
at = datetime(2026, 11, 22, 9, tzinfo=UTC)
keys = [str(number) for number in range(3000, 8000)]
last = slot(dataset, at)
first = last - 1460

def spans(row):
    turns = np.flatnonzero(np.diff(row.astype(np.int8), prepend=0, append=0)) + first
    return tuple(zip(turns[::2].tolist(), (turns[1::2] - 1).tolist()))

held = HeldCells({key: own for key, row in zip(keys, eval(sys.argv[1])) if (own := spans(row))})
took = []
for _ in range(3):
    began = time.process_time()
    found = plan(dataset, keys, first, last, held, at, at)
    took.append(time.process_time() - began)
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": min(took), "megabytes": memory, "calls": found.calls}))
"""


def _large() -> Iterator[Row]:
    """Five thousand tokens × four years, from names to requests, each in a process of its own."""
    for name, held in LARGE.items():
        done = subprocess.run([sys.executable, "-c", _PLAN_IT, held], capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        seconds, megabytes = found["seconds"], found["megabytes"]
        yield Row(f"{name}: time", f"{seconds:.2f} s", "2 s", seconds / 2, 1.0, f"{found['calls']} calls")
        yield Row(f"{name}: memory", f"{megabytes:.0f} MB", "500 MB", megabytes / 500, 1.0)
