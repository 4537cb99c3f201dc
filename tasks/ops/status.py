"""Read the ledger's status: money by state, open and undelivered purchases, caps; and disk held by old versions.

Opens no file but the ledger.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payer.ledger.caps import limits
from payer.ledger.operator.freezes import Freeze
from payer.values.errors import PaidUndelivered, Unresolved, worst
from payer.values.money import Amount, Asset
from payer.values.purchase import Data, Money, Purchase
from tasks.operator.freeze import freeze_document
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace
from warehouse.publish.open_files import OldVersions, held_versions

PERIODS = ("day", "month", "seller_day", "seller_month")
"""Scopes of the caps that are shown: those of a run or a flow belong to a run."""


@dataclass(frozen=True, slots=True)
class Cap:
    """One cap of the current day or month by its policy key, in atomic units."""

    asset: Asset
    key: str
    limit: int
    committed: int


@dataclass(frozen=True, slots=True)
class Status:
    """The ledger at one moment. `spent`, `in_doubt`, `reserved` and `lost` are atomic units by asset symbol. In doubt
    is what was sent and is neither proved spent nor void; `lost` is for nothing, undelivered or failed, accepted or
    not, and part of the others. `held` are older versions of
    the published file that sessions still read."""

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
    caps: tuple[Cap, ...]
    frozen: tuple[Freeze, ...]
    held: OldVersions

    @property
    def exit_code(self) -> int:
        """5 for purchases that brought nothing and await an operator, 4 for money in doubt, else 0 (I12)."""
        lost = [PaidUndelivered.exit_code] if self.undelivered or self.failed else []
        in_doubt = [Unresolved.exit_code] if any(self.in_doubt.values()) else []
        return worst([*lost, *in_doubt])

    def document(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "home": self.home,
            "published": self.published,
            "held": {"versions": self.held.files, "bytes": self.held.bytes},
            "spent": {symbol: self.text(symbol, amount) for symbol, amount in self.spent.items()},
            "in_doubt": {symbol: self.text(symbol, amount) for symbol, amount in self.in_doubt.items()},
            "reserved": {symbol: self.text(symbol, amount) for symbol, amount in self.reserved.items()},
            "delivered": self.delivered,
            "open": [purchase_document(p) for p in self.open],
            "undelivered": [purchase_document(p) for p in self.undelivered],
            "failed": [{**purchase_document(p), "why": p.failure} for p in self.failed],
            "lost": {symbol: self.text(symbol, amount) for symbol, amount in self.lost.items()},
            "caps": [self._cap_document(cap) for cap in self.caps],
            "frozen": [freeze_document(freeze) for freeze in self.frozen],
        }

    def _cap_document(self, cap: Cap) -> dict[str, Any]:
        return {
            "cap": cap.key,
            "limit": self.text(cap.asset.symbol, cap.limit),
            "committed": self.text(cap.asset.symbol, cap.committed),
            "asset": cap.asset.symbol,
        }

    def text(self, symbol: str, amount_atomic: int) -> str:
        return Amount(amount_atomic, self.assets[symbol]).decimal


def read_status(ws: Workspace) -> Status:
    """Read the status now. Needs neither key nor network."""
    purchases = ws.ledger.purchases()
    none = {asset.symbol: 0 for asset in ws.policy.assets.values()}
    by_money = {money: Counter(none) for money in Money}
    lost = Counter(none)
    for p in purchases:
        by_money[p.money][p.asset.symbol] += p.cost
        lost[p.asset.symbol] += p.loss
    published = ws.home / "published" / "warehouse.duckdb"
    assets = {asset.symbol: asset for asset in (*ws.policy.assets.values(), *(p.asset for p in purchases))}
    return Status(
        at=ws.clock.now(),
        home=str(ws.home),
        published=str(published) if published.exists() else None,
        assets=assets,
        spent=dict(by_money[Money.SPENT]),
        in_doubt=dict(by_money[Money.EXPOSED]),
        reserved=dict(by_money[Money.RESERVED]),
        delivered=sum(1 for p in purchases if p.data is Data.DELIVERED),
        open=tuple(p for p in ws.ledger.open_purchases() if p.data is Data.ABSENT or p.money is not Money.SPENT),
        undelivered=tuple(ws.ledger.undelivered()),
        failed=tuple(ws.ledger.failed_deliveries()),
        lost=dict(lost),
        caps=tuple(cap for asset in ws.policy.assets.values() for cap in _caps(ws, asset)),
        frozen=tuple(ws.ledger.freezes()),
        held=held_versions(ws.home / "published"),
    )


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
    }


def _caps(ws: Workspace, asset: Asset) -> list[Cap]:
    """Return the caps of today and this month: the asset's, and those that its sellers have of their own."""
    if asset.symbol not in ws.policy.caps:
        return []
    held, caps = ws.ledger.committed(asset), ws.policy.caps[asset.symbol]
    today = new_run("", "status", ws.clock.now())
    sellers = [name for name, seller in ws.policy.sellers.items() if seller.pay_with == asset.symbol]
    found = {limit.key: limit for seller in sellers or [""] for limit in limits(caps, today, asset, seller)}
    return [
        Cap(asset, key, limit.amount, held.get(limit.bucket, 0))
        for key, limit in found.items()
        if limit.bucket[0] in PERIODS
    ]
