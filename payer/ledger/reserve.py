"""Book intents: all orders of a bill or none, inside every cap and price drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed

import sqlalchemy as sa
from msgspec.structs import replace

from payer.ledger import append, caps, quotes, read, refused_sellers
from payer.ledger.database import rows
from payer.ledger.database.queries import ADD_PURCHASE, HOLD_VERSION, SET_WHOLE_PURCHASE, serialize_caps
from payer.ledger.database.statements import Transaction, transaction
from payer.ledger.transfers import elsewhere
from payer.policy.price_drift import limit_of, with_price
from payer.policy.rules import Caps, Drift
from payer.values.errors import ConflictingRequest, Refused
from payer.values.events import Intent, Void, fold
from payer.values.identifiers import purchase_id, purchase_key
from payer.values.money import Asset
from payer.values.purchase import Lease, Money, Purchase
from payer.values.request import Order, Run
from payer.values.terms import Terms


@dataclass(frozen=True, slots=True)
class PricedOrder:
    """An order that has a price, in atomic units of `asset`. `terms` None marks a free order.

    `nonce_of` holds a nonce per generation. `generation` is the one read before the chain was asked; `reserve` decides
    again. `drift` is how far its price may rise; None leaves that to the asset's caps.
    """

    order: Order
    asset: Asset
    payer: str
    nonce_of: Mapping[int, str]
    amount: int
    terms: Terms | None
    from_block: int | None
    generation: int = 0
    drift: Drift | None = None

    @property
    def nonce(self) -> str:
        return self.nonce_of[self.generation]


@dataclass(frozen=True, slots=True)
class Reserving:
    """A run that reserves, its lease and its limits: caps by asset symbol, loss limits in atomic units by seller."""

    run: Run
    caps: Mapping[str, Caps]
    lease: Lease
    loss_limits: Mapping[str, int]
    leased_elsewhere: Callable[[Purchase], bool]


def by_no_other_process(_purchase: Purchase) -> bool:
    """Say that no other process has a purchase: for a ledger that one process alone writes."""
    return False


def reserve(engine: sa.Engine, by: Reserving, priced: Sequence[PricedOrder]) -> list[Purchase]:
    """Reserve in one transaction; `Ledger.reserve` has the contract."""
    with transaction(engine, write=True) as txn:
        serialize_caps(txn)
        results = [_reserve_one(txn, by, item) for item in priced]
        reserved = [purchase for purchase, is_new in results if is_new]
        paid = [purchase for purchase in reserved if purchase.terms is not None]
        for seller, asset in dict.fromkeys((p.order.seller, p.asset) for p in paid):
            refused_sellers.check_frozen(txn, seller)
            if seller in by.loss_limits:
                refused_sellers.check_losses(txn, seller, asset, by.loss_limits[seller])
        for asset, seller in dict.fromkeys((p.asset, p.order.seller) for p in reserved):
            amount = sum(p.reserved for p in reserved if (p.asset, p.order.seller) == (asset, seller))
            if amount:
                totals, limits = caps.move(txn, asset, by.run, seller, amount), by.caps[asset.symbol]
                other: Counter[caps.Bucket] = Counter()
                for wallet in {p.payer for p in reserved if p.asset == asset}:
                    other.update(elsewhere(txn, asset, wallet, by.run, seller, limits))
                caps.check(limits, by.run, asset, seller, totals, amount, other)
        drifts = {id(purchase): item.drift for (purchase, _), item in zip(results, priced, strict=True)}
        _accept_prices(txn, by, [(purchase, drifts[id(purchase)]) for purchase in paid])
    return [purchase for purchase, _ in results]


def _reserve_one(txn: Transaction, by: Reserving, item: PricedOrder) -> tuple[Purchase, bool]:
    """The order's purchase, and whether this call reserved it."""
    key = purchase_key(item.order.request, item.order.edition)
    latest = read.latest(txn, key)
    if latest is not None and txn.on_postgresql:
        # Locked until commit, so that no other process changes it, and read again.
        txn.scalar(HOLD_VERSION, purchase_id=latest.purchase_id)
        latest = read.latest(txn, key)
    if latest is not None and latest.order.dataset != item.order.dataset:
        raise ConflictingRequest(f"{latest.purchase_id} is {latest.order.dataset}, not {item.order.dataset}")
    if latest is not None and _was_abandoned(latest, by) and not by.leased_elsewhere(latest):
        # It was judged and counted for the run that left it; it is judged and counted again for this one (I3, I6).
        void = Void(at=by.run.started_at, reason="reserved by a run that left it")
        latest = append.append_within(txn, latest, [void])
    if latest is not None and not latest.buyable:
        return latest, False
    if item.terms is not None:
        caps.check_call(by.caps[item.asset.symbol], item.asset, item.amount, item.order.dataset)
    return _write_intent(txn, by, item, key, latest), True


