"""Read one contract many times in one eth_call, through Multicall3's tryAggregate: a thousand nonces in ten calls.

Multicall3 has the same address on every chain that has it; on others, the caller reads one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from payer.chain.rpc import malformed
from payer.values.addresses import address_word

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
CALLS = 100
_TRY_AGGREGATE = "bce38bd7"
_WORD = 32


def _uint(value: int) -> bytes:
    return value.to_bytes(_WORD, "big")


def encode(target: str, calls: Sequence[bytes]) -> str:
    """Encode tryAggregate(bool requireSuccess, (address target, bytes callData)[]) with every call required."""
    entries = [
        address_word(target) + _uint(2 * _WORD) + _uint(len(data)) + data + bytes(-len(data) % _WORD) for data in calls
    ]
    offsets, at = [], len(entries) * _WORD
    for entry in entries:
        offsets.append(_uint(at))
        at += len(entry)
    array = _uint(len(entries)) + b"".join(offsets) + b"".join(entries)
    return "0x" + _TRY_AGGREGATE + (_uint(1) + _uint(2 * _WORD) + array).hex()


def decode(answer: str, count: int) -> list[str]:
    """Decode the one word that each call returned, as 0x hex. Raises ChainUnreachable for anything else."""
    try:
        raw = bytes.fromhex(answer[2:])
        words = list(_words(raw, count))
    except (ValueError, IndexError):
        raise malformed("the result of a multicall can't be decoded") from None
    return words


def _words(raw: bytes, count: int) -> Iterator[str]:
    """Each word of (bool success, bytes returnData)[]. Raises ValueError unless every call returned exactly one."""
    if _at(raw, 0) != _WORD or _at(raw, _WORD) != count:
        raise ValueError("not an array of the length asked for")
    body = 2 * _WORD
    for index in range(count):
        entry = body + _at(raw, body + index * _WORD)
        data = entry + _at(raw, entry + _WORD)
        if _at(raw, entry) != 1 or _at(raw, data) != _WORD:
            raise ValueError("a call failed or returned no word")
        yield "0x" + _uint(_at(raw, data + _WORD)).hex()


def _at(raw: bytes, position: int) -> int:
    word = raw[position : position + _WORD]
    if len(word) != _WORD:
        raise IndexError("beyond the answer's end")
    return int.from_bytes(word, "big")
