"""Notice that a SQLite ledger's file was deleted or replaced while it is open: what is written then goes nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from payer.values.errors import LedgerReplaced

_watched: WeakKeyDictionary[sa.Engine, Callable[..., None]] = WeakKeyDictionary()


def watch(engine: sa.Engine) -> None:
    """Compare device and inode of the ledger's path, at each use of a connection, with those it was opened with.

    Raises LedgerReplaced from then on. A stat costs two microseconds; a commit without it would succeed in a file that
    no longer has a name.
    """
    path = engine.url.database
    if not path or path == ":memory:" or path.startswith("file:"):
        return
    opened: list[tuple[int, int]] = []

    def connected(_connection: Any, _record: object) -> None:
        if not opened:
            opened.append(_identity(path))

    def used(*_details: object) -> None:
        if opened and _identity(path) != opened[0]:
            raise LedgerReplaced(f"the ledger {path} was replaced by another file while it was open")

    sa.event.listen(engine, "do_connect", used)
    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "checkout", used)
    _watched[engine] = used


def is_watched(engine: sa.Engine) -> bool:
    """True for an engine on a SQLite file."""
    return engine in _watched


def check(engine: sa.Engine) -> None:
    """Compare now, for a connection that is not taken from the pool for each use. Raises LedgerReplaced."""
    _watched[engine]()


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise LedgerReplaced(f"the ledger {path} was deleted while it was open") from None
    return status.st_dev, status.st_ino
