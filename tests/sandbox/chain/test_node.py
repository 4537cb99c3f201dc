"""The node answers as Ethereum nodes do, keeps to the clock, and goes back when told."""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from sandbox.chain.chain import BlockPace, LocalChain
from sandbox.chain.rpc import NodeError
from sandbox.chain.token import TRANSFER
from sandbox.clock import WorldClock
from sandbox.keys import CHAIN_ID, RELAYER_KEY, THIEF, WALLET_KEY
from tests.sandbox.conftest import Node

RELAYER = Account.from_key(RELAYER_KEY)
HEX = re.compile(r"0x[0-9a-f]+")


def raw(node: Node, **changes: Any) -> str:
    """A relayer's transaction that sends one wei, signed."""
    nonce = int(node.rpc.call("eth_getTransactionCount", [RELAYER.address, "pending"]), 16)
    tx = {"to": THIEF, "value": 1, "gas": 21_000, "gasPrice": 3 * 10**9, "nonce": nonce, "chainId": CHAIN_ID, **changes}
    return "0x" + bytes(RELAYER.sign_transaction({k: v for k, v in tx.items() if v is not None}).raw_transaction).hex()


# -- methods ------------------------------------------------------------------------------------------------


def test_identity_is_the_development_chain(node: Node) -> None:
    assert node.call("eth_chainId") == hex(31337)
    assert node.call("net_version") == "31337"


def test_a_chain_file_of_another_chain_is_refused(tmp_path: Path, node: Node) -> None:
    node.chain.close()
    with sqlite3.connect(tmp_path / "chain.db") as file:
        file.execute("UPDATE meta SET value = '8453' WHERE key = 'chain_id'")
    file.close()
    with pytest.raises(ValueError, match="8453"):
        LocalChain(tmp_path / "chain.db", WorldClock())


@pytest.mark.parametrize("method", ["eth_coinbase", "debug_traceTransaction", "sandbox_nothing", ""])
def test_an_unknown_method_is_answered_minus_32601(node: Node, method: str) -> None:
    with pytest.raises(NodeError) as refusal:
        node.call(method)
    assert refusal.value.code == -32601


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getBalance", ["0x12"]),
        ("eth_getBalance", []),
        ("eth_getBlockByNumber", ["newest"]),
        ("eth_getTransactionReceipt", ["0xzz"]),
        ("eth_getLogs", [{"topics": ["0x00"]}]),
        ("eth_getLogs", [{"fromBlock": "0x5", "toBlock": "0x1"}]),
        ("eth_call", [{"to": "0x12"}, "latest"]),
    ],
)
def test_bad_parameters_are_answered_minus_32602(node: Node, method: str, params: list[Any]) -> None:
    with pytest.raises(NodeError) as refusal:
        node.rpc.call(method, params)
    assert refusal.value.code == -32602


def test_a_block_names_its_transactions_and_can_be_had_by_hash_or_whole(node: Node) -> None:
    tx_hash = node.call("eth_sendRawTransaction", raw(node))
    block = node.rpc.call("eth_getBlockByNumber", ["latest"])
    assert block["transactions"] == [tx_hash]
    assert node.call("eth_getBlockByHash", block["hash"]) == block
    full = node.rpc.call("eth_getBlockByHash", [block["hash"], True])
    assert full["transactions"][0]["from"] == RELAYER.address
    assert all(HEX.fullmatch(block[name]) for name in ("number", "timestamp", "gasUsed", "baseFeePerGas"))
    assert node.call("eth_getBlockByNumber", hex(node.number() + 1)) is None


def test_a_receipt_carries_gas_status_logs_and_place(node: Node) -> None:
    receipt = node.token.mint(node.owner, THIEF, 5) or node.rpc.call(
        "eth_getTransactionReceipt", [node.rpc.call("eth_getBlockByNumber", ["latest"])["transactions"][0]]
    )
    assert receipt["status"] == "0x1"
    assert receipt["logs"][0]["topics"][0] == TRANSFER
    assert int(receipt["logs"][0]["data"], 16) == 5
    assert 21_000 < int(receipt["gasUsed"], 16) < 100_000
    assert receipt["blockHash"] == node.rpc.call("eth_getBlockByNumber", [receipt["blockNumber"]])["hash"]


