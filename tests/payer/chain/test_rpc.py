"""An RPC server that fails, lags, is silent or malformed: called again, then unknown (I9)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from payer.chain.reader import RpcChain
from payer.chain.rpc import RpcClient
from payer.values.chain_view import NonceState
from payer.values.errors import ChainUnreachable
from tests.payer.chain.chain_reads import one, unreachable
from tests.payer.chain.fake_chain import FakeChain
from tests.payer.loopback import OwnClock, Wire, http, serving
from tests.payer.offers import POLICY_TOML, policy


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
    error = unreachable(FakeChain(broken=[raw] * 10))
    assert "127.0.0.1" not in error.what, "an address may hold a provider's key"


NAMED = {
    "a web page": (http(200, b"<html><title>Log in</title>"), "is a web page, no RPC server", "captive portal"),
    "a web page that fails": (http(503, b"<!doctype html>"), "status 503, an HTML page", "rpc_url"),
}


@pytest.mark.parametrize(("raw", "what", "advice"), NAMED.values(), ids=NAMED)
def test_a_web_page_in_place_of_an_rpc_server_is_named_as_one(raw: bytes, what: str, advice: str) -> None:
    error = unreachable(FakeChain(broken=[raw] * 10))
    assert what in error.what
    assert advice in error.fix


RATE_LIMITED = http(200, b'{"jsonrpc":"2.0","error":{"code":-32005,"message":"rate limit"},"id":null}')


@pytest.mark.parametrize("raw", [http(500), http(429), http(200, b"[", length=9), RATE_LIMITED])
def test_a_server_that_stumbles_is_asked_again(raw: bytes) -> None:
    assert one(FakeChain(broken=[raw, raw])).state is NonceState.UNUSED


def test_a_lagging_server_behind_a_balancer_is_asked_again() -> None:
    """It doesn't know the pinned block yet and says so."""
    stumbles = iter([True, True, False])

    def lie(method: str, _params: list[Any], result: Any) -> Any:
        if method == "eth_call" and next(stumbles, False):
            raise ValueError("header not found")
        return result

    assert one(FakeChain(lie=lie)).state is NonceState.UNUSED


def test_a_read_that_is_refused_for_good_says_why() -> None:
    def lie(method: str, _params: list[Any], result: Any) -> Any:
        if method == "eth_call":
            raise ValueError("missing trie node \x1b[31m" + "x" * 500)
        return result

    error = unreachable(FakeChain(lie=lie))
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
            rpc = RpcClient(server.url, OwnClock(), timeout=0.1)
            with pytest.raises(ChainUnreachable, match=r"no complete answer within 0\.1 s"):
                await rpc.call([("eth_chainId", [])])
            await rpc.aclose()

    asyncio.run(run())
