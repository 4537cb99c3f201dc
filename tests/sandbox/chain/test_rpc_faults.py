"""The node over HTTP, as an honest endpoint and as one that fails, lags or lies."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.world import World
from tests.sandbox.manual_buyer import client


def test_single_calls_batches_and_garbage_over_http(world: World) -> None:
    def post(body: Any) -> Any:
        return client().post(world.rpc_url, json=body).json()

    one = {"jsonrpc": "2.0", "id": 7, "method": "eth_chainId", "params": []}
    assert post(one) == {"jsonrpc": "2.0", "id": 7, "result": "0x7a69"}
    both = post([one, {"jsonrpc": "2.0", "id": "b", "method": "eth_mining", "params": []}])
    assert [answer["id"] for answer in both] == [7, "b"]
    assert both[1]["error"]["code"] == -32601
    assert post(17)["error"]["code"] == -32600
    assert client().post(world.rpc_url, content=b"{").json()["error"]["code"] == -32700


def rpc(world: World, method: str, *params: Any) -> Any:
    return (
        client().post(world.rpc_url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).json()
    )


def test_rpc_faults_answer_as_named(world: World) -> None:
    mint = world.rpc.call("eth_getBlockByNumber", ["0x2"])["transactions"][0]
    logs = {"fromBlock": "0x2", "toBlock": "0x2"}
    honest = rpc(world, "eth_getLogs", logs)["result"]
    assert len(honest) == 1

    def under(name: str, method: str, *params: Any, **options: Any) -> Any:
        world.faults.clear()
        world.faults.add(name, path=method, **options)
        return rpc(world, method, *params)

    assert under("rpc_wrong_chain", "eth_chainId", chain_id=8453)["result"] == hex(8453)
    assert under("rpc_error", "eth_call", {}, code=-32005, message="limit exceeded")["error"]["code"] == -32005
    assert under("rpc_no_tags", "eth_getBlockByNumber", "safe")["error"]["message"] == "safe block not found"
    wide = {"fromBlock": "0x0", "toBlock": "latest"}
    assert under("rpc_log_range", "eth_getLogs", wide, blocks=2)["error"]["code"] == -32005
    assert under("rpc_no_logs", "eth_getLogs", logs)["result"] == []
    assert under("rpc_double_logs", "eth_getLogs", logs)["result"] == honest * 2
    assert under("rpc_foreign_logs", "eth_getLogs", logs)["result"][0]["address"] != honest[0]["address"]
    assert under("rpc_receipt_missing", "eth_getTransactionReceipt", mint)["result"] is None
    assert rpc(world, "eth_getTransactionReceipt", mint)["result"]["status"] == "0x1"
    assert under("rpc_receipt_failed", "eth_getTransactionReceipt", mint)["result"]["status"] == "0x0"


def test_rpc_connection_faults_break_as_named(world: World) -> None:
    world.faults.add("rpc_down")
    with pytest.raises(httpx.TransportError):
        rpc(world, "eth_chainId")
    world.faults.add("rpc_hang", seconds=0.1)
    with pytest.raises(httpx.TransportError):
        rpc(world, "eth_chainId")
    world.faults.add("rpc_status", status=429)
    assert client().post(world.rpc_url, json={}).status_code == 429
    world.faults.add("rpc_garbage")
    assert "html" in client().post(world.rpc_url, json={}).text
    world.faults.add("rpc_slow", seconds=0.2)
    assert client().post(world.rpc_url, json={}).elapsed.total_seconds() > 0.2


def test_a_frozen_endpoint_shows_nothing_newer_while_the_chain_goes_on(own_world: World) -> None:
    own_world.faults.add("rpc_frozen_head", times=None)
    frozen = rpc(own_world, "eth_blockNumber")["result"]
    own_world.mine(3)
    assert rpc(own_world, "eth_blockNumber")["result"] == frozen
    assert rpc(own_world, "eth_getBlockByNumber", "latest")["result"]["number"] == frozen
    assert rpc(own_world, "eth_getBlockByNumber", hex(int(frozen, 16) + 1))["result"] is None
    own_world.faults.clear()
    assert int(rpc(own_world, "eth_blockNumber")["result"], 16) >= int(frozen, 16) + 3


def test_a_node_prunes_is_busy_forges_and_stamps_its_blocks_ahead_as_named(own_world: World) -> None:
    own_world.mine(20)
    owner = own_world.wallet_address
    own_world.faults.add("rpc_pruned", times=None, blocks=10)
    assert "missing trie node" in rpc(own_world, "eth_getBalance", owner, "0x2")["error"]["message"]
    assert rpc(own_world, "eth_getBalance", owner, "latest")["result"]
    own_world.faults.clear()
    own_world.faults.add("rpc_busy", retry_after=7)
    refused = client().post(own_world.rpc_url, json={})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    honest = int(rpc(own_world, "eth_getBlockByNumber", "0x2")["result"]["timestamp"], 16)
    own_world.faults.add("rpc_blocks_ahead")
    ahead = int(rpc(own_world, "eth_getBlockByNumber", "0x2")["result"]["timestamp"], 16)
    assert ahead - honest == 120


def test_a_forged_settlement_is_consistent_from_the_flag_to_the_receipt(own_world: World) -> None:
    own_world.faults.add("rpc_forged_settlement", times=None, value=5)
    nonce, payer = "0x" + "ab" * 32, "0x" + own_world.wallet_address[2:].lower().rjust(64, "0")
    state = {"to": own_world.token.address, "data": "0xe94a0102" + payer[2:] + nonce[2:]}
    assert int(rpc(own_world, "eth_call", state, "latest")["result"], 16) == 1
    topics = [None, payer, [nonce]]
    query = {"address": own_world.token.address, "fromBlock": "0x0", "toBlock": "latest", "topics": topics}
    [log] = rpc(own_world, "eth_getLogs", query)["result"]
    assert log["topics"][2] == nonce
    receipt = rpc(own_world, "eth_getTransactionReceipt", log["transactionHash"])["result"]
    assert (receipt["blockHash"], receipt["logs"][0]) == (log["blockHash"], log)
    assert int(receipt["logs"][1]["data"], 16) == 5
    final = rpc(own_world, "eth_getBlockByNumber", "safe")["result"]
    assert int(final["number"], 16) >= int(log["blockNumber"], 16)