@pytest.mark.parametrize("fees", [{}, {"gasPrice": None, "maxFeePerGas": 3 * 10**9, "maxPriorityFeePerGas": 10**9}])
def test_both_kinds_of_transaction_are_taken(node: Node, fees: dict[str, Any]) -> None:
    tx_hash = node.rpc.call("eth_sendRawTransaction", [raw(node, **fees)])
    assert node.rpc.call("eth_getTransactionReceipt", [tx_hash])["status"] == "0x1"
    assert node.rpc.call("eth_getTransactionByHash", [tx_hash])["type"] == ("0x2" if fees else "0x0")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"chainId": 8453}, "invalid chain id"),
        ({"value": 10**27}, "insufficient funds"),
        ({"gas": 20_000}, "intrinsic gas too low"),
    ],
)
def test_a_transaction_that_could_not_run_is_refused_at_the_door(
    node: Node, changes: dict[str, int], text: str
) -> None:
    with pytest.raises(NodeError, match=text):
        node.call("eth_sendRawTransaction", raw(node, **changes))


@pytest.mark.parametrize("text", ["0x", "0xf8", "0x02c0", "0xff00ff", "0x" + "00" * 40])
def test_bytes_that_are_no_transaction_are_refused(node: Node, text: str) -> None:
    with pytest.raises(NodeError):
        node.call("eth_sendRawTransaction", text)


def test_a_nonce_is_used_once(node: Node) -> None:
    sent = raw(node)
    node.call("eth_sendRawTransaction", sent)
    with pytest.raises(NodeError, match="already known"):
        node.call("eth_sendRawTransaction", sent)
    with pytest.raises(NodeError, match="nonce too low"):
        node.call("eth_sendRawTransaction", raw(node, nonce=0, value=2))


def test_a_revert_gives_code_3_its_text_and_its_bytes(node: Node) -> None:
    data = "0xa9059cbb" + "00" * 31 + "01" + "ff" * 32
    with pytest.raises(NodeError) as refusal:
        node.call("eth_call", {"from": node.wallet, "to": node.token.address, "data": data}, "latest")
    assert refusal.value.code == 3
    assert refusal.value.message == "execution reverted: ERC20: transfer amount exceeds balance"
    assert refusal.value.payload is not None
    assert refusal.value.payload.startswith("0x08c379a0")


def test_an_estimate_is_enough_gas(node: Node) -> None:
    data = "0x40c10f19" + "00" * 12 + THIEF[2:] + f"{7:064x}"
    call = {"from": node.owner.address, "to": node.token.address, "data": data}
    gas = int(node.rpc.call("eth_estimateGas", [call]), 16)
    assert node.rpc.call("eth_call", [{**call, "gas": hex(gas)}, "latest"]) == "0x"
    with pytest.raises(NodeError):
        node.call("eth_estimateGas", {**call, "from": node.wallet})


def test_fee_history_covers_the_asked_blocks(node: Node) -> None:
    history = node.rpc.call("eth_feeHistory", ["0x2", "latest", [50.0]])
    assert len(history["gasUsedRatio"]) == 2
    assert len(history["baseFeePerGas"]) == 3
    assert history["oldestBlock"] == hex(node.number() - 1)


# -- state of the asked block -----------------------------------------------------------------------------------


def test_state_is_read_at_the_asked_block(node: Node) -> None:
    before = node.number()
    node.token.mint(node.owner, THIEF, 11)
    assert node.token.balance(THIEF, hex(before)) == 0
    assert node.token.balance(THIEF, "latest") == 11
    block = node.rpc.call("eth_getBlockByNumber", [hex(before)])
    by_hash = node.rpc.call("eth_getTransactionCount", [node.owner.address, {"blockHash": block["hash"]}])
    assert int(by_hash, 16) == int(node.rpc.call("eth_getTransactionCount", [node.owner.address, "latest"]), 16) - 1
    assert node.call("eth_getCode", node.token.address, "0x0") == "0x"


@pytest.mark.parametrize("method", ["eth_call", "eth_getBalance", "eth_getCode", "eth_getTransactionCount"])
def test_an_unknown_block_is_an_error_never_the_head(node: Node, method: str) -> None:
    subject: Any = {"to": node.token.address, "data": "0x06fdde03"} if method == "eth_call" else node.wallet
    with pytest.raises(NodeError, match="header not found"):
        node.call(method, subject, hex(node.number() + 5))


