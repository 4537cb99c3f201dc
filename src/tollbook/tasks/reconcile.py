"""Closing the books: every asset of the policy against the chain, every body and snapshot against its hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tollbook.payer.errors import Unresolved
from tollbook.payer.money import decimal_text
from tollbook.tasks.workspace import Workspace

if TYPE_CHECKING:
    from tollbook.payer.reconcile import Difference, Reconciled


@dataclass(frozen=True, slots=True)
class Books:
    """One Reconciled per asset, and files that lost their hash."""

    assets: tuple[Reconciled, ...]
    files: tuple[Difference, ...]

    @property
    def differences(self) -> tuple[Difference, ...]:
        return (*(d for one in self.assets for d in one.differences), *self.files)

    @property
    def exit_code(self) -> int:
        """A difference is money in doubt until a person has looked."""
        return Unresolved.exit_code if self.differences else 0

    def document(self) -> dict[str, Any]:
        return {
            "clean": not self.differences,
            "ledger_atomic": sum(one.ledger_atomic for one in self.assets),
            "chain_atomic": sum(one.chain_atomic for one in self.assets),
            "through_block": max((one.through_block for one in self.assets), default=None),
            "differences": [
                {
                    "kind": d.kind,
                    "detail": d.detail,
                    "purchase_id": d.purchase_id,
                    "tx_hash": d.tx_hash,
                    "ledger_atomic": d.ledger_atomic,
                    "chain_atomic": d.chain_atomic,
                }
                for d in self.differences
            ],
            "assets": [_asset(one) for one in self.assets],
        }


async def reconcile_all(ws: Workspace) -> Books:
    """Read the chain up to its final block, book what it proves, compare. Raises ChainUnreachable."""
    from tollbook.payer.reconcile import damaged_bodies, reconcile

    _ = ws.wallet
    services = ws.payer.services
    assets = [await reconcile(services, asset) for asset in ws.policy.assets.values()]
    return Books(tuple(assets), (*damaged_bodies(services), *_damaged_snapshots(ws)))


def _damaged_snapshots(ws: Workspace) -> list[Difference]:
    from tollbook.payer.reconcile import Difference
    from tollbook.warehouse.checking import check

    root = ws.home / "published" / "snapshots"
    return [Difference("snapshot", words) for words in check(root)] if root.exists() else []


def _asset(one: Reconciled) -> dict[str, Any]:
    return {
        "asset": one.asset.symbol,
        "wallet": one.wallet,
        "ledger": decimal_text(one.ledger_atomic, one.asset.decimals),
        "chain": decimal_text(one.chain_atomic, one.asset.decimals),
        "through_block": one.through_block,
        "booked_late": list(one.booked_late),
        "foreign": [{"tx_hash": t.tx_hash, "to": t.pay_to, "value_atomic": t.value} for t in one.foreign],
    }
