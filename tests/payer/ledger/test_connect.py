"""Opening a ledger: created, upgraded, refused, and by several processes at once."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from payer.ledger import Ledger
from payer.ledger.database.connect import SCHEMA_VERSION, configuration, connect
from payer.ledger.database.schema import metadata
from payer.values.errors import LedgerTooNew, LedgerUnavailable
from tests.payer.purchases import bought

AT_ONCE, ROUNDS = 4, 20


def test_a_reopened_ledger_remembers(ledger: Ledger, ledger_url: str) -> None:
    purchase_id = bought(ledger)
    with Ledger.open(ledger_url) as again:
        assert again.get(purchase_id) == ledger.get(purchase_id)
        assert [d.body for d in again.deliveries()] == [b'{"data":[]}']


def test_a_newer_ledger_is_refused_and_left_alone(ledger_url: str) -> None:
    engine = connect(ledger_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(LedgerTooNew, match=f"schema 9999; this tollbook knows {SCHEMA_VERSION}"):
        Ledger.open(ledger_url)


def test_the_migrations_end_where_the_tables_stand(ledger_url: str) -> None:
    """A changed table without a migration fails here."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    assert ScriptDirectory.from_config(configuration()).get_current_head() == SCHEMA_VERSION
    engine = connect(ledger_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all/ledger.db", "nonsense", "postgresql://127.0.0.1:1/none"])
def test_a_store_that_cannot_be_opened_says_so(url: str) -> None:
    with pytest.raises(LedgerUnavailable, match=r"ledger|TOLLBOOK_LEDGER_URL"):
        Ledger.open(url)


def test_four_processes_creating_the_ledger_at_once_all_succeed(ledger_url: str) -> None:
    context = multiprocessing.get_context("fork")
    openers = [context.Process(target=lambda: Ledger.open(ledger_url).close()) for _ in range(4)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join(60)
    assert [opener.exitcode for opener in openers] == [0] * 4


def test_a_new_ledger_is_begun_by_several_at_the_same_moment(tmp_path: Path) -> None:
    """I6: two flows whose first runs start together. SQLite refuses one of them at once, however patient it is told to
    be, as each waits for the other."""
    together = threading.Barrier(AT_ONCE)

    def begin(number: int) -> list[object]:
        together.wait()
        with Ledger.open(f"sqlite:///{tmp_path}/{number}.db") as ledger:
            return list(ledger.purchases())

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(ROUNDS):
            assert list(pool.map(begin, [number] * AT_ONCE)) == [[]] * AT_ONCE


def test_a_commit_of_a_sqlite_ledger_is_on_the_disk_when_it_returns(tmp_path: Path) -> None:
    """WAL with synchronous=FULL (2): with NORMAL a power failure takes back what was booked before it was sent."""
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger, ledger._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
