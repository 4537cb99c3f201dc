"""A `tollbook` child process that gets signals while its payments are on their way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from payer.ledger import Ledger
from payer.values.purchase import Data, Money, Purchase
from tests.cli.process import COMMAND
from tests.paths import ROOT
from tollbook.cli.interruption import SHELL_BASE

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

CALLS = 12
SELLS = ("backfill", "trading-signals", "--from", "2024-01-01", "--to", "2024-12-13", "--tokens", "3375", "--yes")
"""A year in windows of 29 days: twelve calls, eight of them at once."""


@dataclass(frozen=True)
class Stopped:
    """A child's end: its exit code, its words, and its ledger after it."""

    code: int
    out: str
    err: str
    purchases: list[Purchase]

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    def count(self, money: Money, data: Data) -> int:
        return sum(1 for p in self.purchases if (p.money, p.data) == (money, data))

    @property
    def undelivered(self) -> int:
        """Count what was paid, or may have been, without its data."""
        lost = [p for p in self.purchases if p.money in (Money.SPENT, Money.EXPOSED) and p.data is Data.ABSENT]
        return len(lost)


@dataclass
class StoppedRun:
    """Starts the command, waits for its moment, and sends signals."""

    world: World
    buyer: Buyer
    arguments: tuple[str, ...] = SELLS

    def __call__(
        self, moment: Callable[[], bool] | float, *signals: int, pause: float = 0.4, json_document: bool = True
    ) -> Stopped:
        """Run it; `moment` is a condition, or seconds after the first payment has reached the seller."""
        command = [*COMMAND, *self.arguments, *(["--json"] if json_document else [])]
        pipe = subprocess.PIPE
        env = {**os.environ, **self.buyer.env}
        child = subprocess.Popen(command, cwd=ROOT, env=env, stdout=pipe, stderr=pipe, text=True)
        sender = threading.Thread(target=self._send, args=(child, moment, signals, pause))
        sender.start()
        out, err = child.communicate(timeout=250)
        sender.join()
        with Ledger.open(f"sqlite:///{self.buyer.home}/state/ledger.db") as ledger:
            return Stopped(_as_shells_say(child.returncode), out, err, ledger.purchases())

    def slow(self, seconds: float) -> None:
        """Let each paid answer take so long."""
        self.world.faults.add("slow", leg="paid", times=None, seconds=seconds)

    def at_the_seller(self, payments: int) -> Callable[[], bool]:
        return lambda: self.paid >= payments

    @property
    def paid(self) -> int:
        """Count payments that have reached the seller, answered or not."""
        return max((fault.fired for fault in self.world.faults.all() if fault.name == "slow"), default=0)

    def _send(
        self, child: subprocess.Popen[str], moment: Callable[[], bool] | float, signals: tuple[int, ...], pause: float
    ) -> None:
        ready = moment if callable(moment) else self.at_the_seller(1)
        while child.poll() is None and not ready():
            time.sleep(0.01)
        if not callable(moment):
            time.sleep(moment)
        for at, number in enumerate(signals):
            time.sleep(pause if at else 0)
            if child.poll() is None:
                child.send_signal(number)


def _as_shells_say(code: int) -> int:
    """The exit code as a shell has it: a signal that ends an interpreter which has told all ends it by the signal."""
    return code if code >= 0 else SHELL_BASE - code


INTERRUPT, TERMINATE = signal.SIGINT, signal.SIGTERM
