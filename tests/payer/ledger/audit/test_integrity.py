"""A ledger that a process did not close is compared before anything is signed; a mismatch stops every signature."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from payer.ledger import Ledger
from payer.ledger.audit import compare, integrity
from payer.ledger.audit.compare import Mismatch
from payer.ledger.audit.integrity import has_ended
from payer.ledger.backup import backup, restore
from payer.ledger.owners import new_owner
from payer.values.errors import LedgerDamaged, LedgerUnavailable
from payer.values.events import Answered, Sent
from tests.payer import purchases as p
from tests.payer.purchases import bought

HOLDS = 'UPDATE committed SET "atoms" = '

CHANGES = {
    "a cap's bucket": (f"{HOLDS}'0' WHERE scope = 'month'", "caps: month 2026-11 counts 0"),
    "a bucket that is gone": ("DELETE FROM committed WHERE scope = 'day'", "caps: day 2026-11-22 counts 0"),
    "a bucket that is no number": (f"{HOLDS}'x' WHERE scope = 'run'", "run run-0 counts x"),
    "a purchase's amount": ("UPDATE purchases SET committed = '1'", "committed is 1, its events fold to 20000"),
    "an amount that is no number": ("UPDATE purchases SET committed = 'x'", "committed is x"),
    "money that is said to be void": ("UPDATE purchases SET money = 'void', is_open = {false}", "money is void"),
    "a loss that is hidden": ("UPDATE purchases SET undelivered = {true}", "undelivered is"),
    "a row that is gone": ("DELETE FROM purchases", "it has events and no row in the projection"),
    "an event that is gone": ("DELETE FROM events WHERE kind = 'signed'", "its events can't be folded"),
    "a document of rubbish": ("UPDATE purchases SET doc = {rubbish}", "its document in the projection can't be read"),
}


def change(ledger: Ledger, statement: str) -> None:
    on_sqlite = ledger._engine.dialect.name == "sqlite"
    values = {"true": "1", "false": "0", "rubbish": "x'00'"} if on_sqlite else {}
    values = values or {"true": "true", "false": "false", "rubbish": "'\\x00'::bytea"}
    with ledger._engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.execute(sa.text(statement.format(**values)))


def die_while_writing(url: str, number: int) -> None:
    """Buy in a child process that is killed before it closes the ledger."""

    def work() -> None:
        bought(Ledger.open(url), number)
        os.kill(os.getpid(), signal.SIGKILL)

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL


@pytest.fixture
def folds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often a whole ledger was folded again."""
    counted: list[int] = []
    real = compare.mismatches

    def counting(engine: sa.Engine) -> list[Mismatch]:
        counted.append(1)
        return real(engine)

    monkeypatch.setattr(integrity, "mismatches", counting)
    return counted


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_behind_the_ledgers_back_is_named(ledger: Ledger, name: str) -> None:
    bought(ledger)
    assert ledger.verify_projection() == []
    statement, words = CHANGES[name]
    change(ledger, statement)
    found = ledger.verify_projection()
    assert any(words in each.detail for each in found), found


@pytest.mark.parametrize("name", ["a cap's bucket", "a purchase's amount"])
def test_after_a_crash_a_mismatch_is_named_and_nothing_is_signed(ledger_url: str, name: str) -> None:
    die_while_writing(ledger_url, 0)
    with Ledger.open(ledger_url) as ledger:
        change(ledger, CHANGES[name][0])
        [purchase] = ledger.purchases()
        signatures: list[Callable[[], object]] = [
            lambda: ledger.reserve(p.run(), [p.wanted(1)], p.CAPS, p.LEASE),
            lambda: ledger.append(purchase, p.signed(purchase), Sent(at=p.NOW)),
            lambda: ledger.append(purchase, Sent(at=p.NOW)),
            ledger.require_intact,
        ]
        for sign in signatures:
            with pytest.raises(LedgerDamaged, match="the ledger is not what its events say") as raised:
                sign()
        assert (purchase.purchase_id if "purchase" in name else "month") in raised.value.what
        assert len(ledger.purchases()) == 1


