"""Show each cap beside a bill: its limit, what it holds, and what it would hold after. The ledger enforces caps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from payer.ledger.caps import ADVICE, buckets
from payer.values.errors import OverBudget
from payer.values.money import Asset, decimal_text
from payer.values.request import Run

if TYPE_CHECKING:
    from tasks.workspace.workspace import Workspace

SHARED = ("per_day", "per_month")
"""Caps that the flows of one command share; each flow has its own run and flow-day."""


@dataclass(frozen=True, slots=True)
class CapLine:
    """One cap beside a bill, in atomic units of its asset. For per_call, `after` is the dearest call of the bill."""

    name: str
    asset: Asset
    limit: int
    committed: int
    after: int

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

    def text(self, amount_atomic: int) -> str:
        return f"{decimal_text(amount_atomic, self.asset.decimals)} {self.asset.symbol}"

    def refusal(self) -> OverBudget:
        return OverBudget(
            f"{self.name} is {self.text(self.limit)}: {self.text(self.committed)} are committed and "
            f"{self.text(self.after - self.committed)} more were asked",
            advice=ADVICE.get(self.name.rsplit(".", 1)[-1]),
        )

    def document(self) -> dict[str, Any]:
        return {
            "cap": self.name,
            "limit": decimal_text(self.limit, self.asset.decimals),
            "committed": decimal_text(self.committed, self.asset.decimals),
            "after": decimal_text(self.after, self.asset.decimals),
            "refuses": self.refuses,
        }


def cap_lines(
    ws: Workspace,
    run: Run,
    asset: Asset,
    wanted: int,
    dearest: int = 0,
    beside: int = 0,
    budget_name: str = "--max-cost",
) -> tuple[CapLine, ...]:
    """Return every cap with `wanted` atomic units more. `beside` is the sum of the command's other bills."""
    limits, held = ws.policy.caps[asset.symbol], ws.ledger.committed(asset)
    lines = [CapLine(f"caps.{asset.symbol}.per_call", asset, limits.per_call, 0, dearest)]
    for name, bucket in buckets(run).items():
        committed = held.get(bucket, 0) + (beside if name in SHARED else 0)
        shown, limit = f"caps.{asset.symbol}.{name}", getattr(limits, name)
        if name == "per_run" and run.budget is not None and run.budget < limit:
            shown, limit = budget_name, run.budget
        lines.append(CapLine(shown, asset, limit, committed, committed + wanted))
    return tuple(lines)


def refusing(lines: Iterable[CapLine]) -> CapLine | None:
    """Return the first cap that refuses, in the order in which the ledger checks them."""
    return next((line for line in lines if line.refuses), None)


def room(ws: Workspace, run: Run, asset: Asset) -> int:
    """Return the atomic units that every cap still allows."""
    return max(0, min(line.limit - line.committed for line in cap_lines(ws, run, asset, 0) if line.adds_up))
