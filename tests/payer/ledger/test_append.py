"""Events appended to purchases: folded, checked against caps, and in conflict with other writers."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from payer.ledger import Conflict, Ledger
from payer.ledger.database.schema import bodies, evidence
from payer.policy.rules import Caps
from payer.values.errors import OverBudget
from payer.values.events import LossAccepted, Sent, Settled, Undelivered, Void
from tests.payer import purchases as p
from tests.payer.purchases import bought


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


def test_a_dearer_signature_is_checked_against_the_caps(ledger: Ledger) -> None:
    """I3: a price that moved after sending is signed again only inside the caps."""
    caps = {"USDC": Caps(100_000, p.PRICE + 10, 10**9, 10**9, 10**9)}
    [reserved] = ledger.reserve(p.run(), [p.wanted()], caps, p.LEASE)
    sent = ledger.append(reserved, p.signed(reserved), Sent(at=p.NOW))
    with pytest.raises(OverBudget):
        ledger.append(sent, p.signed(sent, p.PRICE + 11), caps=caps)
    assert ledger.get(sent.purchase_id) == sent
    assert ledger.append(sent, p.signed(sent, p.PRICE + 10), caps=caps).committed == p.PRICE + 10


def test_an_append_to_a_purchase_that_moved_on_conflicts_and_writes_nothing(ledger: Ledger) -> None:
    [reserved] = ledger.reserve(p.run(), [p.wanted()], p.CAPS, p.LEASE)
    ledger.append(reserved, p.signed(reserved), Sent(at=p.NOW))
    before = ledger.last_seq()
    with pytest.raises(Conflict):
        ledger.append(reserved, Void(at=p.NOW, reason="never sent"))
    assert ledger.last_seq() == before


def test_searches_follow_each_event(ledger: Ledger) -> None:
    """An event writes again only what it changes."""
    [reserved] = ledger.reserve(p.run(), [p.wanted()], p.CAPS, p.LEASE)
    sent = ledger.append(reserved, p.signed(reserved), Sent(at=p.NOW))
    spent = ledger.append(sent, Settled(at=p.NOW, settlement=p.settlement()))
    assert ledger.open_purchases() == [spent]
    lost = ledger.append(spent, Undelivered(at=p.NOW, reason="every claim failed"))
    assert (ledger.open_purchases(), ledger.undelivered()) == ([], [lost])
    ledger.append(lost, LossAccepted(at=p.NOW, by="operator"))
    assert (ledger.open_purchases(), ledger.undelivered()) == ([], [])
    assert ledger.verify_projection() == []
