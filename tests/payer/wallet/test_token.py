"""Policy's asset beside the token's contract: a difference is refused before anything is signed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from payer.chain.chain import TokenData
from payer.payer import Payer
from payer.values.chain_view import NonceState
from payer.values.errors import Misconfigured
from payer.values.money import Asset
from payer.wallet.checks import token_fault
from payer.wallet.eip3009 import domain_separator
from tests.payer import purchases as p
from tests.payer import scripted as s

SEPARATOR = domain_separator(p.USDC)
HONEST = TokenData(6, "USD Coin", "2", SEPARATOR)
OTHER = b"\xcd" * 32

FINE: dict[str, TokenData] = {
    "all equal": HONEST,
    "no version(), the domain decides": replace(HONEST, version=None),
    "neither name() nor version()": replace(HONEST, name=None, version=None),
    "a name() that is not the domain's": replace(HONEST, name="USDC"),
    "no DOMAIN_SEPARATOR()": replace(HONEST, domain_separator=None),
}
WRONG: dict[str, tuple[TokenData, str, str]] = {
    "decimals": (replace(HONEST, decimals=18), "decimals() is 18", "write decimals = 18"),
    "name": (TokenData(6, "USDC", "2", OTHER), "eip712_name", "'USDC'"),
    "version": (TokenData(6, "USD Coin", "1", OTHER), "eip712_version", "'1'"),
    "domain alone": (TokenData(6, "USD Coin", "2", OTHER), "another EIP-712 domain", "chain_id"),
    "domain, and no name": (TokenData(6, None, None, OTHER), "another EIP-712 domain", "address"),
    "name without a domain": (TokenData(6, "USDC", "2", None), "eip712_name", "'USDC'"),
    "nothing to compare": (TokenData(6, "USD Coin", None, None), "another EIP-712 domain", "address"),
}


@pytest.mark.parametrize("token", FINE.values(), ids=FINE)
def test_a_token_that_takes_our_signatures_passes(token: TokenData) -> None:
    assert token_fault(p.USDC, token) == ("", "")


@pytest.mark.parametrize(("token", "says", "fix"), WRONG.values(), ids=WRONG)
def test_a_token_that_differs_is_named_with_the_key_and_the_fix(token: TokenData, says: str, fix: str) -> None:
    what, advice = token_fault(p.USDC, token)
    assert "assets.USDC" in what
    assert says in what
    assert fix in advice


def desk(says: TokenData | None) -> tuple[Payer, s.ScriptedSeller, s.ScriptedChain]:
    seller = s.ScriptedSeller([s.challenge()])
    chain = s.ScriptedChain(lambda: s.chain_view(NonceState.UNUSED, final_time=int(p.NOW.timestamp())), says=says)
    return Payer(s.context(None, seller, chain)), seller, chain


def approve(at: Payer, number: int) -> Any:
    async def work() -> Any:
        order = s.order(number)
        return await at.approve(p.run(), [order], await at.quote([order]))

    return asyncio.run(work())


def test_nothing_is_reserved_or_signed_for_a_token_with_other_decimals() -> None:
    """18 for a 6-decimals token would make every cap 10^12 too wide."""
    at, seller, _ = desk(replace(HONEST, decimals=18))
    with pytest.raises(Misconfigured, match=r"assets\.USDC\.decimals is 6"):
        approve(at, 1)
    assert (at.context.ledger.purchases(), seller.payments) == ([], [])


def test_a_token_is_read_once_in_a_process_and_again_after_a_refusal() -> None:
    at, _, chain = desk(None)
    for number in range(3):
        approve(at, number)
    assert chain.token_reads == 1
    wrong, _, asked = desk(replace(HONEST, decimals=18))
    for number in range(2):
        with pytest.raises(Misconfigured):
            approve(wrong, number)
    assert asked.token_reads == 2


def test_another_asset_at_the_same_address_is_another_token_to_read() -> None:
    other = Asset("USDC", 31337, p.USDC.address, "USD Coin", "2", 18)
    assert token_fault(other, HONEST)[0]
