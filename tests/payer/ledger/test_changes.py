"""Changes of purchases, read from another process: each newest event once, and no lock held."""

from __future__ import annotations

from datetime import timedelta

from payer.ledger import Ledger
from payer.values.events import Sent
from tests.payer import purchases as p
from tests.payer.ledger.test_avoided import entry


def test_a_purchase_stands_at_the_number_and_time_of_its_newest_event(ledger: Ledger) -> None:
    first, second = p.bought(ledger, 0), p.bought(ledger, 1)
    assert list(ledger.changes.index(0)) == [first, second]
    before = ledger.changes.index(0)[second]
    assert ledger.changes.index(before) == {}
    [held] = [purchase for purchase in ledger.purchases() if purchase.purchase_id == first]
    ledger.append(held, p.Settled(at=p.NOW + timedelta(minutes=5), settlement=p.settlement()))
    assert list(ledger.changes.index(before)) == [first]
    [change] = ledger.changes.of([first])
    assert (change.kind, change.at, change.seq) == ("settled", p.NOW + timedelta(minutes=5), ledger.last_seq())
    assert change.purchase.settlement == p.settlement()
    assert [one.purchase.purchase_id for one in ledger.changes.newest(1)] == [first]
    assert [one.purchase.purchase_id for one in ledger.changes.newest(9)] == [second, first]
    assert [one.purchase.purchase_id for one in ledger.changes.since(p.NOW + timedelta(minutes=1))] == [first]


def test_avoided_calls_are_found_by_their_numbers(ledger: Ledger) -> None:
    ledger.note_avoided([entry("GET x"), entry("GET y")], p.run())
    [x, y] = ledger.changes.avoided_index(0)
    assert ledger.changes.avoided_index(x) == [y]
    assert [row.request for row in ledger.changes.avoided([y])] == ["GET y"]
    assert [row.request for row in ledger.changes.avoided_newest(1)] == ["GET y"]


def test_flows_are_those_that_ran(ledger: Ledger) -> None:
    for name in ("signals", "grades", "grades"):
        ledger.start_run(p.run(f"{name}-{ledger.changes.flows()}", flow=name))
    assert ledger.changes.flows() == ["grades", "signals"]


def test_another_process_writes_while_changes_are_read(ledger: Ledger, ledger_url: str) -> None:
    [intended] = ledger.reserve(p.run(), [p.wanted()], p.CAPS, p.LEASE)
    with Ledger.open(ledger_url) as other:
        assert [change.kind for change in other.changes.newest(1)] == ["intent"]
        ledger.append(intended, p.signed(intended), Sent(at=p.NOW))
        assert [change.kind for change in other.changes.newest(1)] == ["sent"]
