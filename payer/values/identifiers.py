"""Who a purchase is: its key from the request and edition, its nonce from the wallet's secret.

Two machines that know nothing of each other, or one that lost its ledger, derive the same nonce for the same piece,
and the token contract settles a nonce once (EIP-3009). So nothing here may depend on time, place or chance.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import lru_cache
from urllib.parse import urlsplit

from payer.values.money import Asset
from payer.values.types import Authorization, Request
from payer.wallet.eip3009 import digest

_DEFAULT_PORTS = {"http": 80, "https": 443}


def canonical(request: Request, edition: str) -> bytes:
    """The identity as canonical JSON: method, scheme, host, path, sorted parameters, body hash, edition.

    Static headers are no part of it, nor is a default port; a repeated parameter keeps its order after sorting by name.
    """
    url = urlsplit(request.url)
    if not url.hostname or url.query or url.fragment:
        raise ValueError(f"a request's url is scheme://host/path, parameters go in params: {request.url!r}")
    port = url.port or _DEFAULT_PORTS.get(url.scheme)
    host = url.hostname.lower() if port == _DEFAULT_PORTS.get(url.scheme) else f"{url.hostname.lower()}:{port}"
    identity = {
        "body": hashlib.sha256(request.body).hexdigest(),
        "edition": edition,
        "host": host,
        "method": request.method.upper(),
        "params": sorted(request.params, key=lambda pair: pair[0]),
        "path": url.path or "/",
        "scheme": url.scheme,
    }
    return json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


@lru_cache(maxsize=4096)
def purchase_key(request: Request, edition: str) -> str:
    """SHA-256 of the canonical identity, 64 hex digits."""
    return hashlib.sha256(canonical(request, edition)).hexdigest()


def purchase_id(key: str, generation: int) -> str:
    """What a person types: the key's first 16 digits and, from the second generation on, which one."""
    return key[:16] if generation == 0 else f"{key[:16]}-{generation}"


def nonce(secret: bytes, asset: Asset, key: str, generation: int) -> str:
    """HMAC-SHA256(wallet secret, chain ‖ asset ‖ purchase key ‖ generation), 0x + 64 hex digits.

    The secret keeps others from linking a nonce to what was bought. Fields have fixed lengths, so none can run into
    the next.
    """
    message = (
        asset.chain_id.to_bytes(32, "big")
        + bytes.fromhex(asset.address.removeprefix("0x")).rjust(20, b"\0")
        + bytes.fromhex(key)
        + generation.to_bytes(8, "big")
    )
    return "0x" + hmac.new(secret, message, hashlib.sha256).hexdigest()


def payment_identifier(secret: bytes, authorization: Authorization, accepted: str) -> str:
    """A deterministic x402 payment-identifier (16 to 128 of [A-Za-z0-9_-]): sent where declared, believed never.

    One payload has one identifier: presented again it is the same, signed anew or under other terms it is another,
    since a seller that honours identifiers answers 409 to one that comes with another payload. It is the wallet's own:
    two buyers of one piece must not meet at the seller, nor may anybody guess another's.
    """
    message = b"payment-identifier:" + digest(authorization) + accepted.encode()
    return "tb_" + hmac.new(secret, message, hashlib.sha256).hexdigest()[:40]
