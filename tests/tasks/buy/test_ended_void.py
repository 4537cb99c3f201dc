"""A payment that ends void is never a success: it is tried once more, and then the run says why and exits with 4."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from payer.buy.approve import Approved
from payer.stop import StopRequest
from payer.values.errors import EndedVoid
from payer.values.purchase import Money, Purchase
from tasks.buy.purchase import buy
from tests.payer import purchases as p

VOID = replace(p.exposed(), money=Money.VOID, last_status=402, last_note="insufficient_funds")


@dataclass
class VoidingPayer:
    """Carries every purchase to the same end, and counts how often it was approved."""

    end: Purchase
    approved: int = 0

    async def buy(self, _purchase: Purchase, _view: object) -> Purchase:
        return self.end

    async def quote(self, _orders: object) -> dict[str, Any]:
        return {}

    async def approve(self, _run: object, _orders: object, _quotes: object) -> Approved:
        self.approved += 1
        return Approved([self.end], {})


@dataclass
class Voiding:
    """The part of a workspace that `buy` needs."""

    payer: VoidingPayer
    stop: StopRequest = field(default_factory=StopRequest)


def ended(end: Purchase, *, stopped: bool = False) -> tuple[EndedVoid, int]:
    ws: Any = Voiding(VoidingPayer(end))
    if stopped:
        ws.stop.request()
    with pytest.raises(EndedVoid) as error:
        asyncio.run(buy(ws, p.run(), p.reserved(), Approved([p.reserved()], {})))
    return error.value, ws.payer.approved


def test_a_payment_that_ends_void_twice_is_an_error_with_the_sellers_last_answer() -> None:
    error, approved = ended(VOID)
    assert (approved, error.exit_code) == (1, 4)
    assert "the seller's last answer: status 402, insufficient_funds" in error.what
    assert "none was taken" in error.money


def test_a_stopped_run_signs_it_no_second_time() -> None:
    assert ended(VOID, stopped=True)[1] == 0


def test_a_cancelled_nonce_is_named_and_not_bought_again() -> None:
    error, approved = ended(replace(VOID, burned=True))
    assert approved == 0
    assert f"accept-loss {VOID.purchase_id}" in error.fix
