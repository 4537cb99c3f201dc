"""Read a token contract's own word about itself: decimals (ERC-20), EIP-712 name, version and DOMAIN_SEPARATOR."""

from __future__ import annotations

from payer.chain.chain import TokenData
from payer.chain.rpc import Call, RpcCallFailed, RpcClient, eth_call, malformed, word
from payer.values.money import Asset

DECIMALS = "0x313ce567"
NAME = "0x06fdde03"
VERSION = "0x54fd4d50"
DOMAIN_SEPARATOR = "0x3644e515"
_WORD = 32
_MOST_DECIMALS = 255
_LONGEST_TEXT = 1000


async def read_token(rpc: RpcClient, asset: Asset) -> TokenData:
    """Read a token in one batch, and call by call where it lacks a function.

    Raises ChainUnreachable where there is no token, or no answer.
    """
    calls = [eth_call(asset.address, data, "latest") for data in (DECIMALS, NAME, VERSION, DOMAIN_SEPARATOR)]
    try:
        decimals, *others = await rpc.call(calls)
    except RpcCallFailed:
        [decimals] = await rpc.read(calls[:1])
        others = [await _optional(rpc, call) for call in calls[1:]]
    name, version, separator = others
    number = int(word(decimals), 16)
    if number > _MOST_DECIMALS:
        raise malformed(f"decimals() returned {number}")
    domain = None if separator in (None, "0x") else bytes.fromhex(word(separator))
    return TokenData(number, _text(name), _text(version), domain)


async def _optional(rpc: RpcClient, call: Call) -> object:
    try:
        [value] = await rpc.call([call])
    except RpcCallFailed:
        return None
    return value


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
