"""Read a token contract's own word about itself: decimals (ERC-20), EIP-712 name, version and DOMAIN_SEPARATOR."""

from __future__ import annotations

from payer.chain.chain import TokenData
from payer.chain.rpc import RpcCallFailed, RpcClient, eth_call, malformed, word
from payer.values.money import Asset

DECIMALS = "0x313ce567"
NAME = "0x06fdde03"
VERSION = "0x54fd4d50"
DOMAIN_SEPARATOR = "0x3644e515"
_WORD = 32
_MOST_DECIMALS = 255
_LONGEST_TEXT = 1000


class TokenReader:
    """Reads a token in one batch, and call by call where it lacks a function."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def read(self, asset: Asset) -> TokenData:
        """Raises ChainUnreachable where there is no token, or no answer."""
        calls = [eth_call(asset.address, data, "latest") for data in (DECIMALS, NAME, VERSION, DOMAIN_SEPARATOR)]
        try:
            decimals, *others = await self._rpc.call(calls)
        except RpcCallFailed:
            [decimals] = await self._rpc.read(calls[:1])
            others = [await self._optional(asset, data) for data in (NAME, VERSION, DOMAIN_SEPARATOR)]
        name, version, separator = others
        number = int(word(decimals), 16)
        if number > _MOST_DECIMALS:
            raise malformed(f"decimals() returned {number}")
        return TokenData(number, _text(name), _text(version), _word_or_none(separator))

    async def _optional(self, asset: Asset, data: str) -> object:
        try:
            [value] = await self._rpc.call([eth_call(asset.address, data, "latest")])
        except RpcCallFailed:
            return None
        return value


def _word_or_none(value: object) -> bytes | None:
    return None if value in (None, "0x") else bytes.fromhex(word(value))


def _text(value: object) -> str | None:
    """An ABI string; None for anything else, such as the bytes32 of old tokens. DOMAIN_SEPARATOR then decides."""
    if not isinstance(value, str) or not value.startswith("0x"):
        return None
    try:
        raw = bytes.fromhex(value[2:])
        length = int.from_bytes(raw[_WORD : 2 * _WORD], "big")
        if int.from_bytes(raw[:_WORD], "big") != _WORD or not 0 < length <= min(_LONGEST_TEXT, len(raw) - 2 * _WORD):
            return None
        return raw[2 * _WORD : 2 * _WORD + length].decode("utf-8")
    except ValueError:
        return None
