"""Read what became of nonces: the token's flag, and proof from a receipt that one was paid or cancelled.

The flag is EIP-3009's `authorizationState`, true for used and for cancelled ones. A thousand take ten calls, through
Multicall3's tryAggregate: it has the same address on every chain that has it. On others, they are read one by one. The
log that proves a payment must be in a successful receipt of a block on the chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from payer.chain.chain import Head
from payer.chain.logs import Log, Mark, read_log, transfers_of
from payer.chain.rpc import Call, RpcCallFailed, RpcClient, eth_call, malformed, quantity, refused, word
from payer.values.chain_view import NonceState, Settlement
from payer.values.money import Asset
from payer.wire.addresses import address_word, checksum, is_hash

Proof = Settlement | NonceState
"""A settlement, or NonceState.CANCELLED."""

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
CALLS = 100
_TRY_AGGREGATE = "bce38bd7"
_WORD = 32


def _uint(value: int) -> bytes:
    return value.to_bytes(_WORD, "big")


def encode_multicall(target: str, calls: Sequence[bytes]) -> str:
    """Encode tryAggregate(bool requireSuccess, (address target, bytes callData)[]) with every call required."""
    entries = [
        address_word(target) + _uint(2 * _WORD) + _uint(len(data)) + data + bytes(-len(data) % _WORD) for data in calls
    ]
    offsets, at = [], len(entries) * _WORD
    for entry in entries:
        offsets.append(_uint(at))
        at += len(entry)
    array = _uint(len(entries)) + b"".join(offsets) + b"".join(entries)
    return "0x" + _TRY_AGGREGATE + (_uint(1) + _uint(2 * _WORD) + array).hex()


def decode_multicall(answer: str, count: int) -> list[str]:
    """Decode the one word that each call returned, as 0x hex. Raises ChainUnreachable for anything else."""
    try:
        raw = bytes.fromhex(answer[2:])
        words = list(_words(raw, count))
    except (ValueError, IndexError):
        raise malformed("the result of a multicall can't be decoded") from None
    return words


def _words(raw: bytes, count: int) -> Iterator[str]:
    """Each word of (bool success, bytes returnData)[]. Raises ValueError unless every call returned exactly one."""
    if _at(raw, 0) != _WORD or _at(raw, _WORD) != count:
        raise ValueError("not an array of the length asked for")
    body = 2 * _WORD
    for index in range(count):
        entry = body + _at(raw, body + index * _WORD)
        data = entry + _at(raw, entry + _WORD)
        if _at(raw, entry) != 1 or _at(raw, data) != _WORD:
            raise ValueError("a call failed or returned no word")
        yield "0x" + _uint(_at(raw, data + _WORD)).hex()


def _at(raw: bytes, position: int) -> int:
    word = raw[position : position + _WORD]
    if len(word) != _WORD:
        raise IndexError("beyond the answer's end")
    return int.from_bytes(word, "big")


_AUTHORIZATION_STATE = "0xe94a0102"
_WORTH_A_MULTICALL = 4


async def used_at_final(
    rpc: RpcClient,
    asset: Asset,
    payer: str,
    nonces: Mapping[str, int | None],
    head: Head,
    used: Mapping[str, bool],
    proofs: Mapping[str, Proof],
) -> dict[str, bool]:
    """The flag of each nonce at the final block.

    Read only where it can matter: a signed nonce that is unused may be dead, and a used one without proof of
    payment may be cancelled. Raises ChainUnreachable when it is used there and unused at the head.
    """
    if head.final_number == head.number:
        return dict(used)
    flags = dict.fromkeys(nonces, False)
    flags |= {name: proof.final for name, proof in proofs.items() if isinstance(proof, Settlement)}
    signed = {name for name, start in nonces.items() if start is not None}
    paid = {name for name, proof in proofs.items() if isinstance(proof, Settlement)}
    asked = [name for name in nonces if (used[name] or name in signed) and name not in paid]
    try:
        flags |= await _flags(rpc, asset, payer, asked, head.final_number)
    except RpcCallFailed as error:
        if not error.refusal.gone:
            raise refused(error) from None
        # That state is pruned. A flag is never taken back, so unused at the head means unused there, too; of a
        # cancelled nonce it is not known whether that is final.
        return flags
    if wrong := [name for name in asked if flags[name] and not used[name]]:
        raise malformed(f"nonce {wrong[0]} is used in an older block and unused in a newer one")
    return flags


async def used(rpc: RpcClient, asset: Asset, payer: str, nonces: list[str], block: int) -> dict[str, bool]:
    """The token's `authorizationState` of each nonce at a block. Raises ChainUnreachable."""
    try:
        return await _flags(rpc, asset, payer, nonces, block)
    except RpcCallFailed as error:
        raise refused(error) from None


async def _flags(rpc: RpcClient, asset: Asset, payer: str, nonces: list[str], block: int) -> dict[str, bool]:
    """The flags, in as few round trips as possible. Raises RpcCallFailed, ChainUnreachable."""
    if not nonces:
        return {}
    prefix = _AUTHORIZATION_STATE + address_word(payer).hex()
    calls = [prefix + nonce[2:] for nonce in nonces]
    words = await _by_multicall(rpc, asset, calls, block) if len(nonces) >= _WORTH_A_MULTICALL else None
    if words is None:
        words = await rpc.attempt([eth_call(asset.address, data, hex(block)) for data in calls])
    return {nonce: _flag(value) for nonce, value in zip(nonces, words, strict=True)}


async def _by_multicall(rpc: RpcClient, asset: Asset, calls: list[str], block: int) -> list[str] | None:
    """The word that the token returns to each call, None where the chain has no Multicall3."""
    groups = [calls[at : at + CALLS] for at in range(0, len(calls), CALLS)]
    encoded = [encode_multicall(asset.address, [bytes.fromhex(d[2:]) for d in group]) for group in groups]
    try:
        answers = await rpc.call([eth_call(MULTICALL3, data, hex(block)) for data in encoded])
    except RpcCallFailed:
        return None
    if not all(isinstance(answer, str) and len(answer) > len("0x") for answer in answers):
        return None
    pairs = zip(answers, groups, strict=True)
    return [value for answer, group in pairs for value in decode_multicall(answer, len(group))]


def _flag(value: object) -> bool:
    number = int(word(value), 16)
    if number > 1:
        raise malformed(f"authorizationState returned {number}")
    return number == 1


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