def test_logs_are_found_by_address_topics_range_and_block(node: Node) -> None:
    first = node.number()
    for value in (1, 2, 3):
        node.token.mint(node.owner, THIEF, value)
    topic = "0x" + "00" * 12 + THIEF[2:].lower()

    def values(**wanted: Any) -> list[int]:
        return [int(log["data"], 16) for log in node.rpc.call("eth_getLogs", [wanted])]

    everything = {"fromBlock": hex(first + 1), "toBlock": "latest"}
    assert values(**everything) == [1, 2, 3]
    assert values(**everything, address=[node.token.address], topics=[TRANSFER, None, topic]) == [1, 2, 3]
    assert values(**everything, topics=[[TRANSFER, "0x" + "11" * 32]]) == [1, 2, 3]
    assert values(**everything, topics=[None, topic]) == []
    assert values(**everything, address=THIEF) == []
    assert values(fromBlock=hex(first + 2), toBlock=hex(first + 2)) == [2]
    block = node.rpc.call("eth_getBlockByNumber", [hex(first + 3)])
    assert values(blockHash=block["hash"]) == [3]


# -- time and tags ------------------------------------------------------------------------------------------------


def test_an_idle_chain_follows_the_clock_and_its_tags_lag(node: Node) -> None:
    node.clock.advance(3600)
    times = [
        int(node.rpc.call("eth_getBlockByNumber", [tag])["timestamp"], 16) for tag in ("latest", "safe", "finalized")
    ]
    now = node.clock.time()
    assert now - 2 <= times[0] <= now
    assert now - 4 <= times[1] <= now - 2
    assert now - 6 <= times[2] <= now - 4


def test_safe_and_finalized_do_not_show_what_just_happened(node: Node) -> None:
    node.clock.advance(10)
    node.token.mint(node.owner, THIEF, 9)
    assert node.token.balance(THIEF, "latest") == 9
    assert node.token.balance(THIEF, "safe") == 0
    node.clock.advance(5)
    assert node.token.balance(THIEF, "safe") == node.token.balance(THIEF, "finalized") == 9


def test_a_burst_of_payments_does_not_push_the_chain_ahead_of_the_clock(node: Node) -> None:
    for _ in range(30):
        node.call("eth_sendRawTransaction", raw(node))
    head = node.rpc.call("eth_getBlockByNumber", ["latest"])
    assert int(head["timestamp"], 16) <= node.clock.time()


def test_a_call_at_latest_runs_in_the_time_of_the_block_being_built(node: Node) -> None:
    node.clock.advance(50)
    timestamp_contract = bytes.fromhex("600a600c600039600a6000f3" + "4260005260206000f3")
    address = node.owner.send(None, timestamp_contract)["contractAddress"]
    node.chain.follows_clock = False
    node.clock.advance(500)
    seen = int(node.rpc.call("eth_call", [{"to": address}, "latest"]), 16)
    assert abs(seen - node.clock.time()) < 3
    assert int(node.rpc.call("eth_getBlockByNumber", ["latest"])["timestamp"], 16) < seen - 400


def test_paced_mining_puts_what_is_paid_meanwhile_into_one_block(tmp_path: Path) -> None:
    paced = Node(tmp_path / "paced.db", BlockPace(block_time=3.0, heartbeat=60))
    first = paced.number()
    nonce = int(paced.rpc.call("eth_getTransactionCount", [RELAYER.address, "pending"]), 16)
    signed = [raw(paced, nonce=nonce + i) for i in range(5)]
    hashes = [paced.rpc.call("eth_sendRawTransaction", [one]) for one in signed]
    assert paced.rpc.call("eth_getTransactionReceipt", [hashes[0]]) is None
    deadline = time.monotonic() + 15
    while paced.rpc.call("eth_getTransactionReceipt", [hashes[-1]]) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    receipts = [paced.rpc.call("eth_getTransactionReceipt", [one]) for one in hashes]
    assert {receipt["blockNumber"] for receipt in receipts} == {hex(first + 1)}
    assert int(receipts[-1]["cumulativeGasUsed"], 16) == 5 * 21_000
    paced.chain.close()


def test_time_verbs_move_the_chain_but_not_the_world(node: Node) -> None:
    soon = int(node.clock.time()) + 500
    node.call("evm_setNextBlockTimestamp", soon)
    node.call("evm_mine")
    assert int(node.rpc.call("eth_getBlockByNumber", ["latest"])["timestamp"], 16) == soon
    node.call("evm_increaseTime", 1000)
    node.call("evm_mine")
    ahead = int(node.rpc.call("eth_getBlockByNumber", ["latest"])["timestamp"], 16) - node.clock.time()
    assert 990 < ahead <= 1000
    with pytest.raises(NodeError, match="before the head"):
        node.call("evm_setNextBlockTimestamp", 5)


