"""The chain's word: pinned, proven by logs and receipts, and unknown whenever the server lies, lags or breaks (I9)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from eth_abi import encode
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.payer.chain.paper_chain import PaperChain
from tests.payer.loopback import OwnClock, Wire, http, serving
from tests.payer.offers import PAYEE, POLICY_TOML, STRANGER, USDC, WALLET, policy
from tollbook.payer.chain import multicall
from tollbook.payer.chain.logs import PAGE_BLOCKS, read_log
from tollbook.payer.chain.reader import Account, Head, RpcChain, TransferOut
from tollbook.payer.chain.rpc import Rpc
from tollbook.payer.errors import ChainUnreachable
from tollbook.payer.types import ChainView, NonceState

T = TypeVar("T")
ASSET = policy().assets["USDC"]
NONCE = "0x" + "ab" * 32
OTHER = "0x" + "cd" * 32
LOG_FIELDS = ("address", "topics", "data", "blockNumber", "blockHash", "transactionHash", "logIndex", "removed")


def ask(paper: PaperChain, question: Callable[[RpcChain], Awaitable[T]], network: str = "", late: float = 5) -> T:
    """Ask a chain over a real socket; our clock is `late` seconds after its head."""

    async def run() -> T:
        async with serving(paper.serve) as server:
            text = POLICY_TOML.replace('"https://mainnet.base.org"', f'"{server.url}"\n{network}')
            clock = OwnClock()
            clock.time = datetime.fromtimestamp(paper.time_of(paper.head) + late, UTC)
            chain = RpcChain(policy(text), clock)
            try:
                return await question(chain)
            finally:
                await chain.aclose()

    return asyncio.run(run())


def look(paper: PaperChain, *nonces: str, start: int | None = 900, network: str = "") -> Mapping[str, ChainView]:
    starts = dict.fromkeys(nonces or (NONCE,), start)
    return ask(paper, lambda chain: chain.look(ASSET, WALLET.address, starts), network)


def one(paper: PaperChain, **settings: Any) -> ChainView:
    return look(paper, **settings)[NONCE]


def unreachable(paper: PaperChain, **settings: Any) -> ChainUnreachable:
    """Every lie ends as "unknown", never as a state."""
    with pytest.raises(ChainUnreachable) as caught:
        one(paper, **settings)
    return caught.value


class TestStates:
    def test_an_unused_nonce_is_unused_at_both_blocks(self) -> None:
        paper = PaperChain()
        view = one(paper)
        assert (view.state, view.state_final, view.settlement) == (NonceState.UNUSED, NonceState.UNUSED, None)
        assert (view.head_number, view.head_time) == (1000, paper.time_of(1000))
        assert (view.final_number, view.final_time) == (990, paper.time_of(990))

    def test_a_settled_nonce_comes_with_its_settlement(self) -> None:
        paper = PaperChain()
        tx_hash = paper.settle(NONCE, 950, value=17_000)
        view = one(paper)
        assert (view.state, view.state_final) == (NonceState.USED, NonceState.USED)
        assert view.settlement is not None
        assert (view.settlement.tx_hash, view.settlement.block_number) == (tx_hash, 950)
        assert (view.settlement.pay_to, view.settlement.value, view.settlement.final) == (PAYEE, 17_000, True)
        assert view.settlement.block_time == datetime.fromtimestamp(paper.time_of(950), UTC)
        assert view.settlement.block_hash == paper.hash_of(950)

    def test_a_settlement_after_the_final_block_is_not_final(self) -> None:
        paper = PaperChain()
        paper.settle(NONCE, 995)
        view = one(paper)
        assert (view.state, view.state_final) == (NonceState.USED, NonceState.UNUSED)
        assert view.settlement is not None
        assert not view.settlement.final

    def test_a_cancelled_nonce_is_never_passed_off_as_paid(self) -> None:
        paper = PaperChain()
        paper.cancel(NONCE, 950)
        view = one(paper)
        assert (view.state, view.state_final) == (NonceState.CANCELLED, NonceState.CANCELLED)
        assert view.settlement is None

    def test_a_cancellation_after_the_final_block_is_not_final(self) -> None:
        paper = PaperChain()
        paper.cancel(NONCE, 995)
        view = one(paper)
        assert (view.state, view.state_final) == (NonceState.CANCELLED, NonceState.UNUSED)

    def test_every_state_is_read_at_a_pinned_block(self) -> None:
        paper = PaperChain()
        one(paper)
        blocks = {params[1] for method, params in paper.calls if method == "eth_call"}
        assert blocks == {hex(1000), hex(990)}

    def test_one_read_is_enough_where_the_head_is_the_final_block(self) -> None:
        paper = PaperChain(final=1000)
        view = one(paper, network="")
        assert view.final_number == view.head_number
        assert sum(method == "eth_call" for method, _ in paper.calls) == 1

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
        paper = PaperChain()
        if happened == "settled":
            paper.settle(NONCE, 950)
        if happened == "cancelled":
            paper.cancel(NONCE, 950)
        one(paper, start=start)
        assert [params[1] for method, params in paper.calls if method == "eth_call"] == [hex(at) for at in blocks]

    @pytest.mark.parametrize("finality", ["latest", "safe", "finalized"])
    def test_the_final_block_is_the_one_that_policy_names(self, finality: str) -> None:
        paper = PaperChain()
        text = POLICY_TOML.replace('finality = "safe"', f'finality = "{finality}"')

        async def run() -> Head:
            async with serving(paper.serve) as server:
                rules = policy(text.replace('"https://mainnet.base.org"', f'"{server.url}"\nmax_head_ahead = 0'))
                chain = RpcChain(rules, OwnClock())
                head = await chain.head()
                await chain.aclose()
                return head

        assert asyncio.run(run()).final_number == (1000 if finality == "latest" else 990)


class TestMissingProof:
    """A used nonce without its log and receipt is USED: neither paid nor cancelled is claimed."""

    def unproven(self, paper: PaperChain, **settings: Any) -> None:
        view = one(paper, **settings)
        assert (view.state, view.settlement) == (NonceState.USED, None)

    def test_logs_omitted(self) -> None:
        paper = PaperChain(lie=lambda method, _params, result: [] if method == "eth_getLogs" else result)
        paper.settle(NONCE, 950)
        self.unproven(paper)

    def test_a_receipt_that_is_null(self) -> None:
        paper = PaperChain(lie=lambda method, _params, result: None if "Receipt" in method else result)
        paper.settle(NONCE, 950)
        self.unproven(paper)

    def test_a_receipt_of_a_reverted_transaction(self) -> None:
        def lie(method: str, _params: list[Any], result: Any) -> Any:
            return {**result, "status": "0x0"} if "Receipt" in method else result

        paper = PaperChain(lie=lie)
        paper.settle(NONCE, 950)
        self.unproven(paper)

    def test_a_receipt_without_the_log(self) -> None:
        def lie(method: str, _params: list[Any], result: Any) -> Any:
            return {**result, "logs": result["logs"][1:]} if "Receipt" in method else result

        paper = PaperChain(lie=lie)
        paper.settle(NONCE, 950)
        self.unproven(paper)

    def test_a_receipt_without_a_transfer(self) -> None:
        paper = PaperChain()
        paper.mine(950, paper.used(NONCE))
        self.unproven(paper)

    def test_a_transfer_of_somebody_else_beside_the_log(self) -> None:
        paper = PaperChain()
        paper.mine(950, paper.used(NONCE), paper.transfer(20_000, sender=STRANGER))
        self.unproven(paper)

    def test_a_transfer_of_another_token_beside_the_log(self) -> None:
        paper = PaperChain()
        tx_hash = paper.mine(950, paper.used(NONCE))
        foreign = paper._log(950, tx_hash, paper.transfer(20_000), STRANGER)
        paper.receipts[tx_hash]["logs"].append(foreign)
        self.unproven(paper)

    @pytest.mark.parametrize("field", ["blockHash"])
    def test_a_receipt_of_a_block_that_the_chain_dropped(self, field: str) -> None:
        def lie(method: str, _params: list[Any], result: Any) -> Any:
            return {**result, field: "0x" + "ee" * 32} if "Receipt" in method else result

        paper = PaperChain(lie=lie)
        paper.settle(NONCE, 950)
        self.unproven(paper)

    def test_a_log_removed_by_a_reorg(self) -> None:
        paper = PaperChain()
        paper.settle(NONCE, 950)
        for log in paper.logs:
            log["removed"] = True
        self.unproven(paper)

    def test_a_settlement_beyond_the_reach_of_the_search(self) -> None:
        paper = PaperChain(head=50_000, final=49_990)
        paper.settle(NONCE, 100)
        self.unproven(paper, start=None, network="lookback_blocks = 20000")


def _foreign(change: dict[str, Any]) -> PaperChain:
    """A chain whose server adds a log that was not asked for, changed thus, and whose nonce is unused."""
    paper = PaperChain()
    paper.settle(OTHER, 950)
    extra = {**paper.logs[0], "topics": [*paper.logs[0]["topics"][:2], NONCE], **change}
    paper.lie = lambda method, _params, result: [extra, *result] if method == "eth_getLogs" else result
    return paper


@pytest.mark.parametrize(
    "change",
    [{"address": STRANGER}, {"blockNumber": hex(10)}, {"removed": True}, {"topics": ["0x" + "11" * 32]}],
    ids=["another contract", "outside the page", "removed", "another event"],
)
def test_a_log_that_was_not_asked_for_proves_nothing(change: dict[str, Any]) -> None:
    views = look(_foreign(change), NONCE, OTHER)
    assert (views[NONCE].state, views[NONCE].settlement) == (NonceState.UNUSED, None)
    assert views[OTHER].settlement is not None


def test_logs_that_come_twice_count_once() -> None:
    paper = PaperChain(lie=lambda method, _params, result: result * 2 if method == "eth_getLogs" else result)
    paper.settle(NONCE, 950)
    settlement = one(paper).settlement
    assert settlement is not None
    assert len(ask(paper, lambda chain: chain.transfers(ASSET, WALLET.address, 0, 1000))) == 1


class TestSeveralInOneTransaction:
    """A facilitator may batch: each authorization keeps its own transfer."""

    def test_each_nonce_gets_the_transfer_that_follows_it(self) -> None:
        paper = PaperChain()
        paper.mine(950, paper.used(NONCE), paper.transfer(1), paper.used(OTHER), paper.transfer(2, STRANGER))
        views = look(paper, NONCE, OTHER)
        values = {
            name: (view.settlement.value, view.settlement.pay_to) for name, view in views.items() if view.settlement
        }
        assert values == {NONCE: (1, PAYEE), OTHER: (2, STRANGER)}

    def test_a_token_that_transfers_first_is_understood(self) -> None:
        paper = PaperChain()
        paper.mine(950, paper.transfer(7), paper.used(NONCE))
        settlement = one(paper).settlement
        assert settlement is not None
        assert settlement.value == 7

    def test_a_plain_transfer_before_is_not_taken_for_the_payment(self) -> None:
        paper = PaperChain()
        paper.mine(950, paper.transfer(9, STRANGER), paper.used(NONCE), paper.transfer(1))
        settlement = one(paper).settlement
        assert settlement is not None
        assert (settlement.value, settlement.pay_to) == (1, PAYEE)


class TestSearch:
    def test_a_nonce_is_searched_from_the_block_it_was_signed_at(self) -> None:
        paper = PaperChain(head=100_000, final=99_990)
        paper.settle(NONCE, 50_010)
        assert one(paper, start=50_000).settlement is not None
        pages = [params[0] for method, params in paper.calls if method == "eth_getLogs"]
        assert [int(page["fromBlock"], 16) for page in pages] == [50_000]

    def test_a_nonce_whose_block_is_lost_is_searched_from_the_head_down(self) -> None:
        paper = PaperChain(head=100_000, final=99_990)
        paper.settle(NONCE, 85_000)
        assert one(paper, start=None).settlement is not None
        pages = [int(params[0]["toBlock"], 16) for method, params in paper.calls if method == "eth_getLogs"]
        assert pages == sorted(pages, reverse=True)
        assert 2 <= len(pages) <= 3

    def test_no_page_is_wider_than_servers_allow(self) -> None:
        paper = PaperChain(head=100_000, final=99_990)
        paper.settle(NONCE, 60_000)
        one(paper, start=None)
        for method, params in paper.calls:
            if method == "eth_getLogs":
                width = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1
                assert 1 <= width <= PAGE_BLOCKS

    def test_a_page_that_the_server_finds_too_large_is_halved(self) -> None:
        paper = PaperChain(head=20_000, final=19_990, widest_page=1000)
        paper.settle(NONCE, 15_000)
        assert one(paper, start=12_000).settlement is not None

    @pytest.mark.parametrize(("multicall", "posts"), [(True, 22), (False, 42)])
    def test_a_thousand_nonces_cost_a_few_round_trips(self, multicall: bool, posts: int) -> None:
        names = ["0x" + f"{number:064x}" for number in range(1, 1001)]
        paper = PaperChain(multicall=multicall)
        for number, name in enumerate(names):
            if number % 2:
                paper.settle(name, 950 + number % 40)
        views = look(paper, *names)
        assert sum(view.settlement is not None for view in views.values()) == 500
        assert {name for name, view in views.items() if view.state is NonceState.UNUSED} == set(names[::2])
        assert max(paper.sizes) <= 100
        assert paper.posts <= posts

    def test_the_size_of_a_batch_is_policys(self) -> None:
        paper = PaperChain(multicall=False)
        look(paper, *("0x" + f"{number:064x}" for number in range(25)), network="rpc_batch = 10")
        assert max(paper.sizes) == 10


SIX = tuple("0x" + f"{number:064x}" for number in range(1, 7))


class TestManyReadsInOneCall:
    def test_what_is_sent_and_read_is_what_the_contracts_own_encoding_says(self) -> None:
        datas = [b"\x01" * 68, b"\x02" * 36, b"\x03" * 4]
        selector = keccak(text="tryAggregate(bool,(address,bytes)[])")[:4]
        arguments = encode(["bool", "(address,bytes)[]"], [True, [(USDC, data) for data in datas]])
        assert multicall.encode(USDC, datas) == "0x" + (selector + arguments).hex()
        words = [bytes([number]) * 32 for number in range(5)]
        answer = "0x" + encode(["(bool,bytes)[]"], [[(True, word) for word in words]]).hex()
        assert multicall.decode(answer, 5) == ["0x" + word.hex() for word in words]

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
            asked = method == "eth_call" and params[0]["to"] == multicall.MULTICALL3
            return "0x" + answer.hex() if asked else result

        with pytest.raises(ChainUnreachable, match="garbled"):
            look(PaperChain(lie=lie), *SIX)

    def test_where_the_contract_fails_the_reads_go_one_by_one(self) -> None:
        def lie(method: str, params: list[Any], result: Any) -> Any:
            if method == "eth_call" and params[0]["to"] == multicall.MULTICALL3:
                raise ValueError("out of gas")
            return result

        paper = PaperChain(lie=lie)
        paper.settle(SIX[0], 950)
        assert [view.state.value for view in look(paper, *SIX).values()] == ["used"] + ["unused"] * 5


def _replacing(method: str, value: Any) -> PaperChain:
    paper = PaperChain(lie=lambda asked, _params, result: value if asked == method else result)
    paper.settle(NONCE, 950)
    return paper


def _in_block(**changes: Any) -> PaperChain:
    def lie(method: str, params: list[Any], result: Any) -> Any:
        return {**result, **changes} if method == "eth_getBlockByNumber" and params[0] == "safe" else result

    return PaperChain(lie=lie)


def _without_final() -> PaperChain:
    def lie(method: str, params: list[Any], result: Any) -> Any:
        return None if method == "eth_getBlockByNumber" and params[0] == "safe" else result

    return PaperChain(lie=lie)


def _contradicting() -> PaperChain:
    """Used at the final block, unused at the head: two servers of different mind behind one address."""

    def lie(method: str, params: list[Any], result: Any) -> Any:
        return "0x" + "0" * 64 if method == "eth_call" and params[1] == hex(1000) else result

    paper = PaperChain(lie=lie)
    paper.settle(NONCE, 950)
    return paper


LIES = {
    "another chain": (PaperChain(chain_id=84532), "serves chain 84532, policy names 8453"),
    "a chain id that is no number": (_replacing("eth_chainId", 8453), "eth_chainId is 8453"),
    "no head": (_replacing("eth_getBlockByNumber", None), "has no latest block"),
    "no final block": (_without_final(), "has no safe block"),
    "a final block newer than the head": (PaperChain(final=1001), "newer than its latest"),
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


@pytest.mark.parametrize(("paper", "says"), LIES.values(), ids=LIES)
def test_a_server_that_lies_or_lags_leaves_everything_unknown(paper: PaperChain, says: str) -> None:
    assert says in unreachable(paper).what


def _batch(*entries: Any) -> bytes:
    return http(200, json.dumps(entries).encode())


GOOD_ENTRY = {"jsonrpc": "2.0", "id": 0, "result": "0x2105"}
BROKEN = {
    "a 500": http(500, b"oops"),
    "a 429": http(429, b""),
    "a redirect": http(302, b"", {"location": "http://127.0.0.1:1/"}),
    "not JSON": http(200, b"<html>"),
    "an empty body": http(200, b""),
    "half a body": http(200, b"[", length=1000),
    "an object": http(200, b'{"jsonrpc":"2.0","result":"0x1"}'),
    "a refused batch": http(200, b'{"jsonrpc":"2.0","error":{"code":-32600,"message":"no batches"},"id":null}'),
    "too few answers": _batch(GOOD_ENTRY),
    "one answer thrice": _batch(GOOD_ENTRY, GOOD_ENTRY, GOOD_ENTRY),
    "ids as text": _batch(*({**GOOD_ENTRY, "id": str(number)} for number in range(3))),
    "answers without results": _batch(*({"id": number} for number in range(3))),
    "text in the batch": _batch("x", "y", "z"),
    "duplicate keys": http(200, b'[{"id":0,"id":1}]'),
    "deep nesting": http(200, b"[" * 5000),
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_is_no_answer_leaves_everything_unknown(raw: bytes) -> None:
    error = unreachable(PaperChain(broken=[raw] * 10))
    assert "127.0.0.1" not in error.what, "an address may hold a provider's key"


RATE_LIMITED = http(200, b'{"jsonrpc":"2.0","error":{"code":-32005,"message":"rate limit"},"id":null}')


@pytest.mark.parametrize("raw", [http(500), http(429), http(200, b"[", length=9), RATE_LIMITED])
def test_a_server_that_stumbles_is_asked_again(raw: bytes) -> None:
    assert one(PaperChain(broken=[raw, raw])).state is NonceState.UNUSED


def test_a_lagging_server_behind_a_balancer_is_asked_again() -> None:
    """It doesn't know the pinned block yet and says so."""
    stumbles = iter([True, True, False])

    def lie(method: str, _params: list[Any], result: Any) -> Any:
        if method == "eth_call" and next(stumbles, False):
            raise ValueError("header not found")
        return result

    assert one(PaperChain(lie=lie)).state is NonceState.UNUSED


