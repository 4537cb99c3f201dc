"""The books on both stores: reservations inside caps, appends that notice each other, what others read."""

from __future__ import annotations

import multiprocessing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from payer.ledger import Conflict, Ledger
from payer.ledger.append import Body
from payer.ledger.database.connect import SCHEMA_VERSION, connect
from payer.ledger.database.migrate import configuration
from payer.ledger.database.rows import is_open
from payer.ledger.database.schema import bodies, evidence, metadata
from payer.policy.rules import Caps
from payer.values.errors import ConflictingRequest, LedgerTooNew, LedgerUnavailable, OverBudget
from payer.values.events import Answered, LossAccepted, Sent, Settled, Undelivered, Void
from payer.values.purchase import Data, Money
from payer.values.terms import Quote
from tests.payer import purchases as p

DAY = ("day", "2026-11-22")
BIG = {"USDC": Caps(*[10**12] * 5)}


def bought(ledger: Ledger, number: int = 0, body: bytes = b'{"data":[]}') -> str:
    """Reserve, sign, send and deliver one piece; its id."""
    [reserved] = ledger.reserve(p.run(f"run-{number}"), [p.wanted(number)], p.CAPS, p.LEASE)
    sent = ledger.append(reserved, p.signed(reserved), Sent(at=p.NOW))
    answered = Answered(at=p.NOW, status=200, elapsed_ms=41)
    return ledger.append(sent, answered, p.delivered(body=body), body=Body(body, "application/json")).purchase_id


def test_the_projection_is_the_fold_of_the_events(ledger: Ledger) -> None:
    purchase_id = bought(ledger)
    stored = ledger.get(purchase_id)
    assert stored is not None
    assert [type(e).__name__ for e in ledger.events(purchase_id)] == [
        "Intent",
        "Signed",
        "Sent",
        "Answered",
        "Delivered",
    ]
    refolded = p.after(p.blank(), *ledger.events(purchase_id))
    assert (refolded.money, refolded.data, refolded.committed) == (stored.money, stored.data, stored.committed)


def test_a_delivered_body_is_kept_once(ledger: Ledger) -> None:
    """As the delivery; evidence is for answers that delivered nothing."""
    bought(ledger)
    with ledger._engine.connect() as connection:
        kept = {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
            for table in (bodies, evidence)
        }
    assert kept == {"bodies": 1, "evidence": 0}


def test_a_reopened_ledger_remembers(ledger: Ledger, ledger_url: str) -> None:
    purchase_id = bought(ledger)
    with Ledger.open(ledger_url) as again:
        assert again.get(purchase_id) == ledger.get(purchase_id)
        assert [d.body for d in again.deliveries()] == [b'{"data":[]}']


def test_reserving_counts_in_every_cap_and_voiding_gives_it_back(ledger: Ledger) -> None:
    """I3."""
    [first, second] = ledger.reserve(p.run(), [p.wanted(1), p.wanted(2)], p.CAPS, p.LEASE)
    assert set(ledger.committed(p.USDC).values()) == {2 * p.PRICE}
    ledger.append(first, Void(at=p.NOW, reason="never sent"))
    assert set(ledger.committed(p.USDC).values()) == {p.PRICE}
    assert second.committed == p.PRICE


@pytest.mark.parametrize("cap", ["per_run", "per_flow_day", "per_day", "per_month"])
def test_one_atom_over_a_cap_reserves_nothing_and_names_the_cap(ledger: Ledger, cap: str) -> None:
    """I3: all or none."""
    limits = dict.fromkeys(("per_call", "per_run", "per_flow_day", "per_day", "per_month"), 10**9)
    caps = {"USDC": Caps(**{**limits, cap: 3 * p.PRICE - 1})}
    with pytest.raises(OverBudget, match=rf"caps\.USDC\.{cap} is 0\.059999 USDC: 0 USDC are committed and 0\.06 USDC"):
        ledger.reserve(p.run(), [p.wanted(n) for n in range(3)], caps, p.LEASE)
    assert ledger.open_purchases() == []
    assert set(ledger.committed(p.USDC).values()) <= {0}
    assert len(ledger.reserve(p.run(), [p.wanted(n) for n in range(2)], caps, p.LEASE)) == 2


