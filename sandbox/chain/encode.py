"""Blocks, transactions, receipts and logs as Ethereum's JSON-RPC writes them."""

from __future__ import annotations

from typing import Any

from eth.abc import BlockAPI, ComputationAPI, ReceiptAPI, SignedTransactionAPI
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak


def data(value: bytes) -> str:
    return "0x" + value.hex()


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def block_json(block: BlockAPI) -> dict[str, Any]:
    """Header fields and transaction hashes."""
    header: Any = block.header
    return {
        "number": hex(header.block_number),
        "hash": data(header.hash),
        "parentHash": data(header.parent_hash),
        "nonce": data(header.nonce),
        "sha3Uncles": data(header.uncles_hash),
        "logsBloom": data(header.bloom.to_bytes(256, "big")),
        "transactionsRoot": data(header.transaction_root),
        "stateRoot": data(header.state_root),
        "receiptsRoot": data(header.receipt_root),
        "miner": to_checksum_address(header.coinbase),
        "difficulty": hex(header.difficulty),
        "totalDifficulty": "0x0",
        "extraData": data(header.extra_data),
        "mixHash": data(header.mix_hash),
        "size": hex(len(header.extra_data) + 600),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "baseFeePerGas": hex(header.base_fee_per_gas),
        "withdrawalsRoot": data(header.withdrawals_root),
        "blobGasUsed": hex(header.blob_gas_used),
        "excessBlobGas": hex(header.excess_blob_gas),
        "parentBeaconBlockRoot": data(header.parent_beacon_block_root),
        "requestsHash": data(header.requests_hash),
        "transactions": [data(tx.hash) for tx in block.transactions],
        "uncles": [],
        "withdrawals": [],
    }


def tx_json(tx: SignedTransactionAPI, place: dict[str, str] | None, base_fee: int) -> dict[str, Any]:
    """A transaction; `place` is its blockHash, blockNumber and transactionIndex, None while in the pool."""
    type_id = tx.type_id or 0
    price = effective_price(tx, base_fee)
    fields: dict[str, Any] = {
        "hash": data(tx.hash),
        "type": hex(type_id),
        "nonce": hex(tx.nonce),
        "from": to_checksum_address(tx.sender),
        "to": to_checksum_address(tx.to) if tx.to else None,
        "value": hex(tx.value),
        "gas": hex(tx.gas),
        "gasPrice": hex(price),
        "input": data(tx.data),
        "chainId": hex(tx.chain_id) if tx.chain_id is not None else None,
        "v": hex(tx.y_parity if type_id else tx.v),  # type: ignore[attr-defined]
        "r": hex(tx.r),
        "s": hex(tx.s),
        "blockHash": None,
        "blockNumber": None,
        "transactionIndex": None,
    }
    if type_id >= 1:
        fields["accessList"] = []
    if type_id >= 2:
        fields["maxFeePerGas"] = hex(tx.max_fee_per_gas)
        fields["maxPriorityFeePerGas"] = hex(tx.max_priority_fee_per_gas)
    return {**fields, **(place or {})}


def effective_price(tx: SignedTransactionAPI, base_fee: int) -> int:
    if (tx.type_id or 0) >= 2:
        return int(min(tx.max_fee_per_gas, base_fee + tx.max_priority_fee_per_gas))
    return int(tx.gas_price)


def place_of(block: BlockAPI, index: int) -> dict[str, str]:
    return {"blockHash": data(block.hash), "blockNumber": hex(block.number), "transactionIndex": hex(index)}


def logs_json(
    receipt: ReceiptAPI, tx: SignedTransactionAPI, place: dict[str, str], first_log: int
) -> list[dict[str, Any]]:
    return [
        {
            "address": to_checksum_address(log.address),
            "topics": [data(word(topic)) for topic in log.topics],
            "data": data(log.data),
            **place,
            "transactionHash": data(tx.hash),
            "logIndex": hex(first_log + index),
            "removed": False,
        }
        for index, log in enumerate(receipt.logs)
    ]


def receipt_json(
    receipt: ReceiptAPI,
    computation: ComputationAPI,
    tx: SignedTransactionAPI,
    place: dict[str, str],
    gas_before: int,
    base_fee: int,
    logs: list[dict[str, Any]],
) -> dict[str, Any]:
    created = None if tx.to else to_checksum_address(computation.msg.storage_address)
    return {
        "transactionHash": data(tx.hash),
        **place,
        "from": to_checksum_address(tx.sender),
        "to": to_checksum_address(tx.to) if tx.to else None,
        "cumulativeGasUsed": hex(receipt.gas_used),
        "gasUsed": hex(receipt.gas_used - gas_before),
        "effectiveGasPrice": hex(effective_price(tx, base_fee)),
        "contractAddress": created,
        "logs": logs,
        "logsBloom": data(receipt.bloom.to_bytes(256, "big")),
        "status": "0x1" if computation.is_success else "0x0",
        "type": hex(tx.type_id or 0),
    }


def revert_text(output: bytes) -> str:
    """The text of a failed `require(…, "text")`, as nodes put it into the error message."""
    if output[:4] == keccak(text="Error(string)")[:4] and len(output) >= 68:
        length = int.from_bytes(output[36:68], "big")
        return "execution reverted: " + output[68 : 68 + length].decode("utf-8", "replace")
    return "execution reverted"