def test_a_read_that_is_refused_for_good_says_why() -> None:
    def lie(method: str, _params: list[Any], result: Any) -> Any:
        if method == "eth_call":
            raise ValueError("missing trie node \x1b[31m" + "x" * 500)
        return result

    error = unreachable(PaperChain(lie=lie))
    assert "missing trie node" in error.what
    assert error.what.isprintable()
    assert len(error.what) < 400


def test_no_server_at_all_is_unknown() -> None:
    async def run() -> None:
        text = POLICY_TOML.replace("https://mainnet.base.org", "http://127.0.0.1:1/s3cret")
        chain = RpcChain(policy(text), OwnClock())
        with pytest.raises(ChainUnreachable) as caught:
            await chain.head()
        await chain.aclose()
        assert "s3cret" not in str(caught.value)
        assert caught.value.exit_code == 6

    asyncio.run(run())


def test_a_server_that_never_answers_is_unknown_after_a_while() -> None:
    async def silent(wire: Wire) -> None:
        await wire.request()
        await asyncio.sleep(30)

    async def run() -> None:
        async with serving(silent) as server:
            rpc = Rpc(server.url, OwnClock(), timeout=0.1)
            with pytest.raises(ChainUnreachable, match=r"nothing whole within 0\.1 s"):
                await rpc.call([("eth_chainId", [])])
            await rpc.aclose()

    asyncio.run(run())


