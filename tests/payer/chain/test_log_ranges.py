"""The block range that a server allows is learned once, kept, and what a long scan costs is measured (I9)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from payer.chain.chain import PAGE_BLOCKS, RangesInMemory
from payer.chain.reader import RpcChain
from payer.ledger import Ledger
from payer.payer import Payer
from payer.settle.scan import STRETCH, Balance
from payer.values.errors import ChainUnreachable
from tests.payer import scripted as s
from tests.payer.chain.chain_reads import ASSET, NONCE, one
from tests.payer.chain.fake_chain import FakeChain
from tests.payer.loopback import OwnClock, Wire, http, serving
from tests.payer.offers import POLICY_TOML, WALLET, policy

RANGES = (500, 2_000, 10_000)


def widths(fake: FakeChain) -> list[int]:
    """The blocks that each eth_getLogs asked for."""
    asked = [params[0] for method, params in fake.calls if method == "eth_getLogs"]
    return [int(query["toBlock"], 16) - int(query["fromBlock"], 16) + 1 for query in asked]


def reconciled(fake: FakeChain, ledger: Ledger, clock: OwnClock, lookback: int) -> tuple[list[tuple[int, int]], object]:
    """The progress that was shown, and the result."""
    shown: list[tuple[int, int]] = []

    async def run() -> object:
        async with serving(fake.serve) as server:
            text = POLICY_TOML.replace('"https://mainnet.base.org"', f'"{server.url}"\nlookback_blocks = {lookback}')
            chain = RpcChain(policy(text), clock, ledger)
            context = s.context(None, s.ScriptedSeller([s.answer(200)]), s.ScriptedChain(lambda: None))
            at = replace(context, chain=chain, policy=policy(text), wallet=WALLET, ledger=ledger, clock=clock)
            try:
                return await Payer(at).reconcile(ASSET, progress=lambda read, of: shown.append((read, of)))
            finally:
                await chain.aclose()

    return shown, asyncio.run(run())


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as opened:
        yield opened


def clock_of(fake: FakeChain) -> OwnClock:
    clock = OwnClock()
    clock.time = datetime.fromtimestamp(fake.time_of(fake.head), UTC)
    return clock


@pytest.mark.parametrize("allowed", [500, 800, 2_000, 2_048, 5_000])
@pytest.mark.parametrize("words", ["block range is too wide, maximum {}", "limit exceeded"])
def test_a_range_is_learned_once_and_never_asked_beyond_again(allowed: int, words: str, kept: Ledger) -> None:
    fake = FakeChain(head=200_000, final=199_990, widest_page=allowed, refusal=words.format(allowed))
    clock = clock_of(fake)
    reconciled(fake, kept, clock, 150_000)
    asked = widths(fake)
    refused = [width for width in asked if width > allowed]
    assert len(refused) <= 5
    assert asked[: len(refused)] == refused, "all of them before the first answer"
    known = kept.log_range("127.0.0.1:0", clock.now())
    assert known is None, "another server's"
    fake.calls.clear()
    again = Ledger.open(str(kept._engine.url))
    name = json.loads(json.dumps(list(_servers(kept))))[0]
    again.keep_log_range("elsewhere", 7, clock.now())
    assert again.log_range(name, clock.now()) == max(width for width in asked if width <= allowed)
    again.close()


def _servers(ledger: Ledger) -> list[str]:
    with ledger._engine.connect() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT server FROM log_ranges")]


def test_the_next_run_begins_with_what_was_learned() -> None:
    ranges = RangesInMemory()
    fake = FakeChain(head=30_000, final=29_990, widest_page=2_000, refusal="block range too large, max 2000")

    async def run() -> None:
        async with serving(fake.serve) as server:
            text = POLICY_TOML.replace('"https://mainnet.base.org"', f'"{server.url}"')
            for _ in range(2):
                chain = RpcChain(policy(text), clock_of(fake), ranges)
                await chain.transfers(ASSET, WALLET.address, 1, 20_000)
                await chain.aclose()

    asyncio.run(run())
    assert widths(fake) == [9_000, *[2_000] * 4, 1_000, *[2_000] * 4, 1_000, 2_000, *[2_000] * 10]


def test_what_was_learned_is_kept_for_a_month_and_in_one_row(ledger: Ledger) -> None:
    at = datetime(2026, 11, 29, tzinfo=UTC)
    ledger.keep_log_range("a.example", 500, at)
    ledger.keep_log_range("a.example", 2_000, at)
    ledger.keep_log_range("b.example", 10, at)
    assert ledger.log_range("a.example", at + timedelta(days=30)) == 2_000
    assert ledger.log_range("a.example", at + timedelta(days=31)) is None
    assert ledger.log_range("c.example", at) is None


def test_too_many_logs_narrow_this_page_only() -> None:
    fake = FakeChain(head=30_000, final=29_990, widest_page=4_000)
    ranges = RangesInMemory()

    async def run() -> None:
        async with serving(fake.serve) as server:
            text = POLICY_TOML.replace('"https://mainnet.base.org"', f'"{server.url}"')
            chain = RpcChain(policy(text), clock_of(fake), ranges)
            await chain.transfers(ASSET, WALLET.address, 1, 9_000)
            assert ranges.log_range(chain.servers[0].name, clock_of(fake).now()) is None
            await chain.aclose()

    asyncio.run(run())
    assert widths(fake) == [9_000, 5_000, 2_000, 2_000, 2_000, 2_000, 1_000]


@pytest.mark.parametrize("allowed", RANGES)
@pytest.mark.parametrize("keeps_balances", [True, False])
def test_a_scan_takes_as_many_requests_as_is_said(allowed: int, keeps_balances: bool, kept: Ledger) -> None:
    """docs/operating.md has a year of Base by the same function."""
    blocks = 60_000
    fake = FakeChain(head=80_000, final=79_990, widest_page=allowed, refusal=f"block range too wide, max {allowed}")
    fake.state_blocks = None if keeps_balances else 128
    warm = FakeChain(head=20_000, final=19_990, widest_page=allowed, refusal=fake.refusal)
    clock = clock_of(fake)

    async def run() -> int:
        async with serving(fake.serve) as server:
            text = POLICY_TOML.replace('"https://mainnet.base.org"', f'"{server.url}"\nlookback_blocks = {blocks - 1}')
            chain = RpcChain(policy(text), clock, kept)
            kept.keep_log_range(chain.servers[0].name, allowed, clock.now())
            context = s.context(None, s.ScriptedSeller([s.answer(200)]), s.ScriptedChain(lambda: None))
            at = replace(context, chain=chain, policy=policy(text), wallet=WALLET, ledger=kept, clock=clock)
            found = await Payer(at).reconcile(ASSET)
            assert found.balance is (Balance.EQUAL if keeps_balances else Balance.NOT_CHECKED)
            await chain.aclose()
            return fake.posts

    assert warm.posts == 0
    head = 1
    assert asyncio.run(run()) - head == scan_requests(blocks, allowed, STRETCH, balances=keeps_balances)


def test_a_scan_shows_its_progress_and_goes_on_where_it_was_interrupted(kept: Ledger) -> None:
    fake = FakeChain(head=200_000, final=199_990)
    clock = clock_of(fake)
    honest = fake.lie
    asked = 0

    def breaks(method: str, params: list[object], result: object) -> object:
        nonlocal asked
        asked += method == "eth_getLogs"
        if asked > 20:
            raise ValueError("the server is gone")
        return honest(method, params, result)  # type: ignore[arg-type]

    fake.lie = breaks
    with pytest.raises(ChainUnreachable):
        reconciled(fake, kept, clock, 149_999)
    assert kept.scanned_through(ASSET, WALLET.address) == 49_991 + STRETCH - 1
    fake.lie = honest
    shown, _ = reconciled(fake, kept, clock, 149_999)
    left = 199_990 - (49_991 + STRETCH - 1) + 128
    assert shown == [(0, left), (STRETCH, left), (2 * STRETCH, left), (left, left)]


def test_pruned_state_is_a_balance_that_is_not_checked(kept: Ledger) -> None:
    fake = FakeChain(head=200_000, final=199_990, state_blocks=128)
    _, found = reconciled(fake, kept, clock_of(fake), 10_000)
    assert (found.balance, found.differences) == (Balance.NOT_CHECKED, [])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "words", ["Unauthorized: historical queries", "internal error", "state histories haven't been"]
)
def test_any_lasting_refusal_of_an_old_balance_is_not_checked_either(words: str, kept: Ledger) -> None:
    """I9: an unknown wording is no reason to stop, and no reason to call the books equal."""

    def lie(method: str, params: list[object], result: object) -> object:
        if method == "eth_call" and str(params[1]) != "latest":
            raise ValueError(words)
        return result

    fake = FakeChain(head=20_000, final=19_990, lie=lie)  # type: ignore[arg-type]
    _, found = reconciled(fake, kept, clock_of(fake), 1_000)
    assert found.balance is Balance.NOT_CHECKED  # type: ignore[attr-defined]


def test_a_purchase_is_looked_up_where_the_final_blocks_state_is_pruned() -> None:
    """A finalized block may be older than the 128 blocks whose state a server keeps. Unused now is unused then."""
    fake = FakeChain(head=2_000, final=1_500, state_blocks=128)
    view = one(fake)
    assert (view.state, view.state_final, view.final_number) == ("unused", "unused", 1_500)
    fake.settle(NONCE, 1_400)
    settled = one(fake, start=1_300).settlement
    assert settled is not None
    assert settled.final


BUSY = http(429, b"slow down", {"retry-after": "7"})
BUSY_PLAIN = http(429, b"slow down")
BUSY_BODY = http(200, b'[{"jsonrpc":"2.0","id":0,"error":{"code":-32016,"message":"over rate limit"}}]')


@pytest.mark.parametrize(
    ("busy", "slept"),
    [([BUSY, BUSY], [7, 7]), ([BUSY_PLAIN] * 4, [1, 2, 4, 8]), ([BUSY_BODY] * 4, [1, 2, 4, 8])],
    ids=["retry-after", "429-alone", "in-the-body"],
)
def test_a_busy_server_is_given_the_time_it_asks_for(busy: list[bytes], slept: list[int]) -> None:
    fake = FakeChain(broken=list(busy))
    clock = clock_of(fake)

    async def run() -> int:
        async with serving(fake.serve) as server:
            text = POLICY_TOML.replace('"https://mainnet.base.org"', f'"{server.url}"')
            chain = RpcChain(policy(text), clock)
            (number,) = await chain._clients[0].call([("eth_chainId", [])])
            await chain.aclose()
            return int(number, 16)

    assert asyncio.run(run()) == 8453
    assert [round(seconds) for seconds in clock.slept] == slept


def test_a_server_that_is_busy_for_ever_is_unreachable_after_two_minutes() -> None:
    async def busy(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.send(BUSY)
            return

    async def run() -> float:
        async with serving(busy) as server:
            clock = OwnClock()
            text = POLICY_TOML.replace('"https://mainnet.base.org"', f'"{server.url}"')
            chain = RpcChain(policy(text), clock)
            with pytest.raises(ChainUnreachable, match="too many requests"):
                await chain.head()
            await chain.aclose()
            return sum(clock.slept)

    assert asyncio.run(run()) == pytest.approx(120)


def test_an_error_with_a_status_of_its_own_is_read_as_an_error() -> None:
    """Alchemy and dRPC answer 400 with the reason in JSON."""
    refused = {"jsonrpc": "2.0", "id": 0, "error": {"code": -32600, "message": "block range too wide, maximum 1024"}}
    fake = FakeChain(head=20_000, final=19_990, broken=[http(400, json.dumps([refused]).encode())])

    async def run() -> None:
        async with serving(fake.serve) as server:
            text = POLICY_TOML.replace('"https://mainnet.base.org"', f'"{server.url}"')
            chain = RpcChain(policy(text), clock_of(fake))
            await chain.transfers(ASSET, WALLET.address, 1, 9_000)
            await chain.aclose()

    asyncio.run(run())
    assert set(widths(fake)[:-1]) == {1_024}


def scan_requests(blocks: int, log_range: int, stretch: int, *, balances: bool) -> int:
    """Requests that reading the wallet's transfers in so many blocks takes, at a server's range.

    Each stretch is read in pages: the transfers out and, where the server still has the balances, those in; and one
    request for both balances.
    """
    pages = sum(-(-min(stretch, blocks - at) // min(log_range, PAGE_BLOCKS)) for at in range(0, blocks, stretch))
    return pages * (2 if balances else 1) + -(-blocks // stretch)


def test_a_year_of_base_is_what_the_documents_say() -> None:
    """docs/operating.md, "How long a first reconciliation takes": requests at 2,000 blocks, minutes at 150 ms each."""
    text = " ".join((Path(__file__).parents[3] / "docs" / "operating.md").read_text().split())
    for allowed in RANGES:
        with_balances = scan_requests(15_800_000, allowed, STRETCH, balances=True)
        without = scan_requests(15_800_000, allowed, STRETCH, balances=False)
        row = f"| {allowed:,} | {with_balances:,} | {with_balances * 0.15 / 60:.0f} | {without:,} | "
        assert row + f"{without * 0.15 / 60:.0f} |" in text
    assert PAGE_BLOCKS == 9_000
