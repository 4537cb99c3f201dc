"""Read the ledger's status: money by state, open and undelivered purchases, caps; and disk held by old versions.

Opens no file but the ledger and, read-only, what is published.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from payer.ledger.refused_sellers import Freeze
from payer.values.errors import PaidUndelivered, Unresolved
from payer.values.money import Amount, Asset
from payer.values.purchase import Data, Money, Purchase, whose
from tasks.buy.caps import CapLine, cap_lines
from tasks.operator.freeze import freeze_document
from tasks.request.counted import counted
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace
from warehouse.publish.open_files import OldVersions, held_versions
from warehouse.query import query, update_errors

PERIODS = (".per_day", ".per_month")
"""Ends of the names of caps that are shown: those of a run or a flow belong to a run."""


@dataclass(frozen=True, slots=True)
class AbsentCounts:
    """Cells that are to be asked for again, and those that are confirmed to have no row."""

    unconfirmed: int
    confirmed_empty: int

    @property
    def text(self) -> str:
        return f"{counted(self.unconfirmed, 'cell')} unconfirmed, {self.confirmed_empty} confirmed empty"


@dataclass(frozen=True, slots=True)
class Status:
    """The ledger at one moment. `spent`, `in_doubt`, `reserved` and `lost` are atomic units by asset symbol. In doubt
    is what was sent and is neither proved spent nor void; `lost` is for nothing, undelivered or failed, accepted or
    not, and part of the others. `held` are older versions of
    the published file that sessions still read. `absent` counts cells that were asked for and not delivered, as last
    published; None where that is not known."""

    at: datetime
    home: str
    published: str | None
    assets: dict[str, Asset]
    spent: dict[str, int]
    in_doubt: dict[str, int]
    reserved: dict[str, int]
    delivered: int
    open: tuple[Purchase, ...]
    undelivered: tuple[Purchase, ...]
    failed: tuple[Purchase, ...]
    lost: dict[str, int]
    caps: tuple[CapLine, ...]
    frozen: tuple[Freeze, ...]
    held: OldVersions
    absent: AbsentCounts | None

    @property
    def exit_code(self) -> int:
        return exit_code_of(self.undelivered or self.failed, any(self.in_doubt.values()))

    def document(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "home": self.home,
            "published": self.published,
            "held": {"versions": self.held.files, "bytes": self.held.bytes},
            "unconfirmed": self.absent.unconfirmed if self.absent else None,
            "confirmed_empty": self.absent.confirmed_empty if self.absent else None,
            "spent": {symbol: self.text(symbol, amount) for symbol, amount in self.spent.items()},
            "in_doubt": {symbol: self.text(symbol, amount) for symbol, amount in self.in_doubt.items()},
            "reserved": {symbol: self.text(symbol, amount) for symbol, amount in self.reserved.items()},
            "delivered": self.delivered,
            "open": [purchase_document(p) for p in self.open],
            "undelivered": [{**purchase_document(p), "why": undelivered_text(p)} for p in self.undelivered],
            "failed": [{**purchase_document(p), "why": p.failure} for p in self.failed],
            "lost": {symbol: self.text(symbol, amount) for symbol, amount in self.lost.items()},
            "caps": [self._cap_document(cap) for cap in self.caps],
            "frozen": [freeze_document(freeze) for freeze in self.frozen],
        }

    def _cap_document(self, cap: CapLine) -> dict[str, Any]:
        return {
            "cap": cap.name,
            "limit": self.text(cap.asset.symbol, cap.limit),
            "committed": self.text(cap.asset.symbol, cap.committed),
            "elsewhere": self.text(cap.asset.symbol, cap.elsewhere),
            "asset": cap.asset.symbol,
        }

    def text(self, symbol: str, amount_atomic: int) -> str:
        return Amount(amount_atomic, self.assets[symbol]).decimal


def exit_code_of(lost: object, in_doubt: object) -> int:
    """5 for purchases that brought nothing and await an operator, 4 for money in doubt, else 0 (I12)."""
    return PaidUndelivered.exit_code if lost else Unresolved.exit_code if in_doubt else 0


def read_status(ws: Workspace) -> Status:
    """Read the status now. Needs neither key nor network."""
    totals = ws.ledger.totals()
    none = {asset.symbol: 0 for asset in ws.policy.assets.values()}
    by_money = {money: _by_symbol(none, sums) for money, sums in totals.by_money.items()}
    published = ws.home / "published" / "warehouse.duckdb"
    assets = {asset.symbol: asset for asset in (*ws.policy.assets.values(), *totals.lost)}
    return Status(
        at=ws.clock.now(),
        home=str(ws.home),
        published=str(published) if published.exists() else None,
        assets=assets,
        spent=by_money[Money.SPENT],
        in_doubt=by_money[Money.EXPOSED],
        reserved=by_money[Money.RESERVED],
        delivered=totals.delivered,
        open=tuple(unfinished(ws)),
        undelivered=tuple(ws.ledger.undelivered()),
        failed=tuple(ws.ledger.failed_deliveries()),
        lost=_by_symbol(none, totals.lost),
        caps=tuple(cap for asset in ws.policy.assets.values() for cap in _caps(ws, asset)),
        frozen=tuple(ws.ledger.freezes()),
        held=held_versions(ws.home / "published"),
        absent=absent_counts(ws.home) if published.exists() else None,
    )


def unfinished(ws: Workspace) -> list[Purchase]:
    """Return the purchases with something left to do: reserved, in doubt, or paid and without their data."""
    return [p for p in ws.ledger.open_purchases() if p.data is Data.ABSENT or p.money is not Money.SPENT]


def exposed(ws: Workspace) -> list[Purchase]:
    """Return the purchases in doubt: sent, and neither proved spent nor void."""
    return [purchase for purchase in ws.ledger.open_purchases() if purchase.money is Money.EXPOSED]


def money_text(amounts: Iterable[tuple[Asset, int]]) -> str:
    """Sum amounts by asset, such as `0.034 USDC and 0.1 TMAI`."""
    sums: Counter[Asset] = Counter()
    for asset, amount in amounts:
        sums[asset] += amount
    return " and ".join(str(Amount(amount, asset)) for asset, amount in sums.items())


def loss_text(losses: Sequence[Purchase]) -> str:
    """Say how many purchases brought nothing and what was paid for them; empty where there are none."""
    if not losses:
        return ""
    verb, paid = "was" if len(losses) == 1 else "were", money_text((p.asset, p.loss) for p in losses)
    return f"{counted(len(losses), 'purchase')} {verb} paid and brought nothing that can be used: {paid}"


def doubt_text(in_doubt: Sequence[Purchase]) -> str:
    """Say how many purchases are in doubt, with their money; empty where there are none."""
    if not in_doubt:
        return ""
    verb = "is" if len(in_doubt) == 1 else "are"
    money = money_text((p.asset, p.committed) for p in in_doubt)
    return f"{counted(len(in_doubt), 'purchase')} {verb} in doubt: {money} sent, and not yet proved paid or void"


def money_trouble(ws: Workspace) -> str:
    """Say what brought nothing and what is in doubt, with the money; empty where there is neither."""
    losses = (*ws.ledger.undelivered(), *ws.ledger.failed_deliveries())
    return "; ".join(filter(None, (loss_text(losses), doubt_text(exposed(ws)))))


def absent_counts(home: Path) -> AbsentCounts | None:
    """Return the counts of the published file; None where there is none that has them."""
    select = """SELECT coalesce(sum(slots_unconfirmed), 0)::BIGINT, coalesce(sum(slots_confirmed_empty), 0)::BIGINT
                FROM quality_summary"""
    try:
        _, [(unconfirmed, empty)] = query(home, select)
    except update_errors():
        return None
    return AbsentCounts(unconfirmed, empty)


def _by_symbol(none: Mapping[str, int], sums: Mapping[Asset, int]) -> dict[str, int]:
    """Add up by symbol; an asset of policy that nothing was paid in has 0."""
    found = Counter(none)
    for asset, amount in sums.items():
        found[asset.symbol] += amount
    return dict(found)


def purchase_document(p: Purchase) -> dict[str, Any]:
    """One purchase, as reports list it for the operator."""
    return {
        "purchase_id": p.purchase_id,
        "flow": p.run.flow,
        "dataset": p.order.dataset,
        "edition": p.order.edition,
        "money": p.money.value,
        "data": p.data.value,
        "amount": Amount(p.committed, p.asset).decimal,
        "asset": p.asset.symbol,
        "nonce": p.nonce,
        "tx_hash": p.settlement.tx_hash if p.settlement else None,
        "created_at": p.created_at.isoformat(),
        "valid_until": p.valid_until or None,
        "answers": list(p.answers),
        "bought_elsewhere": p.bought_elsewhere,
    }


def undelivered_text(p: Purchase) -> str:
    """Say why a purchase brought no body: another home of the wallet has it, or the seller kept it."""
    return whose(p) or "paid and never delivered"


def _caps(ws: Workspace, asset: Asset) -> list[CapLine]:
    """Return the caps of today and this month: the asset's, and those that its sellers have of their own."""
    if asset.symbol not in ws.policy.caps:
        return []
    today = new_run("", "status", ws.clock.now())
    sellers = [name for name, seller in ws.policy.sellers.items() if seller.pay_with == asset.symbol]
    lines = [line for seller in sellers or [""] for line in cap_lines(ws, today, asset, seller, wanted=0)]
    return list({line.name: line for line in lines if line.name.endswith(PERIODS)}.values())
