"""`make sim N=… SEED=…`: worlds from a seed upwards until N purchases have been carried to their end.

N=1 plays exactly the world of SEED, so a failure is replayed by the line it prints.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count

from tests.simulation.play import Outcome, play
from tests.simulation.scenario import from_seed, narrowed
from tests.simulation.shrink import shrink

TAIL = 60
COLLECT_EVERY = 16


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    one = partial(_play, world=tuple(asked.world), faults=asked.faults)
    summary = Summary(asked.seed)
    for outcome in _outcomes(asked, one):
        summary.add(outcome)
        if outcome.broken is not None:
            report(outcome, shrunk=not asked.no_shrink)
        if summary.purchases >= asked.n or summary.failures >= asked.most:
            break
    print(summary.line())
    return 1 if summary.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make sim", description=__doc__)
    parser.add_argument("-n", type=int, default=20_000, help="purchases to carry; seeds are whole, so some more")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--world", nargs="*", default=[], metavar="NAME=VALUE", help="change the shape of each world")
    parser.add_argument("--faults", metavar="A,B", help="only these faults (none: no faults)")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--most", type=int, default=3, help="stop after so many failures")
    parser.add_argument("--no-shrink", action="store_true")
    return parser


def _play(seed: int, world: tuple[str, ...], faults: str | None) -> Outcome:
    if seed % COLLECT_EVERY == 0:
        gc.collect()
    return play(narrowed(from_seed(seed), world, faults))


def _outcomes(asked: argparse.Namespace, one: partial[Outcome]) -> Iterator[Outcome]:
    """In the order of seeds, whichever process plays them."""
    if asked.processes == 1 or asked.n <= 1:
        yield from map(one, count(asked.seed))
        return
    with multiprocessing.get_context("fork").Pool(asked.processes, initializer=_worker) as pool:
        for first in count(asked.seed, 1000):
            yield from pool.imap(one, range(first, first + 1000), chunksize=2)


def _worker() -> None:
    """Ctrl-C is the parent's to handle; what worlds leave behind is collected between them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()


class Summary:
    """The last line."""

    def __init__(self, first: int) -> None:
        self.first = self.last = first
        self.seeds = self.purchases = self.transfers = self.checks = self.failures = 0
        self.seconds = 0.0
        self.struck: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.last = outcome.scenario.seed
        self.purchases += outcome.purchases
        self.transfers += outcome.transfers
        self.checks += outcome.checks
        self.seconds += outcome.seconds
        self.failures += outcome.broken is not None
        self.struck.update(outcome.struck)

    def line(self) -> str:
        rate = self.purchases / self.seconds if self.seconds else 0.0
        return (
            f"sim: {self.seeds} seeds ({self.first} to {self.last}), {self.purchases} purchases, "
            f"{rate:.0f} purchases per second of one core, {self.transfers} transfers, "
            f"{sum(self.struck.values())} faults of {len(self.struck)} kinds, {self.checks} checks, "
            f"{self.failures} failures"
        )


def report(outcome: Outcome, *, shrunk: bool) -> None:
    """Say what broke, in which world, and how to see it again."""
    seed = outcome.scenario.seed
    print(f"\nseed {seed} fails: {outcome.broken}\n  world: {outcome.scenario.describe()}")
    print(f"  replay: make sim SEED={seed} N=1")
    if shrunk:
        outcome = shrink(outcome)
        print(f"  shrunk: {outcome.scenario.describe()}\n  {outcome.broken}")
        print(f"  replay: make sim SEED={seed} N=1 ARGS='{outcome.scenario.arguments()}'")
    assert outcome.broken is not None
    print("  the last of what happened:")
    print("\n".join(f"    {line}" for line in outcome.broken.trace[-TAIL:]), flush=True)
