"""Write what is published to a DuckLake catalog (TOLLBOOK_LAKE), for other engines and teams. Buys nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from payer.values.errors import PayerError
from tasks.workspace.workspace import Workspace, in_ledger_thread
from warehouse.errors import LakeError, LakeMisconfigured, LakeTooNew
from warehouse.lake.connect import install, opened, read_address
from warehouse.lake.sync import Synced, Tidied, sync, verify
from warehouse.lake.sync import tidy as tidied_lake


class LakeTrouble(PayerError):
    """Raised when the lake can't be written. Payments, and what is published, have nothing to do with it."""

    money = "none was sent: the lake is written from what is published"
    repeat = "yes: what the lake lacks is written then, in one piece"
    advice = "see docs/deployment.md"
    exit_code = 6


class LakeRefused(LakeTrouble):
    """Raised for a lake that is misconfigured, lacks an extension, or is of a newer version."""

    repeat = "not as it is: it would be the same again"
    exit_code = 2


@dataclass(frozen=True, slots=True)
class LakeReport:
    """One run of the verb. `differs` is None unless every row was compared."""

    address: str
    synced: Synced
    differs: tuple[str, ...] | None = None
    tidied: Tidied | None = None

    @property
    def text(self) -> str:
        """One line for people."""
        changes = self.synced.changes
        if not changes:
            return f"{self.synced.tables} tables, nothing new; snapshot {self.synced.snapshot}"
        rows = sum(change.added for change in changes)
        changed = f"{len(changes)} of {self.synced.tables} tables changed, {rows} rows written"
        return f"{changed}; snapshot {self.synced.snapshot}"


@in_ledger_thread
def write_lake(ws: Workspace, *, thorough: bool = False, tidy: bool = False) -> LakeReport:
    """Write the newest publication to the lake; `thorough` compares each row, `tidy` ends old snapshots and files.

    Raises LakeTrouble and LakeRefused. The lake is as before then.
    """
    with _troubles():
        address = read_address(os.environ)
        with opened(address, ws.home / "published" / "warehouse.duckdb", os.environ) as con:
            synced = sync(con, address, thorough=thorough)
            differs = tuple(verify(con)) if thorough else None
            tidied = tidied_lake(con) if tidy else None
    return LakeReport(address.shown, synced, differs, tidied)


def install_extensions() -> tuple[str, ...]:
    """Install the extensions of DuckDB that the lake needs, from DuckDB's own server. Raises LakeRefused."""
    with _troubles():
        return install(read_address(os.environ))


@contextmanager
def _troubles() -> Iterator[None]:
    """Raise the lake's errors as payer errors."""
    try:
        yield
    except LakeError as error:
        kind = LakeRefused if isinstance(error, (LakeMisconfigured, LakeTooNew)) else LakeTrouble
        raise kind(str(error), advice=error.advice) from error