# -- pool, snapshots, reorgs ---------------------------------------------------------------------------------------


def test_the_pool_counts_for_pending_and_goes_into_one_block(node: Node) -> None:
    node.call("evm_setAutomine", False)
    before = int(node.rpc.call("eth_getTransactionCount", [RELAYER.address, "latest"]), 16)
    sent = [node.rpc.call("eth_sendRawTransaction", [raw(node)]) for _ in range(3)]
    assert node.call("eth_getTransactionCount", RELAYER.address, "pending") == hex(before + 3)
    assert node.rpc.call("eth_getTransactionByHash", [sent[0]])["blockNumber"] is None
    assert node.call("sandbox_pool") == sent
    assert node.call("sandbox_dropTransaction", sent[2]) == 1
    node.call("evm_mine")
    assert node.rpc.call("eth_getBlockByNumber", ["latest"])["transactions"] == sent[:2]
    assert node.call("eth_getTransactionByHash", sent[2]) is None


def test_a_gap_in_nonces_waits_until_it_is_filled(node: Node) -> None:
    nonce = int(node.rpc.call("eth_getTransactionCount", [RELAYER.address, "latest"]), 16)
    later = node.rpc.call("eth_sendRawTransaction", [raw(node, nonce=nonce + 1)])
    assert node.call("eth_getTransactionReceipt", later) is None
    node.call("eth_sendRawTransaction", raw(node, nonce=nonce))
    assert node.rpc.call("eth_getTransactionReceipt", [later])["status"] == "0x1"


def test_a_snapshot_brings_back_state_blocks_and_pool(node: Node) -> None:
    before, snapshot = node.number(), node.rpc.call("evm_snapshot", [])
    node.token.mint(node.owner, THIEF, 4)
    assert node.call("evm_revert", snapshot) is True
    assert node.number() == before
    assert node.token.balance(THIEF) == 0
    assert node.call("evm_revert", snapshot) is False
    node.token.mint(node.owner, THIEF, 6)
    assert node.token.balance(THIEF) == 6


@pytest.mark.parametrize("keep", [True, False])
def test_a_reorg_replaces_blocks_and_keeps_or_loses_what_was_in_them(node: Node, keep: bool) -> None:
    tx_hash = node.rpc.call("eth_sendRawTransaction", [raw(node)])
    old = node.rpc.call("eth_getTransactionReceipt", [tx_hash])
    node.call("sandbox_reorg", 1, keep)
    new = node.rpc.call("eth_getTransactionReceipt", [tx_hash])
    assert node.number() > int(old["blockNumber"], 16)
    assert node.call("eth_getBlockByHash", old["blockHash"]) is None
    assert (new is not None) is keep
    assert not keep or new["blockHash"] != old["blockHash"]


def test_a_reopened_chain_has_the_same_blocks_state_and_logs(tmp_path: Path, node: Node) -> None:
    node.token.mint(node.owner, THIEF, 8)
    block, number = node.rpc.call("eth_getBlockByNumber", ["latest"]), node.number()
    node.chain.close()
    again = Node(tmp_path / "chain.db")
    assert again.rpc.call("eth_getBlockByNumber", [hex(number)]) == block
    logs = {"fromBlock": hex(number), "toBlock": hex(number), "address": node.token.address}
    assert int(again.rpc.call("eth_getLogs", [logs])[0]["data"], 16) == 8
    data = "0x70a08231" + "00" * 12 + THIEF[2:]
    assert int(again.rpc.call("eth_call", [{"to": node.token.address, "data": data}, hex(number)]), 16) == 8
    again.chain.close()


def test_a_wallet_without_ether_can_not_send(node: Node) -> None:
    poor = Account.from_key(WALLET_KEY)
    tx = {"to": THIEF, "value": 0, "gas": 21_000, "gasPrice": 10**9, "nonce": 0, "chainId": CHAIN_ID}
    with pytest.raises(NodeError, match="insufficient funds"):
        node.call("eth_sendRawTransaction", "0x" + bytes(poor.sign_transaction(tx).raw_transaction).hex())
