"""Make the authorization of a purchase, and the header that presents it."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

from payer.policy.judge import draft
from payer.policy.rules import Policy
from payer.values.purchase import Purchase
from payer.values.terms import Authorization, SignedPayment, Terms
from payer.wallet.eip3009 import digest
from payer.wallet.signer import Signer
from payer.wire.payment import PAYMENT_IDENTIFIER, payment_header


def authorize(policy: Policy, purchase: Purchase, terms: Terms, now: datetime) -> Authorization:
    """Make the authorization to sign for these terms: policy's validity window, the purchase's own nonce."""
    return draft(policy, terms, payer=purchase.payer, nonce=purchase.nonce, now=now)


async def present(signer: Signer, purchase: Purchase) -> SignedPayment:
    """Make the purchase's signed payment from the authorization in the ledger; the signature is never stored (I10).

    Raises SignerUnreachable and SignerRefused of a remote signer. With a key in this process the payment is the same
    each time, byte for byte; a remote signer may sign differently, which settles once all the same.
    """
    authorization, terms = purchase.authorization, purchase.terms
    assert authorization is not None, "nothing was signed for this purchase"
    assert terms is not None, "an authorization has terms"
    signature = await signer.signature_of(authorization)
    payment_id = None
    if PAYMENT_IDENTIFIER in terms.extensions:
        marked = terms.accepted if signer.repeats else terms.accepted + signature
        payment_id = payment_identifier(signer.nonce_secret, authorization, marked)
        del marked
    name, value = payment_header(terms, authorization, signature, payment_id=payment_id)
    return SignedPayment(authorization, name, value)


def payment_identifier(secret: bytes, authorization: Authorization, accepted: str) -> str:
    """Derive the x402 payment-identifier (16 to 128 of [A-Za-z0-9_-]), which is sent where the seller declares it.

    One payload has one identifier: presented again it is the same; signed again, or under other terms, it differs,
    because a seller that honours identifiers answers 409 to one that comes with another payload. `accepted` ends in the
    signature where a signer may sign differently each time: it is part of the payload. The wallet's secret keeps the
    identifiers of two buyers of one piece apart, and makes them impossible to guess.
    """
    message = b"payment-identifier:" + digest(authorization) + accepted.encode()
    return "tb_" + hmac.new(secret, message, hashlib.sha256).hexdigest()[:40]
