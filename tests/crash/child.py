"""A buying process that can be killed: recover, then the orders; everything it needs comes in its job.

Children are forked from a server that has the imports done, so that a fresh process costs milliseconds. Each is a
process of its own, with nothing of an earlier one but what is on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from typing import cast

from payer.payer import Payer
from payer.values.request import Order
from tests import blank_file
from tests.payer.desk import SELLER, Desk, HurriedClock, orders
from tests.prepared_processes import PREPARED

KILLED = -signal.SIGKILL
_PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Job:
    """Purchases for a child process to make; `crash_at` is a crash point, "name" or "name:n".

    `verb` runs once all is bought.
    """

    policy: str
    key: str
    ledger_url: str
    count: int
    first: int = 1
    offset: float = 0.0
    crash_at: str = ""
    verb: str = ""

    @property
    def orders(self) -> list[Order]:
        return orders(self.policy, self.count, first=self.first)

    def dying_at(self, point: str) -> Job:
        return replace(self, crash_at=point)

    def open(self) -> Desk:
        return Desk(self.policy, self.key, self.ledger_url, HurriedClock(lambda: self.offset))


def work(job: Job, together: Barrier | None = None) -> None:
    """Do what a run does, in this process."""
    if job.crash_at:
        os.environ["TOLLBOOK_CRASH_AT"] = job.crash_at
    with job.open() as desk:
        if together is not None:
            together.wait(_PATIENCE_SECONDS)
        desk.work(Payer.recover)
        desk.buy(job.orders)
        match job.verb:
            case "reconcile":
                desk.work(lambda payer: payer.reconcile(desk.policy.asset_for(SELLER)))
            case "accept-loss":
                desk.work(_accept_losses)


async def _accept_losses(payer: Payer) -> None:
    """Accept every loss, once no reorg can undo its payment."""
    while any(purchase.settling for purchase in payer.context.ledger.undelivered()):
        await asyncio.sleep(0.3)
        await payer.recover()
    for purchase in payer.context.ledger.undelivered():
        payer.accept_loss(purchase, "a test")


def command(env: Mapping[str, str], arguments: Sequence[str], crash_at: str) -> None:
    """Do what `tollbook …` does, in this process."""
    from tollbook.cli.main import run as tollbook

    blank_file.use()
    os.environ.update({**env, "TOLLBOOK_CRASH_AT": crash_at})
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        sys.exit(tollbook(arguments))


def run_command(env: Mapping[str, str], *arguments: str, crash_at: str) -> int:
    """A command from beginning to end, in a process of its own."""
    process = PREPARED.Process(target=command, args=(dict(env), arguments, crash_at))
    process.start()
    return finish(cast(BaseProcess, process))


def start(job: Job, together: Barrier | None = None) -> BaseProcess:
    """Begin a job in a process of its own."""
    process = PREPARED.Process(target=work, args=(job, together))
    process.start()
    return cast(BaseProcess, process)


def begin(work: Callable[..., object], *arguments: object, crash_at: str = "") -> BaseProcess:
    """Any function of a module in a process of its own; an exception is exit code 1."""
    process = PREPARED.Process(target=_dying_at, args=(crash_at, work, arguments))
    process.start()
    return cast(BaseProcess, process)


def _dying_at(crash_at: str, work: Callable[..., object], arguments: Sequence[object]) -> None:
    if crash_at:
        os.environ["TOLLBOOK_CRASH_AT"] = crash_at
    work(*arguments)


def finish(process: BaseProcess) -> int:
    """Wait for the end of a process; its exit code, or minus the signal that ended it."""
    process.join(_PATIENCE_SECONDS)
    assert process.exitcode is not None, "the process hangs"
    return process.exitcode


def run(job: Job) -> int:
    """A job from beginning to end."""
    return finish(start(job))


def run_together(jobs: Sequence[Job]) -> list[int]:
    """Jobs in processes of their own that begin at the same moment."""
    together = PREPARED.Barrier(len(jobs))
    return [finish(process) for process in [start(job, together) for job in jobs]]
