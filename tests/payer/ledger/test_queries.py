"""Statements that run at every paid call find their rows by an index."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from payer.ledger import Ledger
from payer.ledger.database import queries, schema
from payer.ledger.database.statements import Statement


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (queries.IN_DOUBT, "purchases_against_limit (seller=? AND asset=?)"),
        (queries.LOSSES, "purchases_against_limit (seller=? AND asset=?)"),
        (queries.FAILURES, "purchases_against_limit (seller=? AND asset=?)"),
        (queries.UNDELIVERED, "SCAN purchases USING INDEX purchases_against_limit"),
        (queries.FAILED, "SCAN purchases USING INDEX purchases_against_limit"),
        (queries.OPEN, "SCAN purchases USING INDEX purchases_open"),
        (queries.OPEN_OF_FLOW, "purchases_open (flow=?)"),
        (queries.BY_NONCE, "purchases_nonce (nonce=?)"),
        (queries.GENERATIONS, "sqlite_autoindex_purchases_2 (purchase_key=?)"),
        (queries.PAID_ON_CHAIN, "paid_on_chain_at (wallet=? AND asset=? AND at>? AND at<?)"),
        (queries.FREEZES, "sqlite_autoindex_freezes_1 (seller=?)"),
        (queries.VERSION, "sqlite_autoindex_purchases_1 (purchase_id=?)"),
    ],
)
def test_a_statement_of_the_daily_work_goes_by_the_index_made_for_it(
    tmp_path: Path, statement: Statement, index: str
) -> None:
    assert index in plan_of(statement, tmp_path)[0]


def test_whether_a_signature_may_be_refused_is_found_without_reading_a_table(tmp_path: Path) -> None:
    steps = [step for step in plan_of(queries.MAY_BE_REFUSED, tmp_path) if "SUBQUERY" not in step]
    assert steps.pop(0) == "SCAN CONSTANT ROW"
    assert len(steps) == 3
    assert all(step.startswith("SEARCH ") and " USING INDEX " in step for step in steps)


def test_changes_are_read_along_the_events_key(tmp_path: Path) -> None:
    events, purchases = schema.events, schema.purchases
    newest = queries.with_newest_event(purchases.c.doc).order_by(events.c.seq.desc()).limit(9)
    later = queries.with_newest_event(events.c.seq).where(events.c.seq > 9).order_by(events.c.seq)
    lookup = "SEARCH purchases USING INDEX sqlite_autoindex_purchases_1 (purchase_id=?)"
    assert plan_of(Statement(newest), tmp_path) == ["SCAN events", lookup]
    assert plan_of(Statement(later), tmp_path) == ["SEARCH events USING INTEGER PRIMARY KEY (rowid>?)", lookup]


def plan_of(statement: Statement, folder: Path) -> list[str]:
    """The steps in which SQLite finds a statement's rows in a new ledger."""
    url = f"sqlite:///{folder}/ledger.db"
    Ledger.open(url).close()
    engine = sa.create_engine(url)
    text = statement.on(engine.dialect).text
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", ("?",) * text.count("?")).fetchall()
    engine.dispose()
    return [str(step[-1]) for step in plan]
