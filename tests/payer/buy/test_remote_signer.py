"""Buying with a remote signer that signs differently each time, or not at all: paid once, or nothing was sent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from coincurve import PrivateKey
from coincurve._libsecp256k1 import ffi

from payer.context import PayerContext
from payer.http.exchange import NoAnswer, NotSent
from payer.payer import Payer
from payer.values.chain_view import ChainView, NonceState
from payer.values.errors import Interrupted, PayerError, SignerRefused, SignerUnreachable, Unresolved
from payer.values.events import Sent, Signed, Unsent, Void
from payer.values.purchase import Data, Money, Purchase
from payer.values.terms import Authorization, SecretStr
from payer.wallet.eip3009 import Wallet, digest, recover
from payer.wallet.sign import checked_signature
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.buy.test_buy import carry, reserved, signable

DOWN = SignerUnreachable("the signer at 127.0.0.1:9 can't be reached; nothing was sent")
NO = SignerRefused("the signer at 127.0.0.1:9 did not sign: denied; nothing was sent")
SETTLED = s.chain_view(NonceState.USED, settlement=p.settlement())


@dataclass
class HardwareSigner:
    """Signs with another k each time; `fails` are the errors of its next calls."""

    fails: list[PayerError] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    signatures: list[str] = field(default_factory=list)
    address: str = Wallet(s.KEY).address
    nonce_secret: bytes = b"n" * 32
    repeats: bool = False

    async def signature_of(self, authorization: Authorization) -> SecretStr:
        self.before()
        if self.fails:
            raise self.fails.pop(0)
        extra = ffi.new("unsigned char[32]", os.urandom(32))
        raw = PrivateKey(s.KEY).sign_recoverable(digest(authorization), hasher=None, custom_nonce=(ffi.NULL, extra))
        self.signatures.append("0x" + raw[:64].hex() + format(27 + raw[64], "02x"))
        return checked_signature(authorization, self.signatures[-1])

    async def aclose(self) -> None:
        """Nothing is open."""


def desk(
    signer: HardwareSigner, *outcomes: s.Outcome, view: Callable[[], ChainView | None] = lambda: None
) -> tuple[Payer, s.ScriptedSeller]:
    seller = s.ScriptedSeller([*outcomes] or [s.answer(200)])
    context: PayerContext = s.context(None, seller, s.ScriptedChain(view))
    return Payer(replace(context, wallet=signer)), seller


def kinds(payer: Payer, purchase: Purchase) -> list[type[object]]:
    return [type(event) for event in payer.context.ledger.events(purchase.purchase_id)]


def signatures(seller: s.ScriptedSeller) -> list[str]:
    return [str(payment["payload"]["signature"]) for payment in seller.payments]  # type: ignore[index]


def test_a_signer_that_never_repeats_itself_presents_one_nonce() -> None:
    """A lost answer: the payment is presented again with another signature, which settles at most once."""
    signer = HardwareSigner()
    payer, seller = desk(signer, NoAnswer("reset"), s.answer(503), s.answer(200))
    bought, raised = carry(payer, reserved(payer))
    assert (bought.data, raised, bought.sends) == (Data.DELIVERED, None, 3)
    assert len(set(signatures(seller))) == 3
    presented = [payment["payload"]["authorization"] for payment in seller.payments]  # type: ignore[index]
    assert presented[0] == presented[1] == presented[2]
    authorization = bought.authorization
    assert authorization is not None
    assert {recover(digest(authorization), each) for each in signatures(seller)} == {signer.address}


def test_a_payment_identifier_belongs_to_one_payload() -> None:
    """Sellers that honour identifiers answer 409 to one that comes with another payload, and the signature is in it."""
    declared = {"payment-identifier": {"info": {"required": False}, "schema": {}}}
    terms = replace(signable(), extensions='{"payment-identifier":{"info":{"required":false},"schema":{}}}')
    for signer, expected in ((HardwareSigner(), 2), (None, 1)):
        payer, seller = desk(signer or HardwareSigner(), NoAnswer("reset"), s.answer(200))
        if signer is None:
            payer = Payer(replace(payer.context, wallet=Wallet(s.KEY)))
        purchase = reserved(payer)
        context = payer.context
        signed = context.ledger.append(
            purchase,
            Signed(at=context.clock.now(), authorization=_authorization(purchase), terms=terms),
            Sent(at=context.clock.now()),
        )
        carry(payer, signed)
        found = {payment["extensions"]["payment-identifier"]["info"]["id"] for payment in seller.payments}  # type: ignore[index]
        assert len(found) == expected, declared


def _authorization(purchase: Purchase) -> Authorization:
    start = int(p.NOW.timestamp())
    return Authorization(p.USDC, purchase.payer, p.PAYEE, p.PRICE, start - 600, start + 120, purchase.nonce)


@pytest.mark.parametrize("error", [DOWN, NO], ids=["unreachable", "refused"])
def test_a_signature_that_is_not_made_frees_the_money_and_nothing_is_sent(error: PayerError) -> None:
    payer, seller = desk(HardwareSigner([error]))
    purchase = reserved(payer)
    stored, raised = carry(payer, purchase)
    assert (stored.money, raised) == (Money.VOID, type(error))
    assert seller.headers == []
    assert kinds(payer, purchase)[1:] == [Signed, Sent, Unsent, Void]
    assert sum(payer.context.ledger.committed(p.USDC).values()) == 0


def test_what_was_not_signed_is_bought_by_the_next_run() -> None:
    signer = HardwareSigner([DOWN])
    payer, seller = desk(signer)
    carry(payer, reserved(payer))
    bought, raised = carry(payer, reserved(payer))
    assert (bought.data, raised, len(seller.payments)) == (Data.DELIVERED, None, 1)


def test_what_is_signed_is_in_the_ledger_before_the_signer_is_asked() -> None:
    """A crash while the signer is asked leaves an exposed purchase: never one that was signed and forgotten."""
    signer = HardwareSigner()
    payer, _ = desk(signer)
    purchase, seen = reserved(payer), []
    signer.before = lambda: seen.append(kinds(payer, purchase)[1:])
    carry(payer, purchase)
    assert seen == [[Signed, Sent]]


def test_a_payment_in_doubt_stays_so_while_the_signer_is_away() -> None:
    """Something was sent before: nothing is void or booked, and it is presented once the signer is back."""
    signer = HardwareSigner()
    payer, seller = desk(signer, NoAnswer("reset"), s.answer(200))
    purchase = reserved(payer)
    signer.before = lambda: signer.fails.append(DOWN) if signer.signatures else None
    stored, raised = carry(payer, purchase)
    assert (stored.money, raised, stored.sends, len(seller.payments)) == (Money.EXPOSED, Unresolved, 1, 1)
    signer.before = lambda: None
    bought, raised = carry(payer, stored)
    assert (bought.data, raised, len(seller.payments)) == (Data.DELIVERED, None, 2)


def test_a_stop_that_comes_while_the_signer_signs_sends_nothing_and_frees_the_money() -> None:
    """I11: the payment had not left, so it was not on its way. The next run buys the piece once."""
    signer = HardwareSigner()
    payer, seller = desk(signer)
    purchase = reserved(payer)
    signer.before = payer.context.stop.request
    stored, raised = carry(payer, purchase)
    assert (stored.money, raised, seller.headers) == (Money.VOID, Interrupted, [])
    assert kinds(payer, purchase)[1:] == [Signed, Sent, Unsent, Void]
    assert sum(payer.context.ledger.committed(p.USDC).values()) == 0
    payer.context.stop.requested, signer.before = False, lambda: None
    bought, raised = carry(payer, reserved(payer))
    assert (bought.data, raised, len(seller.payments)) == (Data.DELIVERED, None, 1)


def test_a_stop_that_comes_while_a_payment_is_signed_again_presents_it_no_more() -> None:
    """I11: what was sent before stays in doubt, and nothing is booked for the attempt that was not made."""
    signer = HardwareSigner()
    payer, seller = desk(signer, NoAnswer("reset"), s.answer(200))
    signer.before = lambda: payer.context.stop.request() if signer.signatures else None
    stored, raised = carry(payer, reserved(payer))
    assert (stored.money, raised, stored.sends, len(seller.payments)) == (Money.EXPOSED, Unresolved, 1, 1)


def test_a_claim_that_is_not_signed_counts_as_none() -> None:
    signer = HardwareSigner([DOWN])
    payer, seller = desk(signer, s.answer(200), view=lambda: SETTLED)
    purchase = reserved(payer)
    context, now = payer.context, p.NOW
    signed = Signed(at=now, authorization=_authorization(purchase), terms=signable())
    exposed = context.ledger.append(purchase, signed, Sent(at=now))
    spent, raised = carry(payer, _spent(payer, exposed))
    assert (spent.money, spent.claims, spent.undelivered, raised) == (Money.SPENT, 0, False, Unresolved)
    claimed, raised = carry(payer, spent)
    assert (claimed.data, claimed.claims, raised, len(seller.payments)) == (Data.DELIVERED, 1, None, 1)


def _spent(payer: Payer, exposed: Purchase) -> Purchase:
    asyncio.run(payer.verify([exposed]))
    found = payer.context.ledger.get(exposed.purchase_id)
    assert found is not None
    return found


def test_a_signature_that_comes_after_its_window_is_not_sent() -> None:
    """A person who is asked may take longer than what is signed lives."""
    signer = HardwareSigner()
    payer, seller = desk(signer)
    clock = payer.context.clock
    assert isinstance(clock, s.FakeClock)

    def approve_slowly() -> None:
        clock.at += timedelta(seconds=300)

    signer.before = approve_slowly
    stored, raised = carry(payer, reserved(payer))
    assert (stored.money, raised, seller.headers) == (Money.VOID, SignerUnreachable, [])


def test_a_seller_that_was_not_reached_after_all_is_told_as_before() -> None:
    payer, _ = desk(HardwareSigner(), NotSent("refused"))
    stored, _ = carry(payer, reserved(payer))
    assert stored.money is Money.VOID
