"""Quote a plan: current terms, endpoint by endpoint, and the bill they add up to, trimmed to the spending caps.

An endpoint without terms that may be signed is a problem of its own line; the other lines are still bought. What is
never sold again goes first, then the newest, then gaps, oldest first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from payer.values.errors import PayerError, QuoteUnacceptable, SellerUnreachable, Unreachable
from payer.values.purchase import WHO
from payer.values.request import Order, Run
from payer.values.terms import Quote
from sources.model import Dataset, Kind
from sources.planner.pieces import Piece
from sources.planner.plan import LostCells, Plan
from sources.slots import slot, start_of
from tasks.buy.bill import Bill, Due, Item, Line, LostData, Saved
from tasks.buy.caps import ALONE, Beside, CapLine, cap_lines
from tasks.buy.plan import Planned, last_price, order, plan
from tasks.buy.publish import load
from tasks.request.model import DataRequest
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace

_FEW = 3
NOTHING_HALTED: Mapping[str, PayerError] = {}


@dataclass(frozen=True, slots=True)
class Priced:
    """By endpoint: terms that may be signed, or the reason why there are none."""

    quotes: dict[str, Quote] = field(default_factory=dict)
    problems: dict[str, PayerError] = field(default_factory=dict)

    @property
    def prices(self) -> dict[str, int]:
        """Atomic units by endpoint, also of prices that policy refuses."""
        prices = {endpoint: quote.terms.amount for endpoint, quote in self.quotes.items()}
        for endpoint, problem in self.problems.items():
            if isinstance(problem, QuoteUnacceptable) and problem.offered is not None:
                prices[endpoint] = problem.offered
        return prices


async def quote(ws: Workspace, planned: Planned, halted: Mapping[str, PayerError] = NOTHING_HALTED) -> Bill:
    """Get current terms of every endpoint in the plan, and write the bill. An empty plan asks no seller.

    An endpoint without terms that may be signed becomes its line's problem; a `halted` one is not asked again.
    """
    orders = {
        id(piece): order(ws, dataset, piece)
        for dataset, found in planned.plans
        for piece in (*found.pieces, *found.later)
    }
    return await ws.in_thread(_bill, ws, planned, orders, await price(ws, orders.values(), halted))


def _bill(ws: Workspace, planned: Planned, orders: Mapping[int, Order], priced: Priced) -> Bill:
    undelivered = {purchase.purchase_key: purchase for purchase in ws.ledger.undelivered()}
    lost = {key: purchase.purchase_id for key, purchase in undelivered.items()}
    lines = tuple(_line(ws, planned, dataset, found, orders, priced, lost) for dataset, found in planned.plans)
    listed = {purchase_id for line in lines for purchase_id in line.undelivered}
    ids = [p.purchase_id for p in undelivered.values() if p.bought_elsewhere and p.purchase_id in listed]
    notes = [*planned.request.notes]
    if ids:
        some = ", ".join(ids[:_FEW]) + (", …" if len(ids) > _FEW else "")
        bought = f"{len(ids)} of the undelivered were bought by {WHO}, which has their bodies"
        notes.append(f"{bought} ({some}): `tollbook status`")
    return Bill(planned.request.flow, planned.asset, lines, priced.quotes, tuple(notes))


async def price(ws: Workspace, orders: Iterable[Order], halted: Mapping[str, PayerError]) -> Priced:
    """Ask the seller once for each endpoint.

    Raises Unreachable where no endpoint has an answer: a caller that repeats what was unreachable then asks again.
    """
    by_endpoint: dict[str, Order] = {}
    for each in orders:
        by_endpoint.setdefault(each.request.endpoint, each)
    found = Priced(problems={endpoint: halted[endpoint] for endpoint in by_endpoint if endpoint in halted})
    for endpoint, each in by_endpoint.items():
        if each.free or endpoint in halted:
            continue
        try:
            found.quotes.update(await ws.payer.quote([each]))
        except (QuoteUnacceptable, SellerUnreachable) as problem:
            found.problems[endpoint] = problem
    silent = [problem for problem in found.problems.values() if isinstance(problem, Unreachable)]
    if silent and len(found.problems) == len(by_endpoint):
        raise silent[0]
    return found


async def current_bill(ws: Workspace, request: DataRequest, budget: int | None = None, beside: Beside = ALONE) -> Bill:
    """Load what the ledger already holds and return the request's bill: what `plan` shows. Books nothing.

    `beside` are the command's other bills. Raises the first problem where nothing has a price.
    """
    loaded = await load(ws)
    noted = replace(request, notes=(*request.notes, *loaded.notes))
    bill = await quote(ws, await plan(ws, noted))
    if bill.problems and not any(line.known_atomic for line in bill.lines):
        raise bill.problems[0]
    run = new_run(request.flow, request.reason, ws.clock.now(), budget=budget)
    return await ws.in_thread(fit_caps, ws, run, bill, whole=request.whole or budget is not None, beside=beside)


def _line(
    ws: Workspace,
    planned: Planned,
    dataset: Dataset,
    found: Plan,
    orders: Mapping[int, Order],
    priced: Priced,
    lost: Mapping[str, str],
) -> Line:
    prices = priced.prices

    def billed(piece: Piece) -> Item:
        made = orders[id(piece)]
        price = 0 if made.free else prices.get(made.request.endpoint)
        return Item(made, price, piece.expected_rows, _due(dataset, piece, planned.request))

    now, later = list(map(billed, found.pieces)), list(map(billed, found.later))
    problems = (priced.problems.get(item.order.request.endpoint) for item in now)
    return Line(
        dataset=dataset.name,
        missing_cells=found.missing_cells,
        items=tuple(item for item in now if item.key not in lost),
        later=tuple(item for item in later if item.key not in lost),
        undelivered=tuple(lost[item.key] for item in (*now, *later) if item.key in lost),
        saved=_saved(ws, dataset, found.avoided),
        lost=tuple(_lost_data(dataset, lost) for lost in found.lost),
        open_ended=found.open_ended,
        may_grow=found.may_grow,
        most_calls=found.most_calls,
        problem=next((problem for problem in problems if problem), None),
        unconfirmed=found.unconfirmed,
        pending=found.pending,
        confirmed_empty=found.confirmed_empty,
    )


def _due(dataset: Dataset, piece: Piece, request: DataRequest) -> Due:
    if dataset.kind is Kind.SNAPSHOT:
        return Due.NOW_OR_NEVER
    return Due.NEWEST if piece.last >= slot(dataset, request.at) else Due.WHENEVER


def _saved(ws: Workspace, dataset: Dataset, avoided: Sequence[Piece]) -> Saved:
    if not avoided:
        return Saved()
    each = last_price(ws, order(ws, dataset, avoided[0]))
    return Saved(len(avoided), None if each is None else each * len(avoided))


def _lost_data(dataset: Dataset, lost: LostCells) -> LostData:
    first, last = (
        f"{start_of(dataset, edge):%Y-%m-%d %H:%M}".removesuffix(" 00:00") for edge in (lost.first, lost.last)
    )
    span = first if first == last else f"{first} to {last}"
    return LostData(dataset.name, (lost.last - lost.first + 1) * len(lost.keys), lost.repaired_by, span)


def fit_caps(ws: Workspace, run: Run, bill: Bill, *, whole: bool, begun: bool = False, beside: Beside = ALONE) -> Bill:
    """Return the bill as far as every cap allows, with the caps beside it.

    A `whole` bill, or one of which nothing fits, stays as it is and carries its refusal. Otherwise what doesn't fit is
    postponed, and only where that can't wait does the bill carry a refusal as well. Once `begun`, a whole bill is
    trimmed like any other, and carries the refusal that trimmed it. Of a frozen seller nothing is bought.
    """
    counted = _counted(ws, run, bill)
    paid_sellers = {item.order.seller for item in bill.items if not item.order.free}
    frozen = next((freeze for freeze in ws.ledger.freezes() if freeze.holds_for(paid_sellers)), None)
    if frozen is not None:
        return replace(bill, caps=_lines(ws, run, bill, counted, beside, "--max-cost"), refusal=frozen.refusal())
    name = "the approved amount" if begun and whole else "--max-cost"
    lines = _lines(ws, run, bill, counted, beside, name)
    refused = next((line for line in lines if line.refuses), None)  # in the order in which the ledger checks
    if refused is None:
        return replace(bill, caps=lines)
    fits = set() if whole and not begun else _fitting(bill.all_items, lines, counted)
    if not begun and not any(item.key in fits for item in bill.items):
        return replace(bill, caps=lines, refusal=refused.refusal())
    postponed = tuple(item for item in bill.all_items if item.key not in fits)
    urgent = whole or any(item.due is not Due.WHENEVER for item in postponed)
    kept = bill.only(lambda item: item.key in fits)
    return replace(
        kept,
        caps=_lines(ws, run, kept, counted, beside, name),
        postponed=postponed,
        refusal=refused.refusal() if urgent else None,
    )


def urgent_only(bill: Bill) -> Bill:
    """Return the bill without the gaps that can wait."""
    waits = tuple(item for item in bill.all_items if item.due is Due.WHENEVER)
    kept = bill.only(lambda item: item.due is not Due.WHENEVER)
    return replace(kept, postponed=(*bill.postponed, *waits))


def _lines(
    ws: Workspace, run: Run, bill: Bill, counted: Collection[str], beside: Beside, budget_name: str
) -> tuple[CapLine, ...]:
    wanted = sum(item.price or 0 for item in bill.all_items if item.key not in counted)
    dearest = max((item.price or 0 for item in bill.all_items), default=0)
    return cap_lines(ws, run, bill.asset, bill.seller, wanted, dearest, beside, budget_name)


def _counted(ws: Workspace, run: Run, bill: Bill) -> set[str]:
    """Return purchase keys that the caps hold already: open purchases of an earlier run, and pieces that another home
    of the wallet paid for."""
    held = {purchase.purchase_key for purchase in ws.ledger.open_purchases() if purchase.committed > 0}
    if not ws.has_wallet or not ws.ledger.elsewhere.nonces(bill.asset, None, run.started_at):
        return held
    return held | ws.payer.bought_elsewhere([item.order for item in bill.all_items], bill.asset, run)


def _fitting(items: Sequence[Item], lines: Sequence[CapLine], counted: Collection[str]) -> set[str]:
    """Return the keys of what fits, unit by unit: a listing's pages are all bought, or none is."""
    left = min(line.limit - line.committed for line in lines if line.adds_up)
    fits: set[str] = set()
    units: dict[object, list[Item]] = {}
    for item in sorted(items, key=lambda item: (item.due, item.age)):
        alone = item.due is Due.WHENEVER  # each page of a series
        units.setdefault(item.key if alone else (item.order.dataset, item.order.context.get("group")), []).append(item)
    for unit in units.values():
        cost = sum(item.price or 0 for item in unit if item.key not in counted)
        if cost <= left:
            left -= cost
            fits |= {item.key for item in unit}
    return fits
