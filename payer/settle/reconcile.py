"""Comparing the ledger with the chain to the last atom: every transfer out of the wallet explained, or named.

What the chain proves and the ledger lacked (a settlement that came late) is booked; what can't be mended by booking is
a difference with its purchase's name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from payer.buy.decide import NotSeen
from payer.chain.settlements import paid_as_signed
from payer.ledger import Conflict, Ledger
from payer.services import Services
from payer.settle.recover import verify
from payer.settle.scan import Balance, Scan, read_again, scan
from payer.values.events import Settled
from payer.values.money import Asset
from payer.values.transfers import TransferOut
from payer.values.types import ChainView, Data, Money, Purchase


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
    """One asset's books, closed to a block. `foreign` are transfers without an authorization: not ours to explain.

    `balance` is about the blocks that this call read: whether all that moved the wallet's balance was seen.
    """

    asset: Asset
    wallet: str
    through_block: int
    ledger_atomic: int
    chain_atomic: int
    balance: Balance
    booked_late: list[str] = field(default_factory=list)
    foreign: list[TransferOut] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.differences


async def reconcile(services: Services, asset: Asset, *, rescan: bool = False) -> Reconciled:
    """Read the chain to its final block, book what it proves, and compare. Raises ChainUnreachable.

    `rescan` reads what was closed before once more, from the first block in which a purchase may have been paid.
    """
    wallet = services.signer().address
    await verify(services, services.ledger.open_purchases())
    read = await scan(services, asset, wallet, _mine(services, asset, wallet), anew=rescan)
    late = await _book_late(services, asset, services.ledger.transfers_seen(asset, wallet))
    mine = _mine(services, asset, wallet)
    closed = [p for p in mine if p.settlement is not None and p.settlement.block_number <= read.through]
    seen = await _seen_of(services, asset, wallet, closed)
    ours = [transfer for transfer in seen if transfer.nonce is not None]
    compared = _compare(closed, ours, {p.nonce: p for p in mine})
    named = {difference.purchase_id for difference in compared}
    agreed = [p for p in closed if p.purchase_id not in named]
    return Reconciled(
        asset=asset,
        wallet=wallet,
        through_block=read.through,
        ledger_atomic=sum(p.spent for p in closed),
        chain_atomic=sum(transfer.value for transfer in ours),
        balance=read.balance,
        booked_late=late,
        foreign=[transfer for transfer in seen if transfer.nonce is None],
        differences=[*compared, *_never_signed(services, agreed), *_left_out(read)],
    )


def _mine(services: Services, asset: Asset, wallet: str) -> list[Purchase]:
    return [p for p in services.ledger.purchases() if p.asset == asset and p.payer == wallet]


async def _seen_of(services: Services, asset: Asset, wallet: str, closed: list[Purchase]) -> list[TransferOut]:
    """Everything that was read of the chain. A settlement that is not among it is looked for in its block once more."""
    seen = services.ledger.transfers_seen(asset, wallet)
    nonces = {transfer.nonce for transfer in seen}
    missing = {p.settlement.block_number for p in closed if p.settlement is not None and p.nonce not in nonces}
    if not missing:
        return seen
    await read_again(services, asset, wallet, missing)
    return services.ledger.transfers_seen(asset, wallet)


def _left_out(read: Scan) -> list[Difference]:
    if read.balance is not Balance.DIFFERS:
        return []
    way = "left the wallet" if read.unexplained > 0 else "came to the wallet"
    detail = (
        f"{abs(read.unexplained)} atoms {way} after block {read.through} without a log: the RPC server leaves some "
        "out. Those blocks stay open and are read again by the next reconcile"
    )
    return [Difference("balance", detail, chain_atomic=read.unexplained)]


async def _book_late(services: Services, asset: Asset, seen: list[TransferOut]) -> list[str]:
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


def _compare(closed: list[Purchase], ours: list[TransferOut], by_nonce: dict[str, Purchase]) -> list[Difference]:
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


def _never_signed(services: Services, agreed: list[Purchase]) -> list[Difference]:
    """Booked, since the money is gone; but to a payee, or of a value, that was not signed here for that nonce."""
    return [
        Difference(
            kind="disagrees",
            detail=f"{settled.value} went to {settled.pay_to}, which was not signed here for this nonce: by another "
            "machine with this key, or by somebody who has the key",
            purchase_id=purchase.purchase_id,
            tx_hash=settled.tx_hash,
            ledger_atomic=purchase.reserved,
            chain_atomic=settled.value,
        )
        for purchase in agreed
        if (settled := purchase.settlement) is not None
        and not purchase.paid_by(purchase.authorization)
        and not paid_as_signed(settled, services.ledger.events(purchase.purchase_id))
    ]


def _tx(purchase: Purchase) -> str | None:
    return purchase.settlement.tx_hash if purchase.settlement is not None else None


def _unknown(transfer: TransferOut, detail: str, purchase: Purchase | None = None) -> Difference:
    return Difference(
        kind="not_in_ledger" if purchase is None else "disagrees",
        detail=detail,
        purchase_id=None if purchase is None else purchase.purchase_id,
        tx_hash=transfer.tx_hash,
        ledger_atomic=None if purchase is None else purchase.spent,
        chain_atomic=transfer.value,
    )


def damaged_bodies(ledger: Ledger) -> list[Difference]:
    """Bodies in the ledger that no longer have the hash they arrived with, or are no longer there."""
    held = {purchase_id for _, purchase_id in ledger.delivery_index()}
    gone = [p for p in ledger.purchases() if p.data is Data.DELIVERED and p.purchase_id not in held]
    differences = [
        Difference("missing_body", f"the body of {p.order.dataset} is gone from the ledger", p.purchase_id)
        for p in gone
    ]
    for delivery in ledger.deliveries():
        if delivery.damaged:
            detail = f"the body of {delivery.dataset} does not have the hash it arrived with"
            differences.append(Difference("damaged_body", detail, purchase_id=delivery.purchase_id))
    return differences
