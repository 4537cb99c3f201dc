"""A token's own word, over JSON-RPC: in one batch, and call by call where it lacks a function."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi import encode

from payer.chain.chain import TokenData
from payer.chain.server import DECIMALS, DOMAIN_SEPARATOR, NAME, VERSION
from payer.values.errors import ChainUnreachable
from tests.payer.chain.chain_reads import ASSET, ask
from tests.payer.chain.fake_chain import FakeChain

REVERTS = object()
WORDS = {
    DECIMALS: "0x" + f"{6:064x}",
    NAME: "0x" + encode(["string"], ["USD Coin"]).hex(),
    VERSION: "0x" + encode(["string"], ["2"]).hex(),
    DOMAIN_SEPARATOR: "0x" + "cd" * 32,
}
HONEST = TokenData(6, "USD Coin", "2", b"\xcd" * 32)


def read(**answers: Any) -> TokenData:
    """Read a token whose functions, by name, answer otherwise."""
    names = {"decimals": DECIMALS, "name": NAME, "version": VERSION, "separator": DOMAIN_SEPARATOR}
    words = {**WORDS, **{names[name]: value for name, value in answers.items()}}

    def lie(method: str, params: list[Any], honest: Any) -> Any:
        if method != "eth_call":
            return honest
        if words[params[0]["data"]] is REVERTS:
            raise ValueError("execution reverted")
        return words[params[0]["data"]]

    return ask(FakeChain(lie=lie), lambda chain: chain.token(ASSET))


def test_a_token_is_read_in_two_requests() -> None:
    assert read() == HONEST


CASES = {
    "no version()": ({"version": REVERTS}, TokenData(6, "USD Coin", None, b"\xcd" * 32)),
    "an empty answer": ({"version": "0x"}, TokenData(6, "USD Coin", None, b"\xcd" * 32)),
    "no DOMAIN_SEPARATOR()": ({"separator": REVERTS}, TokenData(6, "USD Coin", "2", None)),
    "a name in 32 bytes": ({"name": "0x" + "41" * 32}, TokenData(6, None, "2", b"\xcd" * 32)),
    "a name that is cut": ({"name": WORDS[NAME][:-64]}, TokenData(6, None, "2", b"\xcd" * 32)),
    "a name that is not text": ({"name": WORDS[NAME].replace("55", "ff")}, TokenData(6, None, "2", b"\xcd" * 32)),
}


@pytest.mark.parametrize(("answers", "token"), CASES.values(), ids=CASES)
def test_what_a_token_does_not_say_is_unknown(answers: dict[str, Any], token: TokenData) -> None:
    assert read(**answers) == token


@pytest.mark.parametrize("decimals", ["0x", REVERTS, "0x" + "f" * 64, "0x06"])
def test_without_decimals_nothing_is_known(decimals: Any) -> None:
    with pytest.raises(ChainUnreachable):
        read(decimals=decimals)
