"""Losses that an operator may accept, one by one and all at once, with what was paid for them."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from payer.ledger import Ledger
from payer.values.events import (
    Answered,
    Delivered,
    DeliveryFailed,
    Event,
    LossAccepted,
    Sent,
    Settled,
    Undelivered,
    Void,
)
from payer.values.purchase import Purchase
from tasks.ops import accept_loss
from tasks.request.model import BadRequest
from tasks.workspace.workspace import Workspace
from tests.payer import purchases as p
from tests.payer.scripted import FakeClock, body
from tests.simulation.disk import Store

FINAL, SETTLING = (Settled(at=p.NOW, settlement=p.settlement(final=final)) for final in (True, False))
NEVER_CAME = Undelivered(at=p.NOW, reason="no")
FAILED = DeliveryFailed(at=p.NOW, reason="malformed: not JSON")
ENDINGS: dict[str, tuple[Event, ...]] = {
    "undelivered": (FINAL, NEVER_CAME),
    "undelivered, not final": (SETTLING, NEVER_CAME),
    "failed": (p.delivered(), FAILED, FINAL),
    "failed, not proved": (p.delivered(), FAILED),
    "failed, not final": (p.delivered(), FAILED, SETTLING),
    "failed, never paid": (Void(at=p.NOW, reason="dead", proof_block=9), p.delivered(), FAILED),
    "delivered": (p.delivered(body=b'{"success":true,"data":[]}'), FINAL),
    "in doubt": (Answered(at=p.NOW, status=500, elapsed_ms=1),),
    "accepted before": (FINAL, NEVER_CAME, LossAccepted(at=p.NOW, by="me")),
}
READY = {"undelivered", "failed", "failed, never paid"}
LATER = {
    "undelivered, not final": "not final yet",
    "failed, not final": "not final yet",
    "failed, not proved": "not proved yet",
}


@pytest.fixture
def home() -> Iterator[SimpleNamespace]:
    """A workspace's ledger with one purchase of each ending, at one seller; `named` are they by ending."""
    with Store().opened() as ledger:
        named = {name: purchase(ledger, number, *events) for number, (name, events) in enumerate(ENDINGS.items())}
        policy = SimpleNamespace(sellers={"s": None, "other": None})
        yield SimpleNamespace(ledger=ledger, policy=policy, clock=FakeClock(), home=None, named=named)


def purchase(ledger: Ledger, number: int, *events: Event) -> Purchase:
    [reserved] = ledger.reserve(p.run(), [p.wanted(number)], p.CAPS, p.LEASE)
    sent = ledger.append(reserved, p.signed(reserved), Sent(at=p.NOW))
    content = body(b'{"success":true,"data":[]}') if events[0] == ENDINGS["delivered"][0] else body()
    for event in events:
        sent = ledger.append(sent, event, body=content if isinstance(event, Delivered) else None)
    return sent


def names(home: SimpleNamespace, purchases: Any) -> set[str]:
    by_id = {one.purchase_id: name for name, one in home.named.items()}
    return {by_id[one.purchase_id] for one in purchases}


def ws(home: SimpleNamespace) -> Workspace:
    return cast(Workspace, home)


@pytest.mark.parametrize("seller", [None, "s"])
def test_failed_and_undelivered_are_found_alike_and_what_is_not_final_is_left_with_its_reason(
    home: SimpleNamespace, seller: str | None
) -> None:
    """I2, I12."""
    found = accept_loss.losses_of(ws(home), seller)
    assert names(home, found.purchases) == READY
    reasons = {name: why for one, why in found.skipped for name in names(home, [one])}
    assert reasons.keys() == LATER.keys()
    assert all(LATER[name] in why for name, why in reasons.items())
    assert found.amounts == {"USDC": "0.04"}


def test_another_sellers_losses_are_left_alone(home: SimpleNamespace) -> None:
    assert accept_loss.losses_of(ws(home), "other") == accept_loss.Losses(())
    with pytest.raises(BadRequest, match="no seller 'nobody'"):
        accept_loss.losses_of(ws(home), "nobody")


@pytest.mark.parametrize("name", ENDINGS)
def test_one_by_one_only_what_is_lost_for_good_may_be_accepted(home: SimpleNamespace, name: str) -> None:
    wanted = home.named[name].purchase_id
    if name in READY:
        assert names(home, accept_loss.losses_by_id(ws(home), [wanted, wanted]).purchases) == {name}
        return
    with pytest.raises(BadRequest, match=LATER.get(name, "is not lost|accepted already")):
        accept_loss.losses_by_id(ws(home), [home.named["failed"].purchase_id, wanted])


def test_accepting_books_all_of_them_rebuilds_once_and_tells_what_moved_on_meanwhile(
    home: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebuilt: list[object] = []
    monkeypatch.setattr(accept_loss, "rebuild", lambda *given: rebuilt.append(given))
    found = accept_loss.losses_of(ws(home), None)
    home.ledger.append(home.named["undelivered"], LossAccepted(at=p.NOW, by="another process"))
    done = accept_loss.accept(ws(home), found)
    assert names(home, done.purchases) == READY - {"undelivered"}
    assert all(one.loss_accepted for one in done.purchases)
    [changed] = [why for one, why in done.skipped if names(home, [one]) == {"undelivered"}]
    assert "another process changed it" in changed
    assert len(rebuilt) == 1
    assert home.ledger.failed_deliveries() == [home.named[name] for name in ("failed, not proved", "failed, not final")]
    assert accept_loss.losses_of(ws(home), None).purchases == ()
