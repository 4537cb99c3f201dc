"""Comparing the ledger with the chain to the last atom: every transfer out of the wallet explained, or named.

The chain is read up to the block that policy calls final, a stretch at a time, resumable; the newest closed blocks are
read again each time, so a reorg that reached below them is noticed. What the chain proves and the ledger lacked (a
settlement that came late) is booked; what can't be mended by booking is a difference with its purchase's name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tollbook.payer.chain import TransferOut
from tollbook.payer.decide import NotSeen
from tollbook.payer.events import Settled
from tollbook.payer.ledger import Conflict, Ledger
from tollbook.payer.ledger.scans import SeenTransfer
from tollbook.payer.money import Asset
from tollbook.payer.recover import verify
from tollbook.payer.services import Services
from tollbook.payer.types import ChainView, Money, Purchase

_OVERLAP = 128
_STRETCH = 50_000


@dataclass(frozen=True, slots=True)
class Difference:
    """Something ledger, chain and bodies don't agree on. Amounts are atoms; None means "not there"."""

    kind: str
    detail: str
    purchase_id: str | None = None
    tx_hash: str | None = None
    ledger_atomic: int | None = None
    chain_atomic: int | None = None


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One asset's books, closed to a block. `foreign` are transfers without an authorization: not ours to explain."""

    asset: Asset
    wallet: str
    through_block: int
    ledger_atomic: int
    chain_atomic: int
    booked_late: list[str] = field(default_factory=list)
    foreign: list[SeenTransfer] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.differences


async def reconcile(services: Services, asset: Asset) -> Reconciled:
    """Read the chain to its final block, book what it proves, and compare. Raises ChainUnreachable."""
    wallet = services.signer().address
    await verify(services, services.ledger.open_purchases())
    through = await _scan(services, asset, wallet)
    seen = services.ledger.transfers_seen(asset, wallet)
    late = await _book_late(services, asset, seen)
    mine = [p for p in services.ledger.purchases() if p.asset == asset and p.payer == wallet]
    closed = [p for p in mine if p.settlement is not None and p.settlement.block_number <= through]
    ours = [transfer for transfer in seen if transfer.nonce is not None]
    return Reconciled(
        asset=asset,
        wallet=wallet,
        through_block=through,
        ledger_atomic=sum(p.spent for p in closed),
        chain_atomic=sum(transfer.value for transfer in ours),
        booked_late=late,
        foreign=[transfer for transfer in seen if transfer.nonce is None],
        differences=_compare(closed, ours, {p.nonce: p for p in mine}),
    )


async def _scan(services: Services, asset: Asset, wallet: str) -> int:
    """Read on from where the last scan closed, a stretch per commit; the block it is closed to now."""
    final = (await services.chain.head()).final_number
    closed = services.ledger.scanned_through(asset, wallet)
    start = max(0, final - services.policy.lookback_blocks) if closed is None else max(0, closed + 1 - _OVERLAP)
    while start <= final:
        end = min(start + _STRETCH - 1, final)
        found = await services.chain.transfers(asset, wallet, start, end)
        seen = [_seen(transfer) for transfer in found]
        services.ledger.close_scan(asset, wallet, start, end, seen, services.clock.now())
        start = end + 1
    return final


def _seen(transfer: TransferOut) -> SeenTransfer:
    return SeenTransfer(
        tx_hash=transfer.tx_hash,
        log_index=transfer.log_index,
        block_number=transfer.block_number,
        block_hash=transfer.block_hash,
        pay_to=transfer.to,
        value=transfer.value,
        nonce=transfer.nonce,
    )


async def _book_late(services: Services, asset: Asset, seen: list[SeenTransfer]) -> list[str]:
    """Purchases the chain shows as paid and the ledger did not: a lie of an RPC, a ledger restored from a backup."""
    late = []
    for transfer in seen:
        purchase = services.ledger.by_nonce(transfer.nonce) if transfer.nonce is not None else None
        if purchase is not None and purchase.money is not Money.SPENT and purchase.asset == asset:
            late.append(purchase)
    views = await services.look(late)
    booked = []
    for purchase in late:
        view = views[purchase.purchase_id]
        if isinstance(view, NotSeen) or not await _book(services, purchase, view):
            continue
        booked.append(purchase.purchase_id)
    return booked


async def _book(services: Services, purchase: Purchase, view: ChainView) -> bool:
    if view.settlement is None:
        return False
    try:
        services.ledger.append(purchase, Settled(at=services.clock.now(), settlement=view.settlement))
    except Conflict:
        return False
    return True


def _compare(closed: list[Purchase], ours: list[SeenTransfer], by_nonce: dict[str, Purchase]) -> list[Difference]:
    differences = []
    on_chain = {transfer.nonce: transfer for transfer in ours}
    for transfer in ours:
        purchase = by_nonce.get(transfer.nonce or "")
        if purchase is None:
            detail = (
                "an authorization of this wallet that is not in this ledger (another machine's, or a lost ledger's)"
            )
            differences.append(_unknown(transfer, detail))
        elif purchase.money is not Money.SPENT:
            differences.append(_unknown(transfer, f"the ledger has it as {purchase.money}", purchase))
        elif purchase.spent != transfer.value or _tx(purchase) != transfer.tx_hash:
            differences.append(_unknown(transfer, "the ledger has another amount or transaction", purchase))
    for purchase in closed:
        if purchase.nonce not in on_chain:
            differences.append(
                Difference(
                    kind="not_on_chain",
                    detail="booked as spent, no such transfer in the closed blocks",
                    purchase_id=purchase.purchase_id,
                    tx_hash=_tx(purchase),
                    ledger_atomic=purchase.spent,
                )
            )
    return differences


def _tx(purchase: Purchase) -> str | None:
    return purchase.settlement.tx_hash if purchase.settlement is not None else None


def _unknown(transfer: SeenTransfer, detail: str, purchase: Purchase | None = None) -> Difference:
    return Difference(
        kind="not_in_ledger" if purchase is None else "disagrees",
        detail=detail,
        purchase_id=None if purchase is None else purchase.purchase_id,
        tx_hash=transfer.tx_hash,
        ledger_atomic=None if purchase is None else purchase.spent,
        chain_atomic=transfer.value,
    )


def damaged_bodies(ledger: Ledger) -> list[Difference]:
    """Bodies in the ledger that no longer have the hash they arrived with."""
    differences = []
    for delivery in ledger.deliveries():
        if delivery.damaged:
            detail = f"the body of {delivery.dataset} does not have the hash it arrived with"
            differences.append(Difference("damaged_body", detail, purchase_id=delivery.purchase_id))
    return differences
