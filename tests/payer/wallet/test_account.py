"""A wallet with code: a contract is refused before anything is signed; a delegate is asked (EIP-7702, EIP-1271)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from payer.buy.approve import approve
from payer.chain.chain import ChainReader
from payer.context import PayerContext
from payer.values.chain_view import NonceState
from payer.values.errors import Misconfigured, PayerError
from payer.values.terms import Quote
from payer.wallet.checks import check_account, expired_authorization, is_valid_signature
from payer.wallet.eip3009 import Wallet, digest
from tests.payer import purchases as p
from tests.payer import scripted as s

WALLET = Wallet(b"\x11" * 32)
DELEGATE = "0x63c0c19a282a1B52b07dD5a65b58948A07DAE32B"
DELEGATION = bytes.fromhex("ef0100" + DELEGATE[2:])
YES = "0x1626ba7e" + "00" * 28
NO = "0xffffffff" + "00" * 28


def chain(**said: object) -> s.ScriptedChain:
    return s.ScriptedChain(lambda: s.chain_view(NonceState.UNUSED), **said)  # type: ignore[arg-type]


def checked(chain: ChainReader) -> str:
    return asyncio.run(check_account(chain, WALLET, p.USDC))


def test_an_address_without_code_pays_and_is_asked_nothing() -> None:
    plain = chain()
    assert checked(plain) == ""
    assert plain.asked == []


@pytest.mark.parametrize("code", [b"\x60\x80" * 40, DELEGATION + b"\0", b"\xef\x01\x01" + DELEGATION[3:], b"\xfe"])
def test_a_wallet_contract_is_refused_and_told_why(code: bytes) -> None:
    with pytest.raises(Misconfigured) as caught:
        checked(contract := chain(code_at=code, says_of_signatures=YES))
    assert "wallet contract (EIP-1271)" in caught.value.what
    assert "Nothing was signed" in caught.value.what
    assert "key's own address" in caught.value.fix
    assert contract.asked == []


def test_a_delegate_that_accepts_the_keys_signature_pays() -> None:
    assert checked(chain(code_at=DELEGATION, says_of_signatures=YES)) == DELEGATE


@pytest.mark.parametrize("answer", [None, NO, "0x", "0x1626ba7e", YES + "00" * 32, "0x" + "00" * 31 + "01"])
def test_a_delegate_that_says_anything_else_is_refused(answer: str | None) -> None:
    with pytest.raises(Misconfigured) as caught:
        checked(chain(code_at=DELEGATION, says_of_signatures=answer))
    assert DELEGATE in caught.value.what
    assert "end the delegation" in caught.value.fix


def test_a_delegate_is_asked_with_a_signature_that_can_move_nothing() -> None:
    asked = chain(code_at=DELEGATION, says_of_signatures=YES)
    checked(asked)
    harmless = expired_authorization(p.USDC, WALLET.address)
    assert harmless.valid_before == 1
    assert asked.asked == [(WALLET.address, is_valid_signature(digest(harmless), WALLET.sign(harmless)))]


def test_the_question_is_encoded_as_the_abi_has_it() -> None:
    encoded = is_valid_signature(b"\xaa" * 32, "0x" + "bb" * 65)
    words = [encoded[10:][i : i + 64] for i in range(0, len(encoded) - 10, 64)]
    assert encoded[:10] == "0x1626ba7e"
    assert words == ["aa" * 32, f"{64:064x}", f"{65:064x}", "bb" * 32, "bb" * 32, "bb" + "00" * 31]


def refused(context: PayerContext) -> PayerError:
    order = s.order()
    quote = Quote(order.request.endpoint, "s", p.terms(), context.clock.now())
    with pytest.raises(PayerError) as caught:
        asyncio.run(approve(context, p.run(), [order], {order.request.endpoint: quote}))
    return caught.value


def test_nothing_is_reserved_for_a_wallet_contract(tmp_path: Path) -> None:
    """Before the first signature of a process; the same check as in `tollbook doctor`."""
    seller = s.ScriptedSeller([s.challenge()])
    context = s.context(tmp_path, seller, chain(code_at=b"\x60\x80"))
    assert isinstance(refused(context), Misconfigured)
    assert context.ledger.purchases() == []
    assert seller.headers == []
