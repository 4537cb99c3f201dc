"""Derive purchase keys, purchase ids and EIP-3009 nonces deterministically.

Two machines that know nothing of each other, or one that lost its ledger, derive the same nonce for the same request
and edition, and the token contract settles a nonce once (EIP-3009). So nothing here may depend on time, place or
chance. Golden vectors hold the results: an upgrade never changes a nonce.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import lru_cache
from urllib.parse import urlsplit

from payer.values.money import Asset
from payer.values.request import Request

_DEFAULT_PORTS = {"http": 80, "https": 443}


def canonical(request: Request, edition: str) -> bytes:
    """Write the identity as canonical JSON: method, scheme, host, path, sorted parameters, body hash, edition.

    Static headers and a default port are left out; repeated parameters keep their order after sorting by name.
    Raises ValueError for a URL that carries a query or a fragment.
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
    """SHA-256 of the canonical identity, as 64 hex digits."""
    return hashlib.sha256(canonical(request, edition)).hexdigest()


def purchase_id(key: str, generation: int) -> str:
    """The short name that people type: the key's first 16 digits and, from the second generation on, its number."""
    return key[:16] if generation == 0 else f"{key[:16]}-{generation}"


def nonce(secret: bytes, asset: Asset, key: str, generation: int) -> str:
    """HMAC-SHA256(wallet secret, chain ‖ asset ‖ purchase key ‖ generation), as 0x and 64 hex digits.

    The secret keeps others from linking a nonce to what was bought. All fields have fixed lengths, so the message is
    unambiguous.
    """
    message = (
        asset.chain_id.to_bytes(32, "big")
        + bytes.fromhex(asset.address.removeprefix("0x")).rjust(20, b"\0")
        + bytes.fromhex(key)
        + generation.to_bytes(8, "big")
    )
    return "0x" + hmac.new(secret, message, hashlib.sha256).hexdigest()
