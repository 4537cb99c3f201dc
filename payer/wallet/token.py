"""Compare policy's asset with what the token's contract says of itself; what differs would be signed in vain."""

from __future__ import annotations

from payer.chain.chain import ChainReader, TokenData
from payer.values.errors import Misconfigured
from payer.values.money import Asset
from payer.wallet.eip3009 import domain_separator
from payer.wire.strict_json import shown

_IN_VAIN = "it would refuse every signature"


def token_fault(asset: Asset, token: TokenData) -> tuple[str, str]:
    """Say what differs between policy and the contract, and the fix; empty texts where nothing does.

    Wrong decimals make every cap too wide or too narrow. DOMAIN_SEPARATOR decides on name and version, which are
    compared themselves only where the token has none.
    """
    table = f"assets.{asset.symbol}"
    if token.decimals != asset.decimals:
        what = f"{table}.decimals is {asset.decimals}, and the token's decimals() is {token.decimals}"
        return f"{what}: every amount and cap would be wrong", f"write decimals = {token.decimals}"
    if token.domain_separator == domain_separator(asset):
        return "", ""
    for key, ours, theirs in (
        ("eip712_name", asset.eip712_name, token.name),
        ("eip712_version", asset.eip712_version, token.version),
    ):
        if theirs is not None and theirs != ours:
            what = f"{table}.{key} is {shown(ours)}, and the token's is {shown(theirs)}: {_IN_VAIN}"
            return what, f"write {key} = {shown(theirs)}, if the address is right"
    if token.domain_separator is None and token.name is not None and token.version is not None:
        return "", ""
    return (
        f"the token at {table}.address has another EIP-712 domain than policy names: {_IN_VAIN}",
        f"correct {table}.eip712_name, eip712_version or address, or network.chain_id",
    )


async def check_token(chain: ChainReader, asset: Asset) -> TokenData:
    """Read a token and compare it. Raises Misconfigured for a difference, ChainUnreachable where it can't be read."""
    token = await chain.token(asset)
    what, fix = token_fault(asset, token)
    if what:
        raise Misconfigured(what, advice=fix)
    return token