class TestAge:
    def head(self, late: float, network: str = "") -> Head:
        return ask(PaperChain(), lambda chain: chain.head(), network, late)

    def test_an_old_head_is_believed_unless_policy_minds(self) -> None:
        """Proofs use block time, so an idle local chain or a frozen server only delays them."""
        assert self.head(late=86_400).number == 1000
        with pytest.raises(ChainUnreachable, match="86400 s old"):
            self.head(late=86_400, network="max_head_age = 600")

    def test_a_head_from_the_future_is_not_believed(self) -> None:
        """It would prove live payments dead."""
        assert self.head(late=-100).number == 1000
        with pytest.raises(ChainUnreachable, match="150 s ahead of this machine's clock"):
            self.head(late=-150)


def _good_log() -> dict[str, Any]:
    paper = PaperChain()
    paper.settle(NONCE, 950)
    return paper.logs[1]


GOOD_LOG = _good_log()
HEX = st.sampled_from(["0x0", "0x1", "0x3e8", "0x" + "ab" * 32, "0x", "0x-1", "", USDC, NONCE])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | HEX | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(LOG_FIELDS), inner, max_size=6),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None)
@given(JSON, st.sampled_from(LOG_FIELDS), JSON)
def test_any_log_is_a_log_or_nothing_or_unbelievable(entry: Any, field: str, value: Any) -> None:
    """I9: whatever a server writes, the only error is ChainUnreachable."""
    for candidate in (entry, {**GOOD_LOG, field: value}):
        with contextlib.suppress(ChainUnreachable):
            log = read_log(candidate, ASSET)
            assert log is None or (log.value >= 0 and len(log.topics) == 3)


