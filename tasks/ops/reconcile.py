"""Reconcile: the ledger against its events, every asset of the policy against the chain, bodies and files against their
hashes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from payer.chain.chain import Progress, unwatched
from payer.settle.foreign import Foreign
from payer.settle.reconcile import Difference, Reconciled, damaged_bodies, damaged_projection
from payer.values.money import Amount
from payer.values.purchase import Purchase, whose
from tasks.ops.status import doubt_text, exit_code_of, exposed, loss_text, purchase_document
from tasks.workspace.workspace import Workspace, in_ledger_thread
from warehouse.audit import Fault, check_cache, check_published
from warehouse.publish.publish import publish
from warehouse.query import query


@dataclass(frozen=True, slots=True)
class Books:
    """One Reconciled per asset, and the damaged files. `published` are purchase ids by transaction hash; `listed` lists
    every foreign transfer.

    `losses` are purchases that brought nothing and await an operator: no difference, as ledger and chain agree on them.
    `in_doubt` are those that the chain proves neither spent nor void.
    """

    assets: tuple[Reconciled, ...]
    files: tuple[Difference, ...]
    published: Mapping[str, str] = field(default_factory=dict)
    losses: tuple[Purchase, ...] = ()
    in_doubt: tuple[Purchase, ...] = ()
    listed: bool = False

    @property
    def differences(self) -> tuple[Difference, ...]:
        return (*(difference for one in self.assets for difference in one.differences), *self.files)

    def foreign(self, one: Reconciled) -> Foreign:
        """An asset's transfers that this ledger did not make, with the purchase ids that the published costs have."""
        return Foreign(one.asset, tuple(one.foreign), self.published)

    @property
    def exit_code(self) -> int:
        """5 for losses, which need an operator; 4 for any difference, and for money in doubt, until one has looked."""
        return exit_code_of(self.losses, self.differences or self.in_doubt)

    @property
    def loss_text(self) -> str:
        """The purchases that brought nothing and their money, in a sentence; empty when there are none."""
        text = loss_text(self.losses)
        return f"{text}. An operator decides: tollbook accept-loss" if text else ""

    @property
    def doubt_text(self) -> str:
        """The purchases in doubt and their money, in a sentence; empty when there are none."""
        text = doubt_text(self.in_doubt)
        return f"{text}; tollbook recover asks again" if text else ""

    def document(self) -> dict[str, Any]:
        return {
            "clean": not self.differences,
            "ledger_atomic": self._total([one.ledger_atomic for one in self.assets]),
            "chain_atomic": self._total([one.chain_atomic for one in self.assets]),
            "through_block": max((one.through_block for one in self.assets), default=None),
            "differences": [asdict(d) for d in self.differences],
            "losses": [{**purchase_document(p), "why": whose(p) or p.lost_for} for p in self.losses],
            "in_doubt": [purchase_document(p) for p in self.in_doubt],
            "assets": [
                {**_asset(one), "foreign": self.foreign(one).document(listed=self.listed)} for one in self.assets
            ],
        }

    def _total(self, amounts: list[int]) -> int | None:
        """The atomic units of the one asset that moved; None for several, whose units differ, and for none."""
        moved = [one.ledger_atomic or one.chain_atomic for one in self.assets]
        if not moved:
            return None
        return sum(amounts) if sum(map(bool, moved)) <= 1 else None


async def reconcile_all(
    ws: Workspace, rescan: bool = False, progress: Progress = unwatched, *, list_foreign: bool = False
) -> Books:
    """Fold the ledger again, read the chain up to its final block, book what it proves, compare.

    A ledger that is not what its events say is not compared with the chain: nothing is booked in it. Raises
    ChainUnreachable.
    """
    _ = ws.wallet
    if damaged := await ws.in_thread(lambda: damaged_projection(ws.ledger)):
        return Books((), tuple(damaged))
    assets = [await ws.payer.reconcile(asset, rescan=rescan, progress=progress) for asset in ws.policy.assets.values()]
    return await ws.in_thread(_books, ws, tuple(assets), list_foreign)


def _books(ws: Workspace, assets: tuple[Reconciled, ...], list_foreign: bool) -> Books:
    published: dict[str, str] = {}
    if any(one.foreign for one in assets) and (ws.home / "published" / "warehouse.duckdb").exists():
        # Those that the published costs have: also what the ledger has lost.
        published = dict(query(ws.home, "SELECT tx_hash, purchase_id FROM costs WHERE tx_hash IS NOT NULL")[1])
    paid = {published[transfer.tx_hash] for one in assets for transfer in one.foreign if transfer.tx_hash in published}
    files = (*damaged_bodies(ws.ledger), *_published(ws, paid))
    losses = (*ws.ledger.undelivered(), *ws.ledger.failed_deliveries())
    return Books(assets, files, published, losses, tuple(exposed(ws)), list_foreign)


def _published(ws: Workspace, paid: Collection[str]) -> list[Difference]:
    """Check the published files, and rebuild what is damaged, so that the next check finds nothing.

    Rows of purchases in `paid`, whose transfers the chain has and the ledger lost, are no fault: they are held.
    """
    found = [
        fault
        for fault in check_published(ws.home, ws.ledger)
        if fault.repairable or not fault.purchases or not set(fault.purchases) <= set(paid)
    ]
    if not any(fault.repairable for fault in found):
        return [_difference(fault, "") for fault in found]
    publish(ws.home, ws.ledger, thorough=True)
    left = check_published(ws.home, ws.ledger)
    return [_difference(fault, "" if fault in left else ": rebuilt") for fault in found]


def _difference(fault: Fault, result: str) -> Difference:
    return Difference("snapshot", f"{fault}{result}", fault.purchases[0] if len(fault.purchases) == 1 else None)


@in_ledger_thread
def check_all(ws: Workspace) -> list[Difference]:
    """Ledger against its events; bodies, cache and published files against ledger and manifest.

    Asks no chain, needs no key, changes nothing.
    """
    if damaged := damaged_projection(ws.ledger):
        return damaged
    faults = (*check_cache(ws.home), *check_published(ws.home, ws.ledger))
    return [*damaged_bodies(ws.ledger), *(_difference(fault, "") for fault in faults)]


def _asset(one: Reconciled) -> dict[str, Any]:
    return {
        "asset": one.asset.symbol,
        "wallet": one.wallet,
        "ledger_atomic": one.ledger_atomic,
        "chain_atomic": one.chain_atomic,
        "ledger": Amount(one.ledger_atomic, one.asset).decimal,
        "chain": Amount(one.chain_atomic, one.asset).decimal,
        "through_block": one.through_block,
        "balance": one.balance.value,
        "booked_late": list(one.booked_late),
    }
