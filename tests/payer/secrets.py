"""Secrets that must never be found anywhere (I10), in every form it could take, and how to look for it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import sqlalchemy as sa
import zstandard

from payer.ledger import Ledger
from payer.ledger.database.schema import metadata
from payer.values.terms import SignedPayment
from payer.wallet.eip3009 import Wallet

_ZSTD = b"\x28\xb5\x2f\xfd"


def of_wallet(key: bytes, wallet: Wallet) -> dict[str, bytes]:
    """The key and the nonce secret: raw, in hex, in base64, as a number, as Python shows bytes."""
    found: dict[str, bytes] = {"the key as a number": str(int.from_bytes(key)).encode()}
    for name, raw in (("the key", key), ("the nonce secret", wallet.nonce_secret)):
        found |= {
            name: raw,
            f"{name} in hex": raw.hex().encode(),
            f"{name} in base64": base64.b64encode(raw).rstrip(b"="),
            f"{name} as Python shows it": repr(raw)[2:-1].encode(),
        }
    return found


def of_payments(payments: Iterable[SignedPayment]) -> dict[str, bytes]:
    """Every header that was made, and the signature in it, in hex and raw."""
    found: dict[str, bytes] = {}
    for number, payment in enumerate(payments):
        header = str.__str__(payment.header_value)
        document = base64.b64decode(header).decode()
        signature = document.split('"signature":"0x')[1].split('"')[0]
        found |= {
            f"payment header {number}": header[-120:].encode(),
            f"signature {number}": signature.encode(),
            f"signature {number} raw": bytes.fromhex(signature),
        }
    return found


def found_in(text: bytes, needles: dict[str, bytes]) -> list[str]:
    """The names of what a text holds; hexadecimal in either case."""
    folded = text.lower()
    return [
        name for name, needle in needles.items() if needle in text or (needle.isalnum() and needle.lower() in folded)
    ]


def ledger_bytes(ledger: Ledger, folder: Path) -> Iterator[bytes]:
    """Everything a copy of the ledger gives away: its files as they lie, and every value of every row, unpacked."""
    for path in folder.glob("*.db*"):
        yield path.read_bytes()
    with ledger._engine.connect() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(sa.select(table)):
                for value in row:
                    yield value if isinstance(value, bytes) else str(value).encode()
                    if isinstance(value, bytes) and value.startswith(_ZSTD):
                        yield zstandard.ZstdDecompressor().decompress(value)


def rendered(error: BaseException) -> bytes:
    """An exception as tools show it that show locals: every frame of the whole chain, each value by its repr."""
    out = io.StringIO()
    for one in _chain(error):
        out.write(f"{type(one).__name__}: {one} {one!r} {getattr(one, '__notes__', '')}\n")
        for frame, line in _frames(one.__traceback__):
            out.write(f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}\n")
            for name, value in frame.f_locals.items():
                out.write(f"    {name} = {value!r}\n")
    return out.getvalue().encode("utf-8", "surrogateescape")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    left = [error]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [other for other in (one.__cause__, one.__context__) if other is not None]
        left += list(one.exceptions) if isinstance(one, BaseExceptionGroup) else []


def _frames(tb: TracebackType | None) -> Iterator[tuple[object, int]]:
    while tb is not None:
        # A test's own frames hold the key on purpose.
        if "/tests/" not in tb.tb_frame.f_code.co_filename:
            yield tb.tb_frame, tb.tb_lineno
        tb = tb.tb_next