def test_a_call_dearer_than_its_cap_is_refused(ledger: Ledger) -> None:
    caps = {"USDC": Caps(p.PRICE - 1, 10**9, 10**9, 10**9, 10**9)}
    with pytest.raises(OverBudget, match=r"tm-grade: caps\.USDC\.per_call is 0\.019999 USDC"):
        ledger.reserve(p.run(), [p.wanted()], caps, p.LEASE)


def test_the_callers_own_budget_is_a_cap_too(ledger: Ledger) -> None:
    with pytest.raises(OverBudget, match=r"--max-cost is 0\.03 USDC"):
        ledger.reserve(p.run(budget=30_000), [p.wanted(1), p.wanted(2)], p.CAPS, p.LEASE)


def test_a_dearer_signature_is_checked_against_the_caps(ledger: Ledger) -> None:
    """I3: a price that moved after sending is signed again only inside the caps."""
    caps = {"USDC": Caps(100_000, p.PRICE + 10, 10**9, 10**9, 10**9)}
    [reserved] = ledger.reserve(p.run(), [p.wanted()], caps, p.LEASE)
    sent = ledger.append(reserved, p.signed(reserved), Sent(at=p.NOW))
    with pytest.raises(OverBudget):
        ledger.append(sent, p.signed(sent, p.PRICE + 11), caps=caps)
    assert ledger.get(sent.purchase_id) == sent
    assert ledger.append(sent, p.signed(sent, p.PRICE + 10), caps=caps).committed == p.PRICE + 10


def test_amounts_beyond_64_bits_are_counted_exactly(ledger: Ledger) -> None:
    huge = 123_456_789 * 10**18 + 1
    caps = {"USDC": Caps(10**30, 10**30, 10**30, 10**30, 10**30)}
    ledger.reserve(p.run(), [p.wanted(1, huge), p.wanted(2, huge)], caps, p.LEASE)
    assert ledger.committed(p.USDC)[DAY] == 2 * huge


def test_wanting_a_held_piece_again_reserves_nothing(ledger: Ledger) -> None:
    """I1: the same request in the same edition is the same purchase, in any later run."""
    purchase_id = bought(ledger)
    [again] = ledger.reserve(p.run("later"), [p.wanted(0)], p.CAPS, p.LEASE)
    assert (again.purchase_id, again.data) == (purchase_id, Data.DELIVERED)
    assert ledger.committed(p.USDC)[DAY] == p.PRICE


def test_a_void_piece_wanted_again_counts_for_the_new_run(ledger: Ledger) -> None:
    [first] = ledger.reserve(p.run("one"), [p.wanted()], p.CAPS, p.LEASE)
    ledger.append(first, Void(at=p.NOW, reason="never sent"))
    tomorrow = p.run("two", at=p.NOW + timedelta(days=1))
    [again] = ledger.reserve(tomorrow, [p.wanted()], p.CAPS, p.LEASE)
    assert (again.purchase_id, again.money, again.run.run_id) == (first.purchase_id, Money.RESERVED, "two")
    assert {bucket: atoms for bucket, atoms in ledger.committed(p.USDC).items() if atoms} == {
        ("run", "two"): p.PRICE,
        ("flow_day", "grades/2026-11-23"): p.PRICE,
        ("day", "2026-11-23"): p.PRICE,
        ("month", "2026-11"): p.PRICE,
    }


def test_an_undelivered_piece_is_bought_again_only_on_a_persons_word(ledger: Ledger) -> None:
    """I2."""
    [p0] = ledger.reserve(p.run("one"), [p.wanted()], p.CAPS, p.LEASE)
    lost = ledger.append(p0, p.signed(p0), Sent(at=p.NOW))
    lost = ledger.append(lost, Settled(at=p.NOW, settlement=p.settlement()), Undelivered(at=p.NOW, reason="no"))
    [same] = ledger.reserve(p.run("two"), [p.wanted()], p.CAPS, p.LEASE)
    assert (same.generation, same.undelivered) == (0, True)
    ledger.append(lost, LossAccepted(at=p.NOW, by="a person"))
    [anew] = ledger.reserve(p.run("three"), [p.wanted()], p.CAPS, p.LEASE)
    assert (anew.generation, anew.money) == (1, Money.RESERVED)
    assert anew.nonce != lost.nonce
    assert ledger.committed(p.USDC)[DAY] == 2 * p.PRICE


