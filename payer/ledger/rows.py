"""How values lie in the ledger's rows: JSON documents of the frozen types, bodies as zstd."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import msgspec
import zstandard

from payer.values.events import KINDS, Event
from payer.values.purchase import Data, Money, Purchase
from payer.values.terms import Quote

_encoder = msgspec.json.Encoder()
_purchase = msgspec.json.Decoder(Purchase)
_quote = msgspec.json.Decoder(Quote)
_events: dict[str, msgspec.json.Decoder[Any]] = {kind: msgspec.json.Decoder(cls) for kind, cls in KINDS.items()}


def encode(value: object) -> bytes:
    """JSON of a frozen value; integers of any size stay integers."""
    return _encoder.encode(value)


def purchase(doc: bytes) -> Purchase:
    """The projection as it was folded."""
    return _purchase.decode(doc)


def quote(doc: bytes) -> Quote:
    """Terms as they were accepted."""
    return _quote.decode(doc)


def event(kind: str, doc: bytes) -> Event:
    """One event by its kind's name."""
    return cast(Event, _events[kind].decode(doc))


def kind_of(happened: Event) -> str:
    """The name an event has in the ledger."""
    return type(happened).__name__.lower()


def is_open(p: Purchase) -> bool:
    """Something is left to do: money not resolved, or paid and not yet given up on, or settled but not final."""
    if p.money in (Money.RESERVED, Money.EXPOSED):
        return True
    if p.money is Money.VOID:
        return False
    unclaimed = p.data is Data.ABSENT and not p.undelivered
    return unclaimed or (p.settlement is not None and not p.settlement.final)


def columns(p: Purchase, seq: int) -> dict[str, Any]:
    """The projection row of a purchase: what is searched for, and the whole fold as JSON."""
    return {
        "purchase_id": p.purchase_id,
        "purchase_key": p.purchase_key,
        "generation": p.generation,
        "seq": seq,
        "version": p.version,
        "seller": p.order.seller,
        "dataset": p.order.dataset,
        "flow": p.run.flow,
        "run_id": p.run.run_id,
        "asset": f"{p.asset.network}/{p.asset.address}",
        "nonce": p.nonce,
        "money": p.money.value,
        "data": p.data.value,
        "is_open": is_open(p),
        "undelivered": p.undelivered and not p.loss_accepted,
        "committed": p.committed,
        "lease_owner": p.lease.owner if p.lease else None,
        "lease_until": p.lease.until if p.lease else None,
        "doc": encode(p),
    }


def compress(body: bytes) -> bytes:
    """zstd, level 3."""
    return zstandard.ZstdCompressor(level=3).compress(body)


def decompress(packed: bytes) -> bytes:
    """The body as it arrived."""
    return zstandard.ZstdDecompressor().decompress(packed)


def whole_body(packed: bytes, sha256: str) -> bytes | None:
    """The body as it arrived, None for a copy that is damaged."""
    try:
        body = decompress(packed)
    except zstandard.ZstdError:
        return None
    return body if digest(body) == sha256 else None


def digest(body: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(body).hexdigest()
