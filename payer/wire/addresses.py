"""Ethereum addresses and hashes as text: EIP-55 checksums, and Keccak-256."""

from __future__ import annotations

import re
from functools import lru_cache

ZERO_ADDRESS = "0x" + "0" * 40
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_HASH = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)


def keccak256(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it (not NIST SHA-3)."""
    from Crypto.Hash import keccak

    return keccak.new(data=data, digest_bits=256).digest()


def checksum(address: str) -> str:
    """Return the EIP-55 form of an address.

    Raises ValueError for other text, and for mixed case that is not the EIP-55 form (a mistyped address).
    All lower or all upper case carries no checksum and is accepted.
    """
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        raise ValueError("not an address: 0x and 40 hexadecimal digits are needed")
    return _checked(address)


@lru_cache(maxsize=4096)
def _checked(address: str) -> str:
    digits = address[2:].lower()
    mask = keccak256(digits.encode("ascii")).hex()
    mixed = "0x" + "".join(c.upper() if m >= "8" else c for c, m in zip(digits, mask, strict=False))
    if address[2:] not in (digits, digits.upper()) and address != mixed:
        raise ValueError("the address fails its EIP-55 checksum: a character was mistyped")
    return mixed


def is_hash(text: object) -> bool:
    """True if a value is 0x and 32 bytes of hexadecimal, as transactions, blocks and nonces are written."""
    return isinstance(text, str) and _HASH.fullmatch(text) is not None


def address_word(address: str) -> bytes:
    """An address as a 32-byte ABI word."""
    return bytes(12) + bytes.fromhex(address[2:])