def test_a_seller_that_took_and_never_delivered_is_not_bought_from_past_the_limit(ledger: Ledger) -> None:
    [p0] = ledger.reserve(p.run("one"), [p.wanted()], p.CAPS, p.LEASE)
    lost = ledger.append(p0, p.signed(p0), Sent(at=p.NOW))
    lost = ledger.append(lost, Settled(at=p.NOW, settlement=p.settlement()), Undelivered(at=p.NOW, reason="no"))
    with pytest.raises(OverBudget, match=r"s took 0\.02 USDC and did not deliver"):
        ledger.reserve(p.run("two"), [p.wanted(1)], p.CAPS, p.LEASE, {"s": p.PRICE})
    assert ledger.reserve(p.run("three"), [p.wanted(1)], p.CAPS, p.LEASE, {"s": p.PRICE + 1})
    ledger.append(lost, LossAccepted(at=p.NOW, by="a person"))
    assert ledger.reserve(p.run("four"), [p.wanted(2)], p.CAPS, p.LEASE, {"s": p.PRICE})


def test_an_append_to_a_purchase_that_moved_on_conflicts_and_writes_nothing(ledger: Ledger) -> None:
    [reserved] = ledger.reserve(p.run(), [p.wanted()], p.CAPS, p.LEASE)
    ledger.append(reserved, p.signed(reserved), Sent(at=p.NOW))
    before = ledger.last_seq()
    with pytest.raises(Conflict):
        ledger.append(reserved, Void(at=p.NOW, reason="never sent"))
    assert ledger.last_seq() == before


def test_one_key_with_other_content_is_refused(ledger: Ledger) -> None:
    ledger.reserve(p.run(), [p.wanted(0)], p.CAPS, p.LEASE)
    with pytest.raises(ConflictingRequest):
        ledger.reserve(p.run(), [p.wanted(0, dataset="another")], p.CAPS, p.LEASE)


def test_a_delivery_is_readable_with_its_request_and_context(ledger: Ledger) -> None:
    """I4: the body as it arrived, byte for byte, before anything parsed it."""
    garbage = b"\x00<html>" * 1000
    [reserved] = ledger.reserve(p.run(), [p.wanted(context={"keys": ["3375"], "first": 1})], p.CAPS, p.LEASE)
    sent = ledger.append(reserved, p.signed(reserved), Sent(at=p.NOW))
    ledger.append(sent, p.delivered(body=garbage), body=Body(garbage, "text/html"))
    [delivery] = ledger.deliveries()
    assert (delivery.body, delivery.request, dict(delivery.context)) == (
        garbage,
        reserved.order.request,
        {"keys": ["3375"], "first": 1},
    )
    assert ledger.delivery_index() == [(delivery.seq, delivery.purchase_id)]
    assert ledger.delivery_index(after=delivery.seq) == []


def test_cost_rows_carry_every_purchase_once_and_only_what_changed_since(ledger: Ledger) -> None:
    """I5."""
    ids = [bought(ledger, number) for number in range(3)]
    rows = list(ledger.cost_rows())
    assert sorted(row.purchase_id for row in rows) == sorted(ids)
    assert {(row.money, row.amount_atomic, row.latency_ms, row.attempts) for row in rows} == {
        ("exposed", p.PRICE, 41, 1)
    }
    mark = ledger.last_seq()
    one = ledger.get(ids[1])
    assert one is not None
    ledger.append(one, Settled(at=p.NOW, settlement=p.settlement()))
    [changed] = ledger.cost_rows(changed_after=mark)
    assert (changed.purchase_id, changed.money, changed.verified_on_chain) == (ids[1], "spent", True)


def test_avoided_calls_are_kept_with_their_price_then(ledger: Ledger) -> None:
    run = p.run()
    entry = {
        "run_id": run.run_id, "flow": run.flow, "deployment": None, "flow_run_id": None, "reason": "manual",
        "dataset": "tm-grade", "request": "GET x", "edition": "final", "network": "eip155:31337", "asset": "USDC",
        "decimals": 6, "price_atomic": None, "at": p.NOW,
    }  # fmt: skip
    ledger.note_avoided([entry, {**entry, "price_atomic": 10**20}], run)
    assert [row.price_atomic for row in ledger.avoided_rows()] == [None, 10**20]


