"""The code at an address, and what a contract answers: unknown is never "no code" (I9)."""

from __future__ import annotations

from typing import Any

import pytest

from payer.values.errors import ChainUnreachable
from tests.payer.chain.chain_reads import ASSET, ask
from tests.payer.chain.fake_chain import FakeChain
from tests.payer.offers import WALLET


def code(address: str, answer: Any = None) -> bytes:
    def lie(method: str, _params: list[Any], honest: Any) -> Any:
        return answer if answer is not None and method == "eth_getCode" else honest

    return ask(FakeChain(lie=lie), lambda chain: chain.code(address))


def asked(answer: Any) -> str | None:
    def lie(method: str, _params: list[Any], honest: Any) -> Any:
        if isinstance(answer, Exception) and method == "eth_call":
            raise answer
        return answer if method == "eth_call" else honest

    return ask(FakeChain(lie=lie), lambda chain: chain.ask(WALLET.address, "0x1626ba7e"))


def test_a_key_has_no_code_and_a_contract_has() -> None:
    assert code(WALLET.address) == b""
    assert code(ASSET.address) == b"\x60\x80"


@pytest.mark.parametrize("answer", ["", "0x6", "60", "0xzz", 7, [], {}])
def test_what_is_no_code_is_not_read_as_none(answer: object) -> None:
    with pytest.raises(ChainUnreachable, match="eth_getCode"):
        code(WALLET.address, answer)


def test_the_code_of_another_chain_says_nothing() -> None:
    with pytest.raises(ChainUnreachable, match="serves chain"):
        ask(FakeChain(chain_id=1), lambda chain: chain.code(WALLET.address))


def test_a_contracts_answer_is_handed_on() -> None:
    assert asked("0x1626ba7e" + "00" * 28) == "0x1626ba7e" + "00" * 28


@pytest.mark.parametrize("answer", ["0x", None, 7, ValueError("execution reverted")])
def test_a_revert_and_silence_are_no_answer(answer: object) -> None:
    assert asked(answer) is None
