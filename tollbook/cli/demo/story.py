"""What the demo does and says: bill, buying, rows, costs, books, and the same again for nothing."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from payer.values.errors import PayerError
from payer.values.money import Amount, Asset
from tasks.buy.bill import Bill
from tasks.buy.outcome import Outcome, run_document
from tasks.workspace.workspace import Workspace
from tollbook.cli import render
from tollbook.cli.answer import Answer
from tollbook.cli.demo import pages
from tollbook.cli.progress import watch_for
from tollbook.cli.working import Chosen, bills_of, ingest_each

if TYPE_CHECKING:
    from sandbox.world import World

CHOSEN = Chosen(("grades", "signals", "moonshots"))
SELLER = "tokenmetrics"


@dataclass(frozen=True, slots=True)
class Told:
    """The demo in figures. Balances, ledger and chain are atoms of the asset."""

    asset: Asset
    bill_atoms: int
    before: int
    after: int
    ledger: int
    chain: int
    transfers: int
    purchases: int
    first: dict[str, Any]
    again: dict[str, Any]
    home: str
    published: str
    seconds: float

    @property
    def books_agree(self) -> bool:
        return self.before - self.after == self.ledger == self.chain and self.transfers == self.purchases

    def document(self) -> dict[str, Any]:
        def text(atoms: int) -> str:
            return Amount(atoms, self.asset).decimal

        return {
            "bill": text(self.bill_atoms),
            "first": self.first,
            "again": self.again,
            "wallet_before": text(self.before),
            "wallet_after": text(self.after),
            "ledger_atomic": self.ledger,
            "chain_atomic": self.chain,
            "transfers": self.transfers,
            "purchases": self.purchases,
            "books_agree": self.books_agree,
            "home": self.home,
            "published": self.published,
            "queries": [query for _, query in pages.QUERIES],
            "seconds": round(self.seconds, 1),
        }


def tell(world: World, answer: Answer) -> Told:
    """Runs the whole demo. The figures it ends with are read from wallet, chain and ledger, each on its own."""
    return asyncio.run(_tell(world, answer, time.monotonic()))


async def _tell(world: World, answer: Answer, started: float) -> Told:
    before = world.balance()
    async with Workspace.open(world.env) as ws:
        asset = ws.asset(SELLER)
        pages.world(answer, world, ws, Amount(before, asset).decimal)
        bills = await _bill(ws, answer)
        first = await _buy(ws, answer, bills)
        pages.newest_rows(answer, ws.home)
        pages.costs(answer, ws.home)
        transfers, ledger = world.transfers(), ws.ledger.purchases()
        told_ledger = sum(p.spent for p in ledger)
        after = world.balance()
        pages.books(answer, asset, before, after, told_ledger, len(transfers))
        again = await _again(ws, answer)
        told = Told(
            asset=asset,
            bill_atoms=sum(bill.amount_atomic for bill in bills),
            before=before,
            after=world.balance(),
            ledger=sum(p.spent for p in ws.ledger.purchases()),
            chain=sum(int(transfer["value"]) for transfer in world.transfers()),
            transfers=len(world.transfers()),
            purchases=sum(1 for p in ws.ledger.purchases() if p.spent),
            first=run_document(first),
            again=run_document(again),
            home=str(ws.home),
            published=str(ws.home / "published" / "warehouse.duckdb"),
            seconds=time.monotonic() - started,
        )
        pages.what_next(answer, ws.home, told.seconds)
    return told


async def _bill(ws: Workspace, answer: Answer) -> list[Bill]:
    bills = await bills_of(ws, CHOSEN)
    render.bills(answer, bills, title="1  The bill, before anything is signed")
    return bills


async def _buy(ws: Workspace, answer: Answer, bills: list[Bill]) -> list[Outcome | tuple[str, PayerError]]:
    answer.heading("2  Buying: each call is signed once, paid once, and its body kept first")
    ended = await ingest_each(ws, CHOSEN, "demo", None, watch_for(quiet=answer.as_json))
    _raise_first(ended)
    pages.bought(answer, bills, [outcome for outcome in ended if isinstance(outcome, Outcome)])
    return ended


async def _again(ws: Workspace, answer: Answer) -> list[Outcome | tuple[str, PayerError]]:
    ended = await ingest_each(ws, CHOSEN, "demo", None, watch_for(quiet=True))
    _raise_first(ended)
    pages.again(answer, [outcome for outcome in ended if isinstance(outcome, Outcome)])
    return ended


def _raise_first(ended: list[Outcome | tuple[str, PayerError]]) -> None:
    for each in ended:
        if isinstance(each, tuple):
            raise each[1]