def _write_intent(txn: Transaction, by: Reserving, item: PricedOrder, key: str, latest: Purchase | None) -> Purchase:
    if latest is None or latest.loss_accepted:
        base, statement = _new_purchase(key, latest, by.run, item), ADD_PURCHASE
    else:
        base, statement = _with_asset_and_wallet(latest, item), SET_WHOLE_PURCHASE
    intent = Intent(
        at=by.run.started_at,
        order=item.order,
        run=by.run,
        reserved=item.amount,
        terms=item.terms,
        from_block=item.from_block,
        asset=base.asset,
        payer=base.payer,
        nonce=base.nonce,
    )
    after = replace(fold(base, intent), lease=by.lease)
    seq = append.insert_event(txn, after, intent)
    txn.run(statement, **rows.columns(after, seq))
    return after


def _was_abandoned(purchase: Purchase, by: Reserving) -> bool:
    """Reserved, and not just now for this run."""
    return purchase.money is Money.RESERVED and (purchase.lease, purchase.run.run_id) != (by.lease, by.run.run_id)


def _new_purchase(key: str, earlier: Purchase | None, run: Run, item: PricedOrder) -> Purchase:
    """A purchase without events: the first of its key, or the generation after an accepted loss."""
    generation = 0 if earlier is None else earlier.generation + 1
    return Purchase(
        purchase_id=purchase_id(key, generation),
        purchase_key=key,
        generation=generation,
        order=item.order,
        run=run,
        asset=item.asset,
        payer=item.payer,
        nonce=item.nonce_of[generation],
        created_at=run.started_at,
    )


def _with_asset_and_wallet(void: Purchase, item: PricedOrder) -> Purchase:
    """A void purchase with the asset and wallet that the order names now. Raises Refused when it was ever sent."""
    if (void.asset, void.payer) == (item.asset, item.payer):
        return void
    if void.sends or void.earlier_sends:
        raise Refused(
            f"{void.title} was presented in {void.asset.symbol} from {void.payer}; "
            f"it can't be bought in {item.asset.symbol} from {item.payer}",
            advice="one purchase keeps its asset and wallet: buy it with those, or leave it out",
        )
    return void.paid_with(item.asset, item.payer, item.nonce_of[void.generation])


def _accept_prices(txn: Transaction, by: Reserving, paid: Sequence[tuple[Purchase, Drift | None]]) -> None:
    """Check price drift once more, since another bill may have been reserved since this one was judged; then keep
    these prices for later ones to be measured against. The first one becomes the base."""
    latest_by_quote = {(p.order.request.endpoint, p.asset): (p, drift) for p, drift in paid}
    for (endpoint, asset), (purchase, drift) in latest_by_quote.items():
        quote = quotes.find(txn, endpoint, asset)
        if quote is None:
            continue
        price, now = purchase.reserved, by.run.started_at
        general = Drift(by.caps[asset.symbol].price_drift, f"caps.{asset.symbol}.price_drift")
        caps.check_drift(asset, price, limit_of(quote, drift or general, now), purchase.order.dataset)
        base = price if quote.base is None else quote.base
        quotes.write(txn, changed(quote, baseline=price, base=base, accepted=with_price(quote.accepted, price, now)))
