"""A buyer's machine: its ledger, its processes, their clocks; and how a process dies."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from payer.policy.rules import Policy
from payer.stop import StopRequest
from tests.simulation.disk import Store
from tests.simulation.spool import SimSpool

if TYPE_CHECKING:
    from tests.simulation.world import World

PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)
"""Whose code is running. Tasks inherit it; sellers, chain and the checks run without."""


class Crashed(BaseException):
    """The process is gone: nothing it still does has any effect."""


class Process:
    """One run of the program. Every boundary it crosses is a place where it may die. `policy` is its own, if any.

    `heard` is by how much its clock was ahead of the seller's Date at each answer that told one.
    """

    def __init__(self, world: World, machine: Machine, name: str, fuse: int | None, offset: float) -> None:
        self.world = world
        self.machine = machine
        self.name = name
        self.alive = True
        self.offset = offset
        self.policy: Policy | None = None
        self.tasks: list[asyncio.Task[object]] = []
        self.stop = StopRequest()
        self.heard: list[float] = []
        self._fuse = fuse

    def check(self) -> None:
        """Raise Crashed if this process is dead; called after each await."""
        if not self.alive:
            raise Crashed

    def touch(self, where: str) -> None:
        """A boundary: an await, a crash point, a commit. The fuse burns down by one at each."""
        if not self.alive:
            raise Crashed
        if self._fuse is None or self.world.dice.calm:
            return
        self._fuse -= 1
        if self._fuse <= 0:
            self.world.dice.count("crash")
            self.kill(where)
            raise Crashed

    def jump(self, chance: Random) -> None:
        """Its clock is set while it works."""
        self.offset = chance.uniform(-600, 600)
        self.world.trace(self.name, "clock jumps to", f"{self.offset:+.0f}")

    def ask_to_stop(self) -> None:
        """Ctrl-C, SIGTERM or a cancelled flow run."""
        self.world.trace(self.name, "is asked to stop")
        self.stop.request()

    def kill(self, where: str) -> None:
        self.alive = False
        self.world.trace(self.name, "dies at", where)
        self.world.checks.died(self)
        for task in self.tasks:
            task.cancel()


class SimClock:
    """The payer's Clock: virtual time, off by what the process's machine is off."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._time = process.world.loop.time
        self._epoch = datetime.fromtimestamp(process.world.epoch, UTC)

    def now(self) -> datetime:
        return self._epoch + timedelta(seconds=self._time() + self._process.offset)

    async def sleep(self, seconds: float) -> None:
        self._process.touch("sleep")
        await asyncio.sleep(seconds)
        self._process.check()


class Machine:
    """A ledger and the processes that share it. Also the disk's witness."""

    def __init__(self, world: World, name: str, store: Store) -> None:
        self.world = world
        self.name = name
        self.store = store
        self.processes: list[Process] = []
        self.changed = False
        self.spool = SimSpool(lambda: PROCESS.get())
        self.writer: Process | None = None
        self.down_until = self.gone_until = 0.0
        self._backup: bytes | None = None
        store.connection.witness = None
        store.blank()
        store.connection.witness = self

    def start(self, name: str) -> Process:
        """A new process, which may carry a fuse and a wrong clock."""
        dice = self.world.dice
        fuse = None
        if dice.hit("crash"):
            dice.struck["crash"] -= 1
            fuse = dice.of("crash").randint(1, 12 + 4 * self.world.scenario.pieces)
        offset = dice.of("clock").uniform(-600, 600) if dice.hit("clock") else 0.0
        process = Process(self.world, self, f"{self.name}/{name}", fuse, offset)
        self.processes.append(process)
        return process

    def kill_all(self, why: str) -> None:
        for process in self.processes:
            if process.alive:
                process.kill(why)

    def end(self, process: Process) -> None:
        process.alive = False
        self.processes.remove(process)

    def save(self) -> None:
        self._backup = self.store.backup()

    def lose(self, kind: str) -> None:
        """The disk died. What comes back is an earlier backup, or nothing."""
        self.kill_all(kind)
        self.world.trace(self.name, "ledger", kind)
        if kind == "rollback" and self._backup is not None:
            self.store.restore(self._backup)
        else:
            self.store.blank()
            self.spool.clear()
        self.writer = None
        self.changed = self.world.checks.due = True

    @property
    def is_down(self) -> bool:
        """True while no commit of a process succeeds."""
        return self.world.loop.time() < self.down_until and not self.world.dice.calm

    @property
    def is_gone(self) -> bool:
        """True while no process can begin a transaction."""
        return self.world.loop.time() < self.gone_until and not self.world.dice.calm

    def go_down(self, seconds: float) -> None:
        self.world.trace(self.name, "ledger can't be written for", f"{seconds:.0f} s")
        self.down_until = self.world.loop.time() + seconds

    def go_away(self, seconds: float) -> None:
        self.world.trace(self.name, "ledger is gone for", f"{seconds:.0f} s")
        self.gone_until = self.world.loop.time() + seconds

    # ── the disk's witness ───────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        process = PROCESS.get()
        if process is not None:
            process.check()
            if self.is_gone:
                raise sqlite3.OperationalError("the server is gone")

    def before_commit(self) -> None:
        process = PROCESS.get()
        if process is not None:
            process.touch("before commit")
            if self.is_down or self.world.dice.hit("disk_full"):
                raise sqlite3.OperationalError("database or disk is full")

    def after_commit(self) -> None:
        self.changed = self.world.checks.due = True
        self.writer = process = PROCESS.get()
        if process is not None:
            if self.world.dice.hit("disk_unsure"):
                raise sqlite3.OperationalError("disk I/O error")
            process.touch("after commit")


def crash_hook(name: str) -> None:
    """Stands in for payer.values.crashpoints.crash_point."""
    process = PROCESS.get()
    if process is not None:
        process.touch(name)


Hook = Callable[[str], None]