class TestTransfers:
    def transfers(self, paper: PaperChain, first: int = 0, last: int = 1000) -> list[TransferOut]:
        return ask(paper, lambda chain: chain.transfers(ASSET, WALLET.address, first, last))

    def test_every_transfer_out_is_listed_with_the_nonce_that_authorized_it(self) -> None:
        paper = PaperChain()
        paid = paper.settle(NONCE, 100, value=5)
        plain = paper.mine(200, paper.transfer(6, STRANGER))
        batch = paper.mine(150, paper.used(OTHER), paper.transfer(7), paper.transfer(8, STRANGER))
        found = [(out.tx_hash, out.block_number, out.value, out.nonce) for out in self.transfers(paper)]
        assert found == [(paid, 100, 5, NONCE), (batch, 150, 7, OTHER), (batch, 150, 8, None), (plain, 200, 6, None)]

    def test_transfers_in_and_of_others_are_not_listed(self) -> None:
        paper = PaperChain()
        paper.mine(100, paper.transfer(5, WALLET.address, sender=STRANGER))
        paper.mine(100, paper.transfer(5), address=STRANGER)
        assert self.transfers(paper) == []

    def test_both_ends_are_included_and_nothing_beyond(self) -> None:
        paper = PaperChain()
        for block in (99, 100, 101, 199, 200, 201):
            paper.mine(block, paper.transfer(block))
        assert [out.block_number for out in self.transfers(paper, 100, 200)] == [100, 101, 199, 200]

    def test_many_pages_are_one_list(self) -> None:
        paper = PaperChain(head=40_000, final=39_990)
        for block in (0, 8_999, 9_000, 17_999, 18_000, 39_999):
            paper.mine(block, paper.transfer(1))
        assert [out.block_number for out in self.transfers(paper, 0, 40_000)] == [0, 8999, 9000, 17999, 18000, 39999]

    def test_a_cancelled_authorization_is_no_transfer(self) -> None:
        paper = PaperChain()
        paper.cancel(NONCE, 100)
        assert self.transfers(paper) == []


