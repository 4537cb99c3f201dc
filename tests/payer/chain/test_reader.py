"""Reads of the chain: pinned, proven by logs and receipts, and unknown when the server lies or lags (I9)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

import pytest

from payer.chain.chain import Account, Head
from payer.chain.reader import RpcChain
from payer.values.chain_view import NonceState
from payer.values.errors import ChainUnreachable
from tests.payer.chain.chain_reads import ASSET, NONCE, ask, one, unreachable
from tests.payer.chain.fake_chain import FakeChain
from tests.payer.loopback import OwnClock, serving
from tests.payer.offers import PAYEE, POLICY_TOML, STRANGER, USDC, WALLET, policy


class TestStates:
    def test_an_unused_nonce_is_unused_at_both_blocks(self) -> None:
        fake = FakeChain()
        view = one(fake)
        assert (view.state, view.state_final, view.settlement) == (NonceState.UNUSED, NonceState.UNUSED, None)
        assert (view.head_number, view.head_time) == (1000, fake.time_of(1000))
        assert (view.final_number, view.final_time) == (990, fake.time_of(990))

    def test_a_settled_nonce_comes_with_its_settlement(self) -> None:
        fake = FakeChain()
        tx_hash = fake.settle(NONCE, 950, value=17_000)
        view = one(fake)
        assert (view.state, view.state_final) == (NonceState.USED, NonceState.USED)
        assert view.settlement is not None
        assert (view.settlement.tx_hash, view.settlement.block_number) == (tx_hash, 950)
        assert (view.settlement.pay_to, view.settlement.value, view.settlement.final) == (PAYEE, 17_000, True)
        assert view.settlement.block_time == datetime.fromtimestamp(fake.time_of(950), UTC)
        assert view.settlement.block_hash == fake.hash_of(950)

    def test_a_settlement_after_the_final_block_is_not_final(self) -> None:
        fake = FakeChain()
        fake.settle(NONCE, 995)
        view = one(fake)
        assert (view.state, view.state_final) == (NonceState.USED, NonceState.UNUSED)
        assert view.settlement is not None
        assert not view.settlement.final

    def test_a_cancelled_nonce_is_never_passed_off_as_paid(self) -> None:
        fake = FakeChain()
        fake.cancel(NONCE, 950)
        view = one(fake)
        assert (view.state, view.state_final) == (NonceState.CANCELLED, NonceState.CANCELLED)
        assert view.settlement is None

    def test_a_cancellation_after_the_final_block_is_not_final(self) -> None:
        fake = FakeChain()
        fake.cancel(NONCE, 995)
        view = one(fake)
        assert (view.state, view.state_final) == (NonceState.CANCELLED, NonceState.UNUSED)

    def test_every_state_is_read_at_a_pinned_block(self) -> None:
        fake = FakeChain()
        one(fake)
        blocks = {params[1] for method, params in fake.calls if method == "eth_call"}
        assert blocks == {hex(1000), hex(990)}

    def test_one_read_is_enough_where_the_head_is_the_final_block(self) -> None:
        fake = FakeChain(final=1000)
        view = one(fake, network="")
        assert view.final_number == view.head_number
        assert sum(method == "eth_call" for method, _ in fake.calls) == 1

    @pytest.mark.parametrize(
        ("start", "happened", "blocks"),
        [
            (None, "nothing", [1000]),
            (900, "nothing", [1000, 990]),
            (900, "settled", [1000]),
            (900, "cancelled", [1000, 990]),
        ],
        ids=["never-signed", "signed-and-unused", "paid", "cancelled"],
    )
    def test_the_final_block_is_read_only_where_something_hangs_on_it(
        self, start: int | None, happened: str, blocks: list[int]
    ) -> None:
        fake = FakeChain()
        if happened == "settled":
            fake.settle(NONCE, 950)
        if happened == "cancelled":
            fake.cancel(NONCE, 950)
        one(fake, start=start)
        assert [params[1] for method, params in fake.calls if method == "eth_call"] == [hex(at) for at in blocks]

    @pytest.mark.parametrize("finality", ["latest", "safe", "finalized"])
    def test_the_final_block_is_the_one_that_policy_names(self, finality: str) -> None:
        fake = FakeChain()
        text = POLICY_TOML.replace('finality = "safe"', f'finality = "{finality}"')

        async def run() -> Head:
            async with serving(fake.serve) as server:
                rules = policy(text.replace('"https://mainnet.base.org"', f'"{server.url}"'))
                clock = OwnClock()
                clock.time = datetime.fromtimestamp(fake.time_of(fake.head), UTC)
                chain = RpcChain(rules, clock)
                head = await chain.head()
                await chain.aclose()
                return head

        assert asyncio.run(run()).final_number == (1000 if finality == "latest" else 990)


class TestMissingProof:
    """A used nonce without its log and receipt is USED: neither paid nor cancelled is claimed."""

    def unproven(self, fake: FakeChain, **settings: Any) -> None:
        view = one(fake, **settings)
        assert (view.state, view.settlement) == (NonceState.USED, None)

    def test_logs_omitted(self) -> None:
        fake = FakeChain(lie=lambda method, _params, result: [] if method == "eth_getLogs" else result)
        fake.settle(NONCE, 950)
        self.unproven(fake)

    def test_a_receipt_that_is_null(self) -> None:
        fake = FakeChain(lie=lambda method, _params, result: None if "Receipt" in method else result)
        fake.settle(NONCE, 950)
        self.unproven(fake)

    def test_a_receipt_of_a_reverted_transaction(self) -> None:
        def lie(method: str, _params: list[Any], result: Any) -> Any:
            return {**result, "status": "0x0"} if "Receipt" in method else result

        fake = FakeChain(lie=lie)
        fake.settle(NONCE, 950)
        self.unproven(fake)

    def test_a_receipt_without_the_log(self) -> None:
        def lie(method: str, _params: list[Any], result: Any) -> Any:
            return {**result, "logs": result["logs"][1:]} if "Receipt" in method else result

        fake = FakeChain(lie=lie)
        fake.settle(NONCE, 950)
        self.unproven(fake)

    def test_a_receipt_without_a_transfer(self) -> None:
        fake = FakeChain()
        fake.mine(950, fake.used(NONCE))
        self.unproven(fake)

    def test_a_transfer_of_somebody_else_beside_the_log(self) -> None:
        fake = FakeChain()
        fake.mine(950, fake.used(NONCE), fake.transfer(20_000, sender=STRANGER))
        self.unproven(fake)

    def test_a_transfer_of_another_token_beside_the_log(self) -> None:
        fake = FakeChain()
        tx_hash = fake.mine(950, fake.used(NONCE))
        foreign = fake._log(950, tx_hash, fake.transfer(20_000), STRANGER)
        fake.receipts[tx_hash]["logs"].append(foreign)
        self.unproven(fake)

    @pytest.mark.parametrize("field", ["blockHash"])
    def test_a_receipt_of_a_block_that_the_chain_dropped(self, field: str) -> None:
        def lie(method: str, _params: list[Any], result: Any) -> Any:
            return {**result, field: "0x" + "ee" * 32} if "Receipt" in method else result

        fake = FakeChain(lie=lie)
        fake.settle(NONCE, 950)
        self.unproven(fake)

    def test_a_log_removed_by_a_reorg(self) -> None:
        fake = FakeChain()
        fake.settle(NONCE, 950)
        for log in fake.logs:
            log["removed"] = True
        self.unproven(fake)

    def test_a_settlement_beyond_the_reach_of_the_search(self) -> None:
        fake = FakeChain(head=50_000, final=49_990)
        fake.settle(NONCE, 100)
        self.unproven(fake, start=None, network="lookback_blocks = 20000")


def _replacing(method: str, value: Any) -> FakeChain:
    fake = FakeChain(lie=lambda asked, _params, result: value if asked == method else result)
    fake.settle(NONCE, 950)
    return fake


def _in_block(**changes: Any) -> FakeChain:
    def lie(method: str, params: list[Any], result: Any) -> Any:
        return {**result, **changes} if method == "eth_getBlockByNumber" and params[0] == "safe" else result

    return FakeChain(lie=lie)


def _without_final() -> FakeChain:
    def lie(method: str, params: list[Any], result: Any) -> Any:
        return None if method == "eth_getBlockByNumber" and params[0] == "safe" else result

    return FakeChain(lie=lie)


def _contradicting() -> FakeChain:
    """Used at the final block, unused at the head: two servers of different mind behind one address."""

    def lie(method: str, params: list[Any], result: Any) -> Any:
        return "0x" + "0" * 64 if method == "eth_call" and params[1] == hex(1000) else result

    fake = FakeChain(lie=lie)
    fake.settle(NONCE, 950)
    return fake


LIES = {
    "another chain": (FakeChain(chain_id=84532), "serves chain 84532, policy names 8453"),
    "a chain id that is no number": (_replacing("eth_chainId", 8453), "eth_chainId is 8453"),
    "no head": (_replacing("eth_getBlockByNumber", None), "has no latest block"),
    "no final block": (_without_final(), "has no safe block"),
    "a final block newer than the head": (FakeChain(final=1001), "newer than its latest"),
    "a final block from the future": (_in_block(timestamp=hex(2**33)), "newer than its latest"),
    "a block without a number": (_in_block(number=None), "number is None"),
    "a block with a negative time": (_in_block(timestamp="-0x1"), "timestamp"),
    "state contradicting itself": (_contradicting(), "used in an older block and unused in a newer one"),
    "state that is no flag": (_replacing("eth_call", "0x" + "2".rjust(64, "0")), "authorizationState returned 2"),
    "state that is too short": (_replacing("eth_call", "0x1"), "a call returned"),
    "state that is a boolean": (_replacing("eth_call", True), "a call returned True"),
    "state that is null": (_replacing("eth_call", None), "a call returned None"),
    "no token at the address": (_replacing("eth_call", "0x"), "no token at the asset's address"),
    "logs that are no list": (_replacing("eth_getLogs", None), "eth_getLogs returned None"),
    "a log that is text": (_replacing("eth_getLogs", ["x"]), "a log is"),
    "a log without topics": (_replacing("eth_getLogs", [{"address": USDC}]), "no address or topics"),
    "a receipt without a status": (_replacing("eth_getTransactionReceipt", {}), "status is None"),
}


@pytest.mark.parametrize(("fake", "says"), LIES.values(), ids=LIES)
def test_a_server_that_lies_or_lags_leaves_everything_unknown(fake: FakeChain, says: str) -> None:
    assert says in unreachable(fake).what


class TestAge:
    def head(self, late: float, network: str = "") -> Head:
        return ask(FakeChain(), lambda chain: chain.head(), network, late)

    def test_an_old_head_is_believed_unless_policy_minds(self) -> None:
        """Proofs use block time, so an idle local chain or a frozen server only delays them."""
        assert self.head(late=86_400).number == 1000
        with pytest.raises(ChainUnreachable, match="86400 s old"):
            self.head(late=86_400, network="max_head_age = 600")

    def test_a_head_from_the_future_is_not_believed(self) -> None:
        """It would prove live payments dead. What is allowed is far below the shortest window that is signed."""
        assert self.head(late=-15).number == 1000
        with pytest.raises(ChainUnreachable, match="16 s ahead of this machine's clock"):
            self.head(late=-16)


def test_the_balance_is_read_in_atomic_units() -> None:
    assert ask(FakeChain(balance=123_456), lambda chain: chain.balance(ASSET, WALLET.address)) == 123_456


class TestAccount:
    """The wallet's balance before some blocks and after them, and the transfers in between."""

    def ask(self, fake: FakeChain, first: int = 900) -> Account | None:
        return ask(fake, lambda chain: chain.account(ASSET, WALLET.address, first, 990))

    def test_what_came_in_is_summed_and_what_went_out_is_not(self) -> None:
        fake = FakeChain(balance=70)
        fake.mine(950, fake.transfer(30, to=WALLET.address, sender=STRANGER), fake.transfer(5))
        fake.mine(899, fake.transfer(1, to=WALLET.address, sender=STRANGER))
        assert self.ask(fake) == Account(before=70, after=70, received=30)

    def test_before_the_first_block_nobody_holds_anything(self) -> None:
        assert self.ask(FakeChain(balance=70), first=0) == Account(before=0, after=70, received=0)

    def test_a_balance_from_before_the_token_was_there_is_none(self) -> None:
        fake = FakeChain(balance=70, lie=lambda _m, params, result: "0x" if params[-1] == hex(899) else result)
        assert self.ask(fake) == Account(before=0, after=70, received=0)

    def test_a_server_that_keeps_no_old_balances_gives_none(self) -> None:
        def pruned(_method: str, params: list[Any], result: Any) -> Any:
            if params[-1] == hex(899):
                raise ValueError("missing trie node")
            return result

        assert self.ask(FakeChain(lie=pruned)) is None


@pytest.mark.parametrize("question", ["balance", "token"])
def test_every_question_checks_which_chain_answers(question: str) -> None:
    def asked(chain: RpcChain) -> Awaitable[object]:
        return chain.balance(ASSET, WALLET.address) if question == "balance" else chain.token(ASSET)

    with pytest.raises(ChainUnreachable, match="serves chain 84532"):
        ask(FakeChain(chain_id=84532), asked)
