"""Many reads in one call: encoded as the contract reads them, and repeated one by one where it fails."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi import encode
from eth_utils import keccak

from payer.chain import nonces
from payer.values.errors import ChainUnreachable
from tests.payer.chain.chain_reads import look
from tests.payer.chain.fake_chain import FakeChain
from tests.payer.offers import USDC

SIX = tuple("0x" + f"{number:064x}" for number in range(1, 7))


class TestManyReadsInOneCall:
    def test_what_is_sent_and_read_is_what_the_contracts_own_encoding_says(self) -> None:
        datas = [b"\x01" * 68, b"\x02" * 36, b"\x03" * 4]
        selector = keccak(text="tryAggregate(bool,(address,bytes)[])")[:4]
        arguments = encode(["bool", "(address,bytes)[]"], [True, [(USDC, data) for data in datas]])
        assert nonces.encode_multicall(USDC, datas) == "0x" + (selector + arguments).hex()
        words = [bytes([number]) * 32 for number in range(5)]
        answer = "0x" + encode(["(bool,bytes)[]"], [[(True, word) for word in words]]).hex()
        assert nonces.decode_multicall(answer, 5) == ["0x" + word.hex() for word in words]

    @pytest.mark.parametrize(
        "answer",
        [
            encode(["(bool,bytes)[]"], [[(True, b"\0" * 32)] * 5]),
            encode(["(bool,bytes)[]"], [[(True, b"\0" * 32)] * 7]),
            encode(["(bool,bytes)[]"], [[(True, b"\0" * 32)] * 5 + [(False, b"")]]),
            encode(["(bool,bytes)[]"], [[(True, b"\0" * 31)] * 6]),
            encode(["(bool,bytes)[]"], [[(True, b"\0" * 32)] * 6])[:-40],
            b"\xff" * 640,
            b"\x01",
        ],
        ids=["too few", "too many", "one failed", "short words", "cut short", "wild offsets", "one byte"],
    )
    def test_a_garbled_answer_is_unknown(self, answer: bytes) -> None:
        def lie(method: str, params: list[Any], result: Any) -> Any:
            asked = method == "eth_call" and params[0]["to"] == nonces.MULTICALL3
            return "0x" + answer.hex() if asked else result

        with pytest.raises(ChainUnreachable, match="multicall can't be decoded"):
            look(FakeChain(lie=lie), *SIX)

    def test_where_the_contract_fails_the_reads_go_one_by_one(self) -> None:
        def lie(method: str, params: list[Any], result: Any) -> Any:
            if method == "eth_call" and params[0]["to"] == nonces.MULTICALL3:
                raise ValueError("out of gas")
            return result

        fake = FakeChain(lie=lie)
        fake.settle(SIX[0], 950)
        assert [view.state.value for view in look(fake, *SIX).values()] == ["used"] + ["unused"] * 5