def test_a_mismatch_stops_the_next_process_too_until_it_is_gone(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        bought(ledger)
        change(ledger, f"{HOLDS}'1' WHERE scope = 'day'")
        assert ledger.verify_projection() != []
    for _ in range(2):
        with Ledger.open(ledger_url) as ledger, pytest.raises(LedgerDamaged):
            ledger.reserve(p.run(), [p.wanted(1)], p.CAPS, p.LEASE)
    with Ledger.open(ledger_url) as ledger:
        change(ledger, f"{HOLDS}'20000' WHERE scope = 'day'")
        bought(ledger, 1)


def test_a_ledger_that_was_closed_is_not_folded_again(ledger_url: str, folds: list[int]) -> None:
    for number in range(3):
        with Ledger.open(ledger_url) as ledger:
            bought(ledger, number)
    with Ledger.open(ledger_url) as ledger, ledger._engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM writers")).scalar() == 0
    assert folds == []


def test_one_process_folds_it_again_after_a_crash_and_the_next_does_not(ledger_url: str, folds: list[int]) -> None:
    die_while_writing(ledger_url, 0)
    for number in (1, 2):
        with Ledger.open(ledger_url) as ledger:
            bought(ledger, number)
    assert folds == [1]


def test_a_process_that_still_runs_has_not_crashed(ledger_url: str, folds: list[int]) -> None:
    with Ledger.open(ledger_url) as first, Ledger.open(ledger_url) as second:
        bought(first, 1)
        bought(second, 2)
    assert folds == []


def test_one_that_dies_while_it_only_recovers_counts_as_a_crash(ledger_url: str, folds: list[int]) -> None:
    """It booked an answer: no signature, and a write all the same."""
    with Ledger.open(ledger_url) as ledger:
        [held] = ledger.reserve(p.run(), [p.wanted()], p.CAPS, p.LEASE)

    def book() -> None:
        Ledger.open(ledger_url).append(held, Answered(at=p.NOW, status=500, elapsed_ms=1))
        os.kill(os.getpid(), signal.SIGKILL)

    child = multiprocessing.get_context("fork").Process(target=book)
    child.start()
    child.join(60)
    with Ledger.open(ledger_url) as ledger:
        ledger.require_intact()
    assert folds == [1]


def test_a_restored_ledger_is_compared_before_it_signs(ledger_url: str, tmp_path: Path, folds: list[int]) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/old.db") as old:
        bought(old)
    backup(f"sqlite:///{tmp_path}/old.db", tmp_path / "copy.db")
    restore(tmp_path / "copy.db", ledger_url)
    with Ledger.open(ledger_url) as ledger:
        bought(ledger, 1)
        bought(ledger, 2)
    assert folds == [1]


def test_a_registration_is_renewed_once_a_minute(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of another machine that writes is known to run."""
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    bought(ledger, 1)
    change(ledger, "DELETE FROM writers")
    bought(ledger, 2)
    query = sa.text("SELECT count(*) FROM writers")
    with ledger._engine.connect() as connection:
        assert connection.execute(query).scalar() == 0
    now += integrity.RENEW_SECONDS
    bought(ledger, 3)
    with ledger._engine.connect() as connection:
        assert connection.execute(query).scalar() == 1


@pytest.mark.parametrize(
    ("owner", "silent", "on_sqlite", "ended"),
    [
        (new_owner(), timedelta(hours=23), True, False),
        (new_owner(), timedelta(hours=25), True, True),
        (new_owner().replace(f":{os.getpid()}:", ":999999999:"), timedelta(0), False, True),
        ("another:1:aa", timedelta(0), True, True),
        ("another:1:aa", timedelta(minutes=2), False, False),
        ("another:1:aa", timedelta(minutes=4), False, True),
        (integrity.UNVERIFIED, timedelta(days=9999), False, True),
    ],
    ids=["alive", "alive-a-day-ago", "gone", "elsewhere-sqlite", "elsewhere", "elsewhere-silent", "unverified"],
)
def test_which_registered_processes_count_as_ended(owner: str, silent: timedelta, on_sqlite: bool, ended: bool) -> None:
    assert has_ended(owner, silent, on_sqlite=on_sqlite) is ended


def test_many_purchases_are_read_in_pages(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payer.ledger.audit.compare._PAGE", 3)
    ids = [bought(ledger, number) for number in range(8)]
    assert ledger.verify_projection() == []
    for gone in (min(ids), max(ids)):
        change(ledger, f"DELETE FROM purchases WHERE purchase_id = '{gone}'")
    found = [each.purchase_id for each in ledger.verify_projection() if each.purchase_id]
    assert sorted(found) == [min(ids), max(ids)]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE purchases SET doc = {rubbish}", "a purchase in the ledger can't be read"),
        (f"{HOLDS}'x'", "an amount in the ledger is no number"),
        ("UPDATE events SET doc = {rubbish}", "an event in the ledger can't be read"),
        ("UPDATE events SET kind = 'unheard'", "of a kind that nothing writes: unheard"),
    ],
)
def test_what_cannot_be_read_is_damage_in_plain_words_wherever_it_is_met(
    ledger: Ledger, statement: str, words: str
) -> None:
    purchase_id = bought(ledger)
    change(ledger, statement)
    with pytest.raises(LedgerDamaged) as raised:
        (ledger.purchases(), ledger.committed(p.USDC), ledger.events(purchase_id))
    assert words in raised.value.what


def test_a_mismatch_is_named_although_it_can_not_be_remembered(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk that is read only."""

    def refused(*_: object) -> None:
        raise LedgerUnavailable("the ledger can't be written: attempt to write a readonly database")

    bought(ledger)
    change(ledger, CHANGES["a cap's bucket"][0])
    monkeypatch.setattr(integrity.Writers, "_write", refused)
    assert ledger.verify_projection() != []
    with pytest.raises(LedgerDamaged):
        ledger.require_intact()