def test_the_newest_quote_of_an_endpoint_counts(ledger: Ledger) -> None:
    for amount in (1, 2):
        ledger.put_quote(Quote("GET http://h/x", "s", p.terms(amount), p.NOW))
    found = ledger.quote("GET http://h/x", p.USDC)
    assert found is not None
    assert found.terms.amount == 2


def test_the_first_payee_stays_pinned(ledger: Ledger) -> None:
    assert ledger.pin_payee("s", p.USDC, p.PAYEE, p.NOW) == p.PAYEE
    assert ledger.pin_payee("s", p.USDC, p.PAYER, p.NOW) == p.PAYEE


def test_open_purchases_are_those_with_something_left_to_do() -> None:
    states = [p.reserved(), p.exposed(), p.exposed_delivered(), p.spent(), p.spent_delivered(final=False)]
    assert all(is_open(state) for state in states)
    assert not any(is_open(state) for state in (p.spent_delivered(), p.undelivered(), p.void(), p.burned()))


ODD, RISE = 20_011, 2_003
RACE = {"flow_day": 16 * ODD + 17, "day": 25 * ODD + 17, "month": 40 * ODD + 17}
"""Of 20 wanted of a flow on a day 16 fit, of 32 of two flows 25, of 50 on two days 40."""


def _race(url: str, process: int, barrier: object) -> None:
    """Reserve odd prices, and sign every third one dearer over its nonce, as long as anything fits."""
    caps = {"USDC": Caps(10**9, 10**9, RACE["flow_day"], RACE["day"], RACE["month"])}
    with Ledger.open(url) as ledger:
        barrier.wait()  # type: ignore[attr-defined]
        for turn in range(4):
            number = 1000 * process + turn
            run = p.run(f"run-{number}", flow=("grades", "signals")[process % 2], at=p.NOW + timedelta(days=turn % 2))
            try:
                [held] = ledger.reserve(run, [p.wanted(number, ODD)], caps, p.LEASE)
                if number % 3 == 0:
                    sent = ledger.append(held, p.signed(held, ODD), Sent(at=p.NOW))
                    ledger.append(sent, p.signed(held, ODD + RISE), caps=caps)
            except OverBudget:
                continue


def test_twenty_processes_racing_for_the_last_cent_never_cross_a_cap(ledger_url: str) -> None:
    """I3: reservations and dearer signatures, each checked in its own transaction, on both stores."""
    Ledger.open(ledger_url).close()
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(20)
    racers = [context.Process(target=_race, args=(ledger_url, n, barrier)) for n in range(20)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(120)
    assert [racer.exitcode for racer in racers] == [0] * 20
    with Ledger.open(ledger_url) as ledger:
        buckets = ledger.committed(p.USDC)
        assert [(bucket, atoms) for bucket, atoms in buckets.items() if atoms > RACE.get(bucket[0], 10**9)] == []
        month = buckets["month", "2026-11"]
        assert RACE["month"] - ODD < month == sum(purchase.committed for purchase in ledger.purchases())
        assert {purchase.committed for purchase in ledger.purchases()} == {ODD, ODD + RISE}


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


def test_two_processes_creating_the_ledger_at_once_both_succeed(ledger_url: str) -> None:
    context = multiprocessing.get_context("fork")
    openers = [context.Process(target=lambda: Ledger.open(ledger_url).close()) for _ in range(4)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join(60)
    assert [opener.exitcode for opener in openers] == [0] * 4


def test_a_ledger_on_a_full_disk_refuses_before_anything_is_signed(tmp_path: Path) -> None:
    """A reservation that can't be made durable raises; the purchase does not exist."""
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        engine = ledger._engine
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count=60"))
        engine.dispose()

        def fill() -> None:
            for number in range(500):
                ledger.reserve(p.run(f"run-{number}"), [p.wanted(number)], BIG, p.LEASE)

        with pytest.raises(LedgerUnavailable, match="full"):
            fill()
        held = ledger.purchases()
        assert 0 < len(held) < 500
        assert ledger.committed(p.USDC)[DAY] == len(held) * p.PRICE
