"""A look at the chain when another process has looked, too."""

from __future__ import annotations

import asyncio

from payer.values.purchase import Money
from tests.payer import scripted as s
from tests.payer.buy.test_buy import RECEIPT, carry, reserved
from tests.payer.buy.test_changed_terms import desk


def test_a_purchase_that_another_process_has_booked_meanwhile_is_returned_as_it_is_now() -> None:
    """I9: a run that got nothing back would say that its money is in doubt, which the ledger knows to be spent."""
    at = desk(s.ScriptedSeller([s.answer(200, payment_response=RECEIPT)]), chain="used")
    bought, _ = carry(at, reserved(at))
    assert bought.money is Money.EXPOSED
    [theirs] = asyncio.run(at.verify([bought]))
    [ours] = asyncio.run(at.verify([bought]))
    assert theirs.money is Money.SPENT
    assert ours == theirs
    assert len(at.context.ledger.events(bought.purchase_id)) == ours.version
