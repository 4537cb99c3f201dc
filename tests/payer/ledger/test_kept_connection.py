"""The connection that a ledger on a SQLite file keeps for its transactions, one at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from payer.ledger import Ledger
from payer.ledger.database import queries
from payer.ledger.database.statements import transaction
from payer.values.errors import LedgerUnavailable
from tests.payer import purchases as p


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger on a file, whose connection was used before."""
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger.reserve(p.run(), [p.wanted()], p.CAPS, p.LEASE)
        yield ledger


def test_two_threads_have_a_transaction_at_once_and_each_reads_what_is_committed(kept: Ledger) -> None:
    found: list[int] = []
    with transaction(kept._engine, write=True) as txn:
        txn.run(queries.ADD_RUN, run_id="open", flow="f", started_at=p.NOW, doc=b"{}")
        reader = threading.Thread(target=lambda: found.append(len(kept.open_purchases())))
        reader.start()
        reader.join(30)
        assert found == [1]


def test_a_connection_that_breaks_is_used_no_more(kept: Ledger) -> None:
    with pytest.raises(LedgerUnavailable), transaction(kept._engine, write=True) as txn:
        txn._cursor.connection.close()
    kept.start_run(p.run("run-2"))
    assert len(kept.open_purchases()) == 1


def test_what_was_written_before_an_error_is_not_in_the_next_transaction(kept: Ledger) -> None:

    def written(run_id: str) -> None:
        with transaction(kept._engine, write=True) as txn:
            txn.run(queries.ADD_RUN, run_id=run_id, flow="f", started_at=p.NOW, doc=b"{}")
            txn.run(queries.ADD_RUN, run_id="once", flow="f", started_at=p.NOW, doc=b"{}")

    written("first")
    with pytest.raises(sqlite3.IntegrityError):
        written("second")
    kept.start_run(p.run("second"))


def test_a_ledger_that_is_closed_holds_no_file_open(tmp_path: Path) -> None:
    """SQLite removes its log when the last connection closes."""
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger.start_run(p.run())
        assert (tmp_path / "ledger.db-wal").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.db"]
