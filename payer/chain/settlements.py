"""Prove that a nonce was paid or cancelled: its log must be in a successful receipt of a block on the chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from payer.chain.logs import Log, Mark, read_log, transfers_of
from payer.chain.rpc import Call, RpcClient, malformed, quantity
from payer.values.chain_view import NonceState, Settlement
from payer.values.events import Event, Signed
from payer.values.money import Asset
from payer.wire.addresses import checksum, is_hash

Proof = Settlement | NonceState
"""A settlement, or NonceState.CANCELLED."""


def paid_as_signed(settlement: Settlement, events: Iterable[Event]) -> bool:
    """Tell whether a transfer has the payee and value of an authorization signed for its nonce.

    True, too, when these events hold none: the nonce was used by another machine, or before a ledger was lost.
    """
    signed = {(e.authorization.pay_to, e.authorization.value) for e in events if isinstance(e, Signed)}
    return not signed or (settlement.pay_to, settlement.value) in signed


async def read_proofs(
    rpc: RpcClient, asset: Asset, payer: str, marks: Mapping[str, list[Mark]], final_number: int
) -> Mapping[str, Proof]:
    """Proof by nonce; a nonce without proof is absent. Settlements up to block `final_number` are final."""
    claims = [mark.log for group in marks.values() for mark in group]
    hashes = sorted({log.tx_hash for log in claims})
    answers = await rpc.read([("eth_getTransactionReceipt", [tx_hash]) for tx_hash in hashes])
    receipts = dict(zip(hashes, answers, strict=True))
    blocks = await _blocks(rpc, sorted({log.block_number for log in claims}))
    proofs: dict[str, Proof] = {}
    for nonce, group in marks.items():
        for mark in group:
            proof = _prove(asset, payer, mark, receipts.get(mark.log.tx_hash), blocks, final_number)
            if proof is not None:
                proofs[nonce] = proof
    return proofs


async def _blocks(rpc: RpcClient, numbers: list[int]) -> dict[int, tuple[str, int]]:
    calls: list[Call] = [("eth_getBlockByNumber", [hex(number), False]) for number in numbers]
    blocks: dict[int, tuple[str, int]] = {}
    for number, block in zip(numbers, await rpc.read(calls), strict=True):
        if isinstance(block, dict) and is_hash(block.get("hash")):
            blocks[number] = (str(block["hash"]).lower(), quantity(block.get("timestamp"), "a block's timestamp"))
    return blocks


def _prove(
    asset: Asset, payer: str, mark: Mark, receipt: object, blocks: Mapping[int, tuple[str, int]], final_number: int
) -> Proof | None:
    """Proof from one claim. None: no receipt yet, reverted, another block (a reorg), or the log is not in it."""
    claim = mark.log
    if not isinstance(receipt, dict) or quantity(receipt.get("status"), "a receipt's status") != 1:
        return None
    block_hash, block_time = blocks.get(claim.block_number, ("", 0))
    if str(receipt.get("blockHash")).lower() != block_hash or claim.block_hash != block_hash:
        return None
    logs = _receipt_logs(receipt, asset, payer)
    if not any(log.topics == claim.topics and log.index == claim.index for log in logs):
        return None
    if mark.cancelled:
        return NonceState.CANCELLED
    transfer = next((log for log, nonce in transfers_of(logs) if nonce == claim.nonce), None)
    if transfer is None:
        return None
    return Settlement(
        tx_hash=claim.tx_hash,
        block_number=claim.block_number,
        block_hash=block_hash,
        block_time=datetime.fromtimestamp(block_time, UTC),
        pay_to=checksum("0x" + transfer.topics[2][-40:]),
        value=transfer.value,
        final=claim.block_number <= final_number,
    )


def _receipt_logs(receipt: Mapping[str, Any], asset: Asset, payer: str) -> list[Log]:
    entries = receipt.get("logs")
    if not isinstance(entries, list):
        raise malformed("a receipt has no logs")
    logs = [log for log in (read_log(entry, asset) for entry in entries) if log is not None]
    return [log for log in logs if log.topics[1][-40:] == payer[2:].lower()]
