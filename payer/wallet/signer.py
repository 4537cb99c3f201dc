"""The protocol of what signs for a wallet, and the check of a signature that came from elsewhere."""

from __future__ import annotations

import re
from typing import Protocol

from payer.values.errors import SignerRefused
from payer.values.terms import Authorization, SecretStr
from payer.wallet.eip3009 import digest, recover

_SIGNATURE = re.compile(r"0x[0-9a-fA-F]{130}", re.ASCII)


class Signer(Protocol):
    """A key that signs authorizations: in this process (`Wallet`), or held by a server (`RemoteSigner`).

    `nonce_secret` is what nonces are derived from, never what signs. `repeats`: the same authorization always has the
    same signature, byte for byte.
    """

    @property
    def address(self) -> str:
        """The payer's address, EIP-55."""

    @property
    def nonce_secret(self) -> bytes:
        """32 bytes: the same on every machine that pays from this wallet."""

    @property
    def repeats(self) -> bool: ...

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
