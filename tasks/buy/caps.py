"""Show each cap beside a bill: its limit, what it holds, and what it would hold after. The ledger enforces caps."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from payer.ledger.caps import ADVICE, elsewhere_text, limits
from payer.values.errors import OverBudget
from payer.values.money import Amount, Asset
from payer.values.request import Run
from tasks.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Beside:
    """The sum of a command's other bills in the same asset, and of those to the same seller, in atomic units.

    They count in the caps that flows share; each flow has its own run and flow-day.
    """

    in_asset: int = 0
    to_seller: int = 0

    def counted_in(self, scope: str) -> int:
        """Atomic units that count in a cap's scope."""
        shared = {"day": self.in_asset, "month": self.in_asset}
        return {**shared, "seller_day": self.to_seller, "seller_month": self.to_seller}.get(scope, 0)


ALONE = Beside()
"""No other bill."""


@dataclass(frozen=True, slots=True)
class CapLine:
    """One cap beside a bill, in atomic units of its asset. For per_call, `after` is the dearest call of the bill;
    `elsewhere` is the part of what is committed that the wallet paid elsewhere."""

    name: str
    asset: Asset
    limit: int
    committed: int
    after: int
    elsewhere: int = 0

    @property
    def refuses(self) -> bool:
        return self.after > self.limit

    @property
    def adds_up(self) -> bool:
        """False for per_call, which limits each call alone."""
        return not self.name.endswith("per_call")

    @property
    def share(self) -> Fraction:
        """The part of the cap that would be used; a cap of nothing is always full."""
        return Fraction(self.after, self.limit) if self.limit else Fraction(1)

    @property
    def percent(self) -> int:
        """The part of the cap that is committed, rounded down; a cap of nothing is always full."""
        return 100 * self.committed // self.limit if self.limit else 100

    def text(self, amount_atomic: int) -> str:
        return f"{Amount(amount_atomic, self.asset)}"

    def refusal(self) -> OverBudget:
        return OverBudget(
            f"{self.name} is {self.text(self.limit)}: {self.text(self.committed)} are committed and "
            f"{self.text(self.after - self.committed)} more were asked{elsewhere_text(self.elsewhere, self.asset)}",
            advice=ADVICE.get(self.name.rsplit(".", 1)[-1]),
        )

    def document(self) -> dict[str, Any]:
        return {
            "cap": self.name,
            "limit": Amount(self.limit, self.asset).decimal,
            "committed": Amount(self.committed, self.asset).decimal,
            "after": Amount(self.after, self.asset).decimal,
            "refuses": self.refuses,
        }


def cap_lines(
    ws: Workspace,
    run: Run,
    asset: Asset,
    seller: str,
    wanted: int,
    dearest: int = 0,
    beside: Beside = ALONE,
    budget_name: str = "--max-cost",
) -> tuple[CapLine, ...]:
    """Return every cap of a seller's calls with `wanted` atomic units more."""
    caps, held = ws.policy.caps[asset.symbol], ws.ledger.committed(asset)
    other = ws.ledger.elsewhere.totals(asset, run, seller, caps, None)
    lines = [CapLine(f"caps.{asset.symbol}.per_call", asset, caps.per_call, 0, dearest)]
    for limit in limits(caps, run, asset, seller, budget_name):
        paid = other.get(limit.bucket, 0)
        committed = held.get(limit.bucket, 0) + paid + beside.counted_in(limit.bucket[0])
        lines.append(CapLine(limit.key, asset, limit.amount, committed, committed + wanted, paid))
    return tuple(lines)


def room(ws: Workspace, run: Run, asset: Asset, seller: str) -> int:
    """Return the atomic units that every cap still allows."""
    return max(0, min(line.limit - line.committed for line in cap_lines(ws, run, asset, seller, 0) if line.adds_up))
