"""What each cap allows, what it holds, and what it would hold after a bill. The ledger enforces; this shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from payer.ledger.caps import ADVICE
from payer.values.errors import OverBudget
from payer.values.money import Asset, decimal_text
from payer.values.request import Run

if TYPE_CHECKING:
    from tasks.workspace.workspace import Workspace

SHARED = ("per_day", "per_month")
"""What several flows of one command have in common; each has its run and its own day."""


@dataclass(frozen=True, slots=True)
class CapLine:
    """One cap beside a bill, in atoms of the bill's asset. Of per_call, `after` is the dearest call of the bill."""

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
        """Unlike per_call, which judges each call alone."""
        return not self.name.endswith("per_call")

    @property
    def share(self) -> Fraction:
        """How full it would be; a cap of nothing is always full."""
        return Fraction(self.after, self.limit) if self.limit else Fraction(1)

    def text(self, atoms: int) -> str:
        return f"{decimal_text(atoms, self.asset.decimals)} {self.asset.symbol}"

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
    asked: int,
    dearest: int = 0,
    beside: int = 0,
    budget_name: str = "--max-cost",
) -> tuple[CapLine, ...]:
    """Every cap with `asked` atoms more. `beside` is what the other bills of the same command come to."""
    from payer.ledger import caps

    limits, held = ws.policy.caps[asset.symbol], ws.ledger.committed(asset)
    lines = [CapLine(f"caps.{asset.symbol}.per_call", asset, limits.per_call, 0, dearest)]
    for name, bucket in caps.buckets(run).items():
        committed = held.get(bucket, 0) + (beside if name in SHARED else 0)
        shown, limit = f"caps.{asset.symbol}.{name}", getattr(limits, name)
        if name == "per_run" and run.budget is not None and run.budget < limit:
            shown, limit = budget_name, run.budget
        lines.append(CapLine(shown, asset, limit, committed, committed + asked))
    return tuple(lines)


def refusing(lines: Iterable[CapLine]) -> CapLine | None:
    """The first cap that says no, in the order in which the ledger checks them."""
    return next((line for line in lines if line.refuses), None)


def room(ws: Workspace, run: Run, asset: Asset) -> int:
    """Atoms that every cap still lets through."""
    return max(0, min(line.limit - line.committed for line in cap_lines(ws, run, asset, 0) if line.adds_up))
