"""Convert between the payer's values and the ledger's rows: values as JSON documents, bodies as zstd."""

from __future__ import annotations

import hashlib
import threading
from typing import Any, TypeVar, cast

import msgspec
import zstandard

from payer.values.errors import LedgerDamaged
from payer.values.events import KINDS, Delivered, Event
from payer.values.ledger_reads import AvoidedRow
from payer.values.money import Asset
from payer.values.purchase import Data, Money, Purchase
from payer.values.terms import Quote

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_compressors = threading.local()
_purchase = msgspec.json.Decoder(Purchase)
_quote = msgspec.json.Decoder(Quote)
_events: dict[str, msgspec.json.Decoder[Any]] = {kind: msgspec.json.Decoder(cls) for kind, cls in KINDS.items()}
_KIND_OF = {cls: kind for kind, cls in KINDS.items()}
DELIVERED = _KIND_OF[Delivered]


def encode(value: object) -> bytes:
    """Encode a value as JSON; integers of any size stay integers."""
    return _encoder.encode(value)


def purchase(doc: bytes) -> Purchase:
    """Decode a purchase's folded state. Raises LedgerDamaged."""
    return _decode(_purchase, doc, "a purchase")


def quote(doc: bytes) -> Quote:
    """Decode accepted terms. Raises LedgerDamaged."""
    return _decode(_quote, doc, "accepted terms")


def event(kind: str, doc: bytes) -> Event:
    """Decode an event of a kind. Raises LedgerDamaged."""
    if kind not in _events:
        raise LedgerDamaged(f"an event in the ledger is of a kind that nothing writes: {kind}")
    return cast(Event, _decode(_events[kind], doc, "an event"))


def avoided(seq: int, doc: bytes) -> AvoidedRow:
    return msgspec.convert({**msgspec.json.decode(doc), "seq": seq}, AvoidedRow)


def _decode(decoder: msgspec.json.Decoder[T], doc: bytes, what: str) -> T:
    try:
        return decoder.decode(doc)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise LedgerDamaged(f"{what} in the ledger can't be read; `tollbook reconcile` names it") from None


def kind_of(event: Event) -> str:
    """The name of an event's class in the ledger."""
    return _KIND_OF[type(event)]


def asset_key(asset: Asset) -> str:
    """An asset as the ledger's columns name it: CAIP-2 network and token address."""
    return f"{asset.network}/{asset.address}"


def is_open(p: Purchase) -> bool:
    """Tell whether something is left to do: money in doubt, a body to claim, or a settlement that is not final."""
    if p.money in (Money.RESERVED, Money.EXPOSED):
        return True
    if p.money is Money.VOID:
        return False
    unclaimed = p.data is Data.ABSENT and not p.undelivered
    return unclaimed or (p.settlement is not None and not p.settlement.final)


def searched_by(p: Purchase) -> dict[str, Any]:
    """Columns that a purchase is searched by and that an event seldom changes; `SET_PURCHASE_STATE` leaves them out."""
    return {
        "seller": p.order.seller,
        "dataset": p.order.dataset,
        "flow": p.run.flow,
        "run_id": p.run.run_id,
        "is_open": is_open(p),
        "undelivered": p.undelivered and not p.loss_accepted,
        "failed": bool(p.failure) and not p.loss_accepted,
    }


def columns(p: Purchase, seq: int) -> dict[str, Any]:
    """The row of a purchase's projection: the columns that are searched, and the folded state as `doc`."""
    return {
        **state_columns(p, seq),
        **searched_by(p),
        "purchase_key": p.purchase_key,
        "generation": p.generation,
        "asset": asset_key(p.asset),
        "nonce": p.nonce,
    }


def state_columns(p: Purchase, seq: int) -> dict[str, Any]:
    """Those of `columns` that every event may change."""
    return {
        "purchase_id": p.purchase_id,
        "seq": seq,
        "version": p.version,
        "money": str(p.money),
        "data": str(p.data),
        "in_doubt": p.at_risk and not p.undelivered,
        "committed": p.committed,
        "lease_owner": p.lease.owner if p.lease else None,
        "lease_until": p.lease.until if p.lease else None,
        "doc": encode(p),
    }


def compress(body: bytes) -> bytes:
    """Compress a body (zstd, level 3). The compressor is kept: its memory takes longer to get than a page to compress.

    One for each thread, since a compressor can do one thing at a time.
    """
    compressor: zstandard.ZstdCompressor | None = getattr(_compressors, "level_3", None)
    if compressor is None:
        compressor = _compressors.level_3 = zstandard.ZstdCompressor(level=3)
    return compressor.compress(body)


def whole_body(packed: bytes, sha256: str) -> bytes | None:
    """Decompress a body and compare its hash; None when the ledger's copy is damaged."""
    try:
        body = zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError:
        return None
    return body if digest(body) == sha256 else None


def digest(body: bytes) -> str:
    """SHA-256 as hex digits."""
    return hashlib.sha256(body).hexdigest()
