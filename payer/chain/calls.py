"""Contract calls: eth_call as a JSON-RPC call, and the ABI word it returns."""

from __future__ import annotations

from payer.chain.rpc import Call, malformed, quantity
from payer.values.errors import ChainUnreachable
from payer.wire.strict_json import shown

_WORD_DIGITS = 64


def eth_call(to: str, data: str, block: str) -> Call:
    """A read of a contract at a block: a number in hex, or a tag."""
    return ("eth_call", [{"to": to, "data": data}, block])


def word(value: object) -> str:
    """The 64 hex digits of one ABI word. Raises ChainUnreachable for anything else."""
    if value == "0x":  # what an address without code returns
        raise ChainUnreachable(
            "there is no token at the asset's address on this chain",
            advice="correct the asset's address, network.chain_id or network.rpc_url in the policy file",
        )
    if not isinstance(value, str) or len(value) != 2 + _WORD_DIGITS or not value.startswith("0x"):
        raise malformed(f"a call returned {shown(value)}")
    quantity(value, "a call's result")
    return value[2:]
