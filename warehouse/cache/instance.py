"""DuckDB in memory, to which files are attached. Starting one costs more than most of what is asked of it, so a process
keeps it for the next use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_MOST_IDLE = 2
"""Instances kept. More are used at once where threads work on several homes."""

_SMALL = 8 << 20
"""Bytes up to which one thread does all work as quickly as several, which would have to be started."""

_idle: list[Instance] = []
_of_parents: list[Instance] = []
"""Never closed: their threads are in the process that this one was forked from."""


Settings = dict[str, str | int]


class Instance:
    """A DuckDB of this process. Whoever holds it attaches files and detaches them; times are in UTC."""

    def __init__(self, threads: int | None) -> None:
        import duckdb

        self.connection = duckdb.connect(config={} if threads is None else {"threads": threads})
        self.connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        self.connection.execute("SET GLOBAL TimeZone = 'UTC'")
        self.threads = threads
        self.process = os.getpid()
        self._settings: Settings = {}

    def set(self, settings: Settings) -> None:
        """Use these settings, and DuckDB's own for all others. Raises DuckDB's error where one can't be changed now."""
        for name in self._settings.keys() - settings.keys():
            self.connection.execute(f"RESET {name}")
            del self._settings[name]
        for name, value in settings.items():
            if self._settings.get(name) != value:
                self.connection.execute(f"SET {name} = ?", [value])
                self._settings[name] = value


def take(settings: Settings, *, threads: int | None = None) -> Instance:
    """An instance that nobody else uses until it is given back, with these settings.

    One with as many threads: to start and end threads takes as long as to start DuckDB.
    """
    import duckdb

    for instance in [each for each in _idle if each.threads == threads]:
        if not _withdraw(instance):
            continue
        if instance.process != os.getpid():
            _of_parents.append(instance)
            continue
        try:
            instance.set(settings)
        except duckdb.Error:
            instance.connection.close()
        else:
            return instance
    instance = Instance(threads)
    instance.set(settings)
    return instance


def threads_for(*files: Path) -> int | None:
    """The threads that pay for work on these files; None for as many as there are cores."""
    return 1 if sum(path.stat().st_size for path in files if path.exists()) <= _SMALL else None


def give_back(instance: Instance) -> None:
    """Keep it for the next use, with nothing attached and no cursor open."""
    _idle.append(instance)
    for oldest in _idle[:-_MOST_IDLE]:
        if _withdraw(oldest):
            oldest.connection.close()


def _withdraw(instance: Instance) -> bool:
    """Take it from those that are kept; False when another thread did so first. No lock: it could be held in a fork."""
    try:
        _idle.remove(instance)
    except ValueError:
        return False
    return True


@contextmanager
def in_memory(*files: Path, settings: Settings | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of one's own, with nothing attached; what is attached over it is detached at the end.

    `files` are those that it is for: small ones are read by one thread. Temporary tables and views, registered objects
    and session settings end with it.
    """
    import duckdb

    instance = take(settings or {}, threads=threads_for(*files))
    con = instance.connection.cursor()
    try:
        yield con
    finally:
        con.close()
        try:
            attached = "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND database_name <> 'memory'"
            for (name,) in instance.connection.execute(attached).fetchall():
                instance.connection.execute(f'DETACH "{name}"')
            give_back(instance)
        except duckdb.Error:
            instance.connection.close()
