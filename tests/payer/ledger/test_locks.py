"""PostgreSQL: in which order locks are taken, and what two processes do that write the same at the same moment."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from payer.ledger import Ledger
from payer.ledger.append import Body
from payer.ledger.database import rows
from payer.values.events import Answered, Void
from payer.values.purchase import Money, Purchase
from tests.payer import purchases as p
from tests.stores import new_ledger_url

SETTINGS = ("synchronous_commit", "transaction_isolation", "default_transaction_read_only")
TURNS = "SELECT pg_advisory_xact_lock(74011, 2)"


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Ledger, psycopg.Connection[Any]]]:
    """A ledger, and a connection beside it that plays the other process."""
    url = new_ledger_url(request, "postgresql", tmp_path)
    with Ledger.open(url) as ledger, psycopg.connect(url) as beside:
        yield ledger, beside


def reserved(ledger: Ledger, number: int) -> Purchase:
    [purchase] = ledger.reserve(p.run(), [p.wanted(number)], p.CAPS, p.LEASE)
    return purchase


def wait_for(beside: psycopg.Connection[Any], waiting: int) -> None:
    """Until so many others wait for a lock."""
    for _ in range(500):
        with psycopg.connect(beside.info.dsn, autocommit=True) as watcher:
            [(count,)] = watcher.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchall()
        if count >= waiting:
            return
        threading.Event().wait(0.01)
    raise TimeoutError("nobody waits")


@pytest.mark.parametrize("many", [False, True], ids=["append", "append_all"])
def test_a_writer_that_waits_for_its_turn_at_the_caps_holds_no_purchase(
    store: tuple[Ledger, psycopg.Connection[Any]], many: bool
) -> None:
    """Else two could wait for each other, each for what the other holds."""
    ledger, beside = store
    purchase = reserved(ledger, 1)
    freed = Void(at=p.NOW, reason="never sent")
    beside.execute(TURNS)
    work = (lambda: ledger.append_all([(purchase, [freed])])) if many else (lambda: ledger.append(purchase, freed))
    writer = threading.Thread(target=work)
    writer.start()
    wait_for(beside, 1)
    beside.execute("SELECT 1 FROM purchases WHERE purchase_id = %s FOR UPDATE NOWAIT", [purchase.purchase_id])
    beside.rollback()
    writer.join(10)
    assert ledger.purchases()[0].money is Money.VOID


def test_a_role_with_other_defaults_changes_nothing_that_the_books_rest_on(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """I3, I4: durable at commit, and READ COMMITTED, on every connection."""
    url = new_ledger_url(request, "postgresql", tmp_path)
    role = f"careless_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN SUPERUSER")
        for setting in ("synchronous_commit = off", "default_transaction_isolation = 'repeatable read'"):
            owner.execute(f"ALTER ROLE {role} SET {setting}")
        owner.execute(f"ALTER ROLE {role} SET default_transaction_read_only = on")
    theirs = url.replace("postgres:@", f"{role}:@")
    assert theirs != url
    with psycopg.connect(theirs) as plain:
        assert plain.execute("SHOW synchronous_commit").fetchall() == [("off",)]
    with Ledger.open(theirs) as ledger:
        purchase = reserved(ledger, 1)
        with ledger._engine.connect() as one, ledger._engine.connect() as other:
            for connection in (one, other):
                shown = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in SETTINGS]
                assert shown == ["on", "read committed", "off"]
        assert ledger.append(purchase, Void(at=p.NOW, reason="never sent")).money is Money.VOID


def test_the_same_evidence_kept_by_two_processes_at_once_is_kept_once(
    store: tuple[Ledger, psycopg.Connection[Any]],
) -> None:
    ledger, beside = store
    purchase = reserved(ledger, 1)
    body = Body(secrets.token_bytes(40), "text/plain")
    row = (rows.digest(body.content), body.content_type, rows.compress(body.content))
    beside.execute("INSERT INTO evidence (sha256, content_type, zstd) VALUES (%s, %s, %s)", row)
    answered = Answered(at=p.NOW, status=402, elapsed_ms=1, body_sha256=row[0])
    writer = threading.Thread(target=lambda: ledger.append(purchase, answered, body=body))
    writer.start()
    wait_for(beside, 1)
    beside.commit()
    writer.join(10)
    assert ledger.purchases()[0].last_status == 402
