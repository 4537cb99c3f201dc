"""An authorization as EIP-712 typed data, the way eth_signTypedData_v4 takes it."""

from __future__ import annotations

from typing import Any

from payer.values.terms import Authorization
from payer.wire.payment import authorization_fields

_DOMAIN = (("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address"))
_TRANSFER = (
    *(("from", "address"), ("to", "address"), ("value", "uint256")),
    *(("validAfter", "uint256"), ("validBefore", "uint256"), ("nonce", "bytes32")),
)


def typed_data(authorization: Authorization) -> dict[str, Any]:
    """Return types, domain and message (EIP-3009 TransferWithAuthorization).

    Integers of the message are decimal text, as signers of every language read them without loss.
    """
    asset = authorization.asset
    return {
        "types": {"EIP712Domain": _fields(_DOMAIN), "TransferWithAuthorization": _fields(_TRANSFER)},
        "primaryType": "TransferWithAuthorization",
        "domain": {
            "name": asset.eip712_name,
            "version": asset.eip712_version,
            "chainId": asset.chain_id,
            "verifyingContract": asset.address,
        },
        "message": authorization_fields(authorization),
    }


def _fields(pairs: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in pairs]
