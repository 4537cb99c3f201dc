"""The errors of chain servers, in their own words: what each asks for, and how many blocks are asked for next."""

from __future__ import annotations

import pytest

from payer.chain.refusals import read_refusal

TOO_WIDE: dict[str, tuple[int, str, int]] = {
    "alchemy-free": (
        -32600,
        "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range. Based on your "
        "parameters, this block range should work: [0x1312d00, 0x1312d09].",
        10,
    ),
    "ankr": (-32600, "block range is too wide (maximum 1024)", 1_024),
    "base": (-32602, "query exceeds max block range 2000", 2_000),
    "blast": (-32602, "block range exceeds limit of 500 blocks", 500),
    "cloudflare": (-32047, "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: 800", 800),
    "drpc": (35, "ranges over 5000 blocks are not supported on freetier", 5_000),
    "erigon-pool": (-32000, "requested too many blocks from 100 to 9099, maximum is set to 2048", 2_048),
    "llama": (-32000, "query exceeds max block range 1000", 1_000),
    "publicnode": (-32701, "exceed maximum block range: 5000", 5_000),
    "quicknode": (-32614, "eth_getLogs is limited to a 2,000 range", 2_000),
    "thousands": (-32602, "block range greater than 2k blocks", 2_000),
    "without-a-number": (-32005, "limit exceeded", 5_000),
    "code-alone": (-32614, "bad request", 5_000),
}


@pytest.mark.parametrize(("code", "message", "blocks"), TOO_WIDE.values(), ids=TOO_WIDE)
def test_a_range_that_is_too_wide_is_narrowed_to_what_the_server_allows(code: int, message: str, blocks: int) -> None:
    refusal = read_refusal(code, message)
    assert (refusal.range, refusal.busy, refusal.results, refusal.gone, refusal.lasting) == (
        True,
        False,
        False,
        False,
        True,
    )
    assert refusal.narrower(9_000) == blocks


TOO_MANY: dict[str, tuple[int, str, int]] = {
    "infura": (-32005, "query returned more than 10000 results. Try with this block range [0x64, 0x257].", 500),
    "alchemy": (
        -32602,
        "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the "
        "response size, or you can request any block range with a cap of 10K logs in the response. Based on your "
        "parameters and the response size limit, this block range should work: [0x0, 0x1f3]",
        500,
    ),
    "reth": (-32602, "query exceeds max results 20000, retry with the range 1000-1499", 500),
    "geth": (-32000, "query returned more than 10000 results", 5_000),
    "slow": (-32002, "request timed out", 5_000),
}


@pytest.mark.parametrize(("code", "message", "blocks"), TOO_MANY.values(), ids=TOO_MANY)
def test_too_many_logs_are_asked_for_in_fewer_blocks_this_time(code: int, message: str, blocks: int) -> None:
    """The number of logs is a matter of those blocks: nothing is learned about the server."""
    refusal = read_refusal(code, message)
    assert (refusal.results, refusal.busy, refusal.gone) == (True, False, False)
    assert refusal.narrower(9_000) == blocks


BUSY = [
    (-32005, "rate limit exceeded"),
    (-32005, "daily request count exceeded, request rate limited"),
    (-32016, "over rate limit"),
    (429, "Too Many Requests"),
    (429, "Your app has exceeded its compute units per second capacity"),
    (-32029, ""),
    (-32007, "50/second request limit reached - reduce calls per second"),
]


@pytest.mark.parametrize(("code", "message"), BUSY)
def test_a_server_that_has_too_many_requests_is_busy_and_nothing_is_narrowed(code: int, message: str) -> None:
    refusal = read_refusal(code, message)
    assert (refusal.busy, refusal.range, refusal.lasting) == (True, False, False)


GONE = [
    (-32000, "missing trie node 2e2a (path ) state 0x2e2a is not available"),
    (-32000, "required historical state unavailable (reexec=128)"),
    (-32000, "state at block #1312d00 is pruned"),
    (4444, "pruned history unavailable"),
    (-32000, "header for hash not found: state already discarded"),
    (-32602, "distance to target block exceeds maximum proof window"),
    (-32000, "No state available for block 0x1"),
    (-32002, "This request is not supported on your plan: archive node required"),
    (-32000, "historical state 0xab is not available"),
]


@pytest.mark.parametrize(("code", "message"), GONE)
def test_state_that_a_server_no_longer_keeps_is_gone(code: int, message: str) -> None:
    refusal = read_refusal(code, message)
    assert (refusal.gone, refusal.range, refusal.busy, refusal.lasting) == (True, False, False, True)


@pytest.mark.parametrize(
    ("code", "message"), [(-32000, "header not found"), (-32603, "Internal error"), (None, None), (-32000, "simulated")]
)
def test_an_error_that_says_nothing_known_is_asked_again(code: object, message: object) -> None:
    refusal = read_refusal(code, message)
    assert (refusal.lasting, refusal.busy) == (False, False)


def test_the_next_range_is_always_narrower_and_ends_at_one_block() -> None:
    """Whatever the server writes: a range that it names and refuses again doesn't hold the search up."""
    for message in (
        "block range too large, max 9000",
        "block range too large, max 0",
        "block range [5, 1]",
        "",
        "7" * 400,
    ):
        asked, steps = 9_000, 0
        while asked > 1:
            narrower = read_refusal(-32602, message).narrower(asked)
            assert 1 <= narrower < asked
            asked, steps = narrower, steps + 1
        assert steps <= 14
