"""Caps of one seller by day and month: counted beside those of its asset, in the same transactions (I3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from payer.ledger import Ledger
from payer.ledger.database import connect, schema
from payer.policy.rules import Caps, SellerCaps
from payer.values.errors import OverBudget
from payer.values.events import Sent, Void
from tests.payer import purchases as p
from tests.payer.ledger.older_schema import to_schema_7


def caps(**own: int) -> Mapping[str, Caps]:
    return {"USDC": replace(p.CAPS["USDC"], sellers={"s": SellerCaps(**own)})}


@pytest.mark.parametrize("cap", ["per_day", "per_month"])
def test_each_cap_of_a_seller_stops_a_bill_that_would_cross_it(ledger: Ledger, cap: str) -> None:
    two = caps(**{cap: 2 * p.PRICE})
    ledger.reserve(p.run("one"), [p.wanted(1), p.wanted(2)], two, p.LEASE)
    with pytest.raises(OverBudget, match=rf"sellers\.s\.{cap} is 0\.04 USDC: 0\.04 USDC are committed and 0\.02 USDC"):
        ledger.reserve(p.run("two"), [p.wanted(3)], two, p.LEASE)
    assert ledger.reserve(p.run("three"), [p.wanted(4, seller="other")], two, p.LEASE)
    tomorrow = p.run("four", at=p.NOW + timedelta(days=1 if cap == "per_day" else 30))
    assert ledger.reserve(tomorrow, [p.wanted(5)], two, p.LEASE)


def test_a_dearer_signature_is_counted_and_what_is_void_is_free_again(ledger: Ledger) -> None:
    limits = caps(per_day=2 * p.PRICE)
    first, second = ledger.reserve(p.run(), [p.wanted(1), p.wanted(2)], limits, p.LEASE)
    sent = ledger.append(first, p.signed(first), Sent(at=p.NOW))
    with pytest.raises(OverBudget, match=r"sellers\.s\.per_day"):
        ledger.append(sent, p.signed(sent, p.PRICE + 1), caps=limits)
    ledger.append(second, Void(at=p.NOW, reason="never sent"))
    ledger.append(sent, p.signed(sent, p.PRICE + 1), caps=limits)
    assert ledger.committed(p.USDC)["seller_day", "s/2026-11-22"] == p.PRICE + 1


def test_an_older_ledger_counts_what_its_sellers_got_before(ledger_url: str) -> None:
    """Else the caps of a seller would begin at nothing, and sink below it as older purchases become void."""
    with Ledger.open(ledger_url) as ledger:
        one, two = ledger.reserve(p.run(), [p.wanted(1), p.wanted(2, seller="other")], p.CAPS, p.LEASE)
        before = ledger.committed(p.USDC)
    engine = connect.engine_for(ledger_url)
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.execute(sa.delete(schema.committed).where(schema.committed.c.scope.like("seller%")))
        for later in (schema.freezes, schema.paid_on_chain, schema.spend_scans, schema.publications, schema.paces):
            later.drop(connection)
        to_schema_7(connection)
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0004'"))
    engine.dispose()
    with Ledger.open(ledger_url) as ledger:
        assert ledger.committed(p.USDC) == before
        assert before["seller_month", "other/2026-11"] == two.committed > 0
        ledger.append(one, Void(at=p.NOW, reason="never sent"))
        assert ledger.committed(p.USDC)["seller_day", "s/2026-11-22"] == 0
