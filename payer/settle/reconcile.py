"""Reconcile the ledger with the chain, to the atomic unit: every transfer out of the wallet is explained or named.

A transfer that this ledger has no purchase for is foreign: another home of the wallet made it, a ledger that was lost,
or no authorization at all. The books of this ledger agree without it.

A settlement that the chain proves and the ledger lacks is booked. What booking can't repair is a difference.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from payer.buy.decide import believes
from payer.buy.look import look, paid_as_signed
from payer.chain.chain import Progress, unwatched
from payer.context import PayerContext
from payer.ledger import Conflict, Ledger
from payer.settle.recover import verify
from payer.settle.scan import Balance, Scan, read_again, scan
from payer.values.chain_view import NotSeen, TransferOut
from payer.values.events import Settled
from payer.values.money import Asset
from payer.values.purchase import Data, Money, Purchase


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement between ledger, chain and bodies. Amounts are in atomic units; None means "not there"."""

    kind: str
    detail: str
    purchase_id: str | None = None
    tx_hash: str | None = None
    ledger_atomic: int | None = None
    chain_atomic: int | None = None

    def __str__(self) -> str:
        """The kind, the purchase or transaction if it has one, and the detail."""
        return ": ".join(part for part in (self.kind, self.purchase_id or self.tx_hash, self.detail) if part)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The result for one asset, closed to a block. Amounts are in atomic units.

    `foreign` are transfers that this ledger has no purchase for; those with a nonce were made by an authorization of
    the wallet. `balance` is the check of the blocks that this call read.
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


async def reconcile(
    context: PayerContext, asset: Asset, *, rescan: bool = False, progress: Progress = unwatched
) -> Reconciled:
    """Read the chain to its final block, book what it proves, and compare. Raises ChainUnreachable, and LedgerDamaged.

    `rescan` reads closed blocks again, from the first block in which a purchase may have settled. `progress` is called
    while blocks are read.
    """
    wallet, in_thread = context.signer().address, context.ledger.in_thread
    await in_thread(context.ledger.require_intact)
    await verify(context, await in_thread(context.ledger.open_purchases))
    mine = await in_thread(_purchases_of, context, asset, wallet)
    read = await scan(context, asset, wallet, mine, rescan=rescan, progress=progress)
    late = await _book_late(context, asset, wallet)
    mine = await in_thread(_purchases_of, context, asset, wallet)
    closed = [p for p in mine if p.settlement is not None and p.settlement.block_number <= read.through]
    seen = await _transfers_seen(context, asset, wallet, closed)
    by_nonce = {p.nonce: p for p in mine}
    ours = [transfer for transfer in seen if transfer.nonce in by_nonce]
    compared = _compare(closed, ours, by_nonce)
    disputed = {difference.purchase_id for difference in compared}
    agreed = [p for p in closed if p.purchase_id not in disputed]
    return Reconciled(
        asset=asset,
        wallet=wallet,
        through_block=read.through,
        ledger_atomic=sum(p.spent for p in closed),
        chain_atomic=sum(transfer.value for transfer in ours),
        balance=read.balance,
        booked_late=late,
        foreign=[transfer for transfer in seen if transfer.nonce not in by_nonce],
        differences=[*compared, *await in_thread(_never_signed, context, agreed), *_unexplained_balance(read)],
    )


def _purchases_of(context: PayerContext, asset: Asset, wallet: str) -> list[Purchase]:
    return [p for p in context.ledger.purchases() if p.asset == asset and p.payer == wallet]


async def _transfers_seen(
    context: PayerContext, asset: Asset, wallet: str, closed: list[Purchase]
) -> list[TransferOut]:
    """Return every transfer read from the chain, after reading the blocks of settlements that are missing again."""
    seen = await context.ledger.in_thread(context.ledger.transfers_seen, asset, wallet)
    nonces = {transfer.nonce for transfer in seen}
    missing = {p.settlement.block_number for p in closed if p.settlement is not None and p.nonce not in nonces}
    if not missing:
        return seen
    await read_again(context, asset, wallet, missing)
    return await context.ledger.in_thread(context.ledger.transfers_seen, asset, wallet)


def _unexplained_balance(read: Scan) -> list[Difference]:
    if read.balance is not Balance.DIFFERS:
        return []
    way = "left the wallet" if read.unexplained > 0 else "came to the wallet"
    detail = (
        f"{abs(read.unexplained)} atomic units {way} after block {read.through} without a log: the RPC server leaves "
        "some out. Those blocks stay open and are read again by the next reconcile"
    )
    return [Difference("balance", detail, chain_atomic=read.unexplained)]


