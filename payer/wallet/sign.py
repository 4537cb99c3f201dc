"""Sign: the protocol of what signs for a wallet, the authorization of a purchase, and the header that presents it.

A signature that came from elsewhere is checked before it is used.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime
from typing import Protocol

from payer.policy.rules import Policy
from payer.values.errors import SignerRefused
from payer.values.purchase import Purchase
from payer.values.terms import Authorization, SecretStr, SignedPayment, Terms
from payer.wallet.eip3009 import digest, recover
from payer.wire.payment import PAYMENT_IDENTIFIER, payment_header

_SIGNATURE = re.compile(r"0x[0-9a-fA-F]{130}", re.ASCII)


class Signer(Protocol):
    """A key that signs authorizations: in this process (`Wallet`), or held by a server (`RemoteSigner`).

    `nonce_secret` is what nonces are derived from, never what signs. `repeats`: the same authorization always has the
    same signature, byte for byte.
    """

    address: str
    """The payer's address, EIP-55."""
    nonce_secret: bytes
    """32 bytes: the same on every machine that pays from this wallet."""
    repeats: bool

    async def signature_of(self, authorization: Authorization) -> SecretStr:
        """Sign: 65 bytes as 0x hex, low s, ending in 27 or 28.

        Raises ValueError for what no policy allows, SignerUnreachable, and SignerRefused.
        """

    async def aclose(self) -> None:
        """Close kept connections; the signer may be used again afterwards."""


def checked_signature(authorization: Authorization, answer: object) -> SecretStr:
    """Return a signature that came from elsewhere once it is proved to be the payer's over this authorization.

    Its last byte is written as 27 or 28, also where it came as 0 or 1. Raises SignerRefused, which quotes nothing.
    """
    well_formed = isinstance(answer, str) and _SIGNATURE.fullmatch(answer)
    signature = _with_27_or_28(str(answer)) if well_formed else SecretStr()
    del answer  # a traceback may show local variables, and these can be spent (I10)
    if not well_formed:
        raise SignerRefused("the signer's answer is no signature of 65 bytes")
    signed_by, fault = _signed_by(authorization, signature)
    if fault:
        raise SignerRefused(f"the signer's answer is no signature that a token takes: {fault}")
    if signed_by != authorization.payer:
        raise SignerRefused(
            f"the signer's answer was signed by {signed_by}, and the wallet is {authorization.payer}: it was discarded",
            advice="check which key the signer uses for that address. A wallet contract (EIP-1271), whose owner signs "
            "for it, can't pay here: pay from the key's own address",
        )
    return signature


def _with_27_or_28(signature: str) -> SecretStr:
    last = int(signature[-2:], 16)
    return SecretStr(signature[:-2].lower() + format(last + 27 if last < 2 else last, "02x"))


def _signed_by(authorization: Authorization, signature: SecretStr) -> tuple[str, str]:
    """The address that made a signature, or "" and the reason why no address did."""
    try:
        return recover(digest(authorization), signature), ""
    except ValueError as fault:
        return "", str(fault)
    except Exception as fault:  # noqa: BLE001 - the curve's library raises bare ones
        return "", f"no key made it ({type(fault).__name__})"


def authorize(policy: Policy, terms: Terms, *, payer: str, nonce: str, now: datetime) -> Authorization:
    """Make the EIP-3009 authorization to sign for these terms now.

    Valid from `clock_skew_seconds` ago, for the shorter of the seller's and the policy's seconds; sellers accept a
    window shorter than their `maxTimeoutSeconds`.
    """
    seconds = int(now.timestamp())
    return Authorization(
        asset=terms.asset,
        payer=payer,
        pay_to=terms.pay_to,
        value=terms.amount,
        valid_after=seconds - policy.clock_skew_seconds,
        valid_before=seconds + min(terms.max_timeout, policy.validity_seconds),
        nonce=nonce,
    )


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