def test_the_balance_is_read_in_atoms() -> None:
    assert ask(PaperChain(balance=123_456), lambda chain: chain.balance(ASSET, WALLET.address)) == 123_456


def test_the_tokens_own_domain_can_be_compared_with_ours() -> None:
    assert ask(PaperChain(), lambda chain: chain.domain_separator(ASSET)) == b"\xcd" * 32


class TestAccount:
    """What the wallet held before some blocks and after them, and what came in between."""

    def ask(self, paper: PaperChain, first: int = 900) -> Account | None:
        return ask(paper, lambda chain: chain.account(ASSET, WALLET.address, first, 990))

    def test_what_came_in_is_summed_and_what_went_out_is_not(self) -> None:
        paper = PaperChain(balance=70)
        paper.mine(950, paper.transfer(30, to=WALLET.address, sender=STRANGER), paper.transfer(5))
        paper.mine(899, paper.transfer(1, to=WALLET.address, sender=STRANGER))
        assert self.ask(paper) == Account(before=70, after=70, received=30)

    def test_before_the_first_block_nobody_holds_anything(self) -> None:
        assert self.ask(PaperChain(balance=70), first=0) == Account(before=0, after=70, received=0)

    def test_a_balance_from_before_the_token_was_there_is_none(self) -> None:
        paper = PaperChain(balance=70, lie=lambda _m, params, result: "0x" if params[-1] == hex(899) else result)
        assert self.ask(paper) == Account(before=0, after=70, received=0)

    def test_a_server_that_keeps_no_old_balances_gives_none(self) -> None:
        def pruned(_method: str, params: list[Any], result: Any) -> Any:
            if params[-1] == hex(899):
                raise ValueError("missing trie node")
            return result

        assert self.ask(PaperChain(lie=pruned)) is None


@pytest.mark.parametrize("question", ["balance", "domain_separator"])
def test_every_question_checks_which_chain_answers(question: str) -> None:
    def asked(chain: RpcChain) -> Awaitable[object]:
        return chain.balance(ASSET, WALLET.address) if question == "balance" else chain.domain_separator(ASSET)

    with pytest.raises(ChainUnreachable, match="serves chain 84532"):
        ask(PaperChain(chain_id=84532), asked)