async def _book_late(context: PayerContext, asset: Asset, wallet: str) -> list[str]:
    """Book purchases that only the chain shows as paid: an RPC server was wrong, or the ledger is an older backup."""
    late = await context.ledger.in_thread(_paid_by_chain, context, asset, wallet)
    views = await look(context, late)
    booked = []
    for purchase in late:
        view, now = views[purchase.purchase_id], context.clock.now()
        if isinstance(view, NotSeen) or view.settlement is None or not believes(purchase, now.timestamp(), view):
            continue
        with suppress(Conflict):
            settled = Settled(at=now, settlement=view.settlement)
            await context.ledger.in_thread(context.ledger.append, purchase, settled)
            booked.append(purchase.purchase_id)
    return booked


def _paid_by_chain(context: PayerContext, asset: Asset, wallet: str) -> list[Purchase]:
    """Return the purchases of the transfers seen that the ledger does not have as spent."""
    late = []
    for transfer in context.ledger.transfers_seen(asset, wallet):
        purchase = context.ledger.by_nonce(transfer.nonce) if transfer.nonce is not None else None
        if purchase is not None and purchase.money is not Money.SPENT and purchase.asset == asset:
            late.append(purchase)
    return late


def _compare(closed: list[Purchase], ours: list[TransferOut], by_nonce: dict[str, Purchase]) -> list[Difference]:
    differences = []
    for transfer in ours:
        purchase = by_nonce[transfer.nonce or ""]
        if purchase.money is not Money.SPENT:
            detail = _unbooked(purchase, transfer)
        elif purchase.spent != transfer.value or _tx(purchase) != transfer.tx_hash:
            detail = "the ledger has another amount or transaction"
        else:
            continue
        amounts = purchase.spent, transfer.value
        differences.append(Difference("disagrees", detail, purchase.purchase_id, transfer.tx_hash, *amounts))
    on_chain, detail = {transfer.nonce for transfer in ours}, "booked as spent, no such transfer in the closed blocks"
    missing = [p for p in closed if p.nonce not in on_chain]
    return differences + [Difference("not_on_chain", detail, p.purchase_id, _tx(p), p.spent) for p in missing]


def _unbooked(purchase: Purchase, transfer: TransferOut) -> str:
    """Say why a transfer over a purchase's nonce is not booked."""
    signed = purchase.authorization
    if signed is None or (signed.pay_to, signed.value) == (transfer.pay_to, transfer.value):
        return f"the ledger has it as {purchase.money}"
    return (
        f"the chain server shows {transfer.value} to {transfer.pay_to} for this nonce, and {signed.value} to "
        f"{signed.pay_to} was signed: the ledger has it as {purchase.money} and counts {purchase.committed} until what "
        "was signed has expired"
    )


def _never_signed(context: PayerContext, agreed: list[Purchase]) -> list[Difference]:
    """Name settlements whose payee or value was not signed here for their nonce. They are booked: the money is gone."""
    differences = []
    for p in agreed:
        settled = p.settlement
        if settled is None or p.paid_by(p.authorization):
            continue
        if not paid_as_signed(settled, context.ledger.events(p.purchase_id)):
            detail = (
                f"{settled.value} went to {settled.pay_to}, which was not signed here for this nonce: by another "
                "machine with this key, or by somebody who has the key"
            )
            amounts = p.reserved, settled.value
            differences.append(Difference("disagrees", detail, p.purchase_id, settled.tx_hash, *amounts))
    return differences


def _tx(purchase: Purchase) -> str | None:
    return purchase.settlement.tx_hash if purchase.settlement is not None else None


def damaged_projection(ledger: Ledger) -> list[Difference]:
    """Find purchases and caps in the ledger that are not what its events fold to."""
    return [Difference("projection", each.detail, each.purchase_id) for each in ledger.verify_projection()]


def damaged_bodies(ledger: Ledger) -> list[Difference]:
    """Find bodies in the ledger that are missing, or no longer have the hash they arrived with."""
    with_body = {purchase_id for _, purchase_id in ledger.delivery_index()}
    missing = [p for p in ledger.purchases() if p.data is Data.DELIVERED and p.purchase_id not in with_body]
    differences = [
        Difference("missing_body", f"the body of {p.order.dataset} is gone from the ledger", p.purchase_id)
        for p in missing
    ]
    for delivery in ledger.deliveries():
        if delivery.damaged:
            detail = f"the body of {delivery.dataset} does not have the hash it arrived with"
            differences.append(Difference("damaged_body", detail, purchase_id=delivery.purchase_id))
    return differences
