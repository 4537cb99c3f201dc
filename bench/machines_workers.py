"""Paid calls per second of three workers against one: processes of their own, one wallet, one ledger on PostgreSQL.

`python -m bench.machines_workers LEDGER SELLER FIRST` is a worker: it says when it is ready, and buys once told to.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.payer_claims import StandInDesk
from bench.payer_stand_in import stand_in
from bench.rows import Row
from payer.ledger import Ledger
from tests.cluster.servers import Postgres

WORKERS, CALLS, AT_ONCE, TURNS = 3, 40, 4, 3
SELLER_SECONDS = 0.5


def rows() -> Iterator[Row]:
    """Calls per second, from the quotes to the last body in the ledger."""
    with Postgres() as postgres, stand_in() as seller:
        with Ledger.open(postgres.url()):
            """Its tables are there before the first worker asks."""
        one, three = [], []
        for turn in range(TURNS):
            one.append(_calls_per_second(postgres.url(), seller, 1, turn * 2))
            three.append(_calls_per_second(postgres.url(), seller, WORKERS, turn * 2 + 1))
    alone, together = statistics.median(one), statistics.median(three)
    yield Row(
        f"paid calls a second, {WORKERS} workers against one: a call's time",
        f"{together:.1f} a second",
        f"{alone:.1f} a second by one",
        alone / together,
        1 / 2.5,
        f"{together / alone:.2f} times as many; a seller that takes 500 ms, {AT_ONCE} calls at once",
    )


def _calls_per_second(ledger: str, seller: str, workers: int, turn: int) -> float:
    command = [sys.executable, "-m", "bench.machines_workers", ledger, seller]
    firsts = [(turn * WORKERS + number) * 1_000 for number in range(workers)]
    running = [
        subprocess.Popen([*command, str(first)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for first in firsts
    ]
    for worker in running:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for worker in running:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in running:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "done\n"
    took = time.perf_counter() - began
    for worker in running:
        worker.communicate()
    return workers * CALLS / took


async def _work(ledger_url: str, seller: str, first: int) -> None:
    with Ledger.open(ledger_url) as ledger:
        desk = StandInDesk(ledger, seller, first)
        async with desk.transport:
            await desk.buy(desk.pieces(2), 1)
            print("ready", flush=True)
            sys.stdin.readline()
            await desk.buy(desk.pieces(CALLS, SELLER_SECONDS), AT_ONCE)
            print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
