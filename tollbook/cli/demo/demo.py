"""Run the demo in a home of its own: the bill, buying, rows, costs, books, and the same again for $0."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from payer.values.errors import Misconfigured, PayerError
from payer.values.money import Amount
from tasks.buy.bill import Bill
from tasks.buy.outcome import Outcome, run_document
from tasks.workspace.workspace import Workspace
from tollbook.cli.demo import pages
from tollbook.cli.runs import Selection, plan_flows, run_flows
from tollbook.cli.tables.bills import show_bills
from tollbook.cli.terminal.output import Output
from tollbook.cli.terminal.progress import watch_for

if TYPE_CHECKING:
    from sandbox.world import World


MARK = "demo.txt"
OURS = ("state", "published", "sandbox", "buyers", "policy.toml", "sandbox.env", MARK)


def fresh_home() -> Path:
    """Remove the last demo's files from TOLLBOOK_HOME or .demo/, and return the folder.

    Raises Misconfigured for a folder that holds anything else.
    """
    home = Path(os.environ.get("TOLLBOOK_HOME") or ".demo").expanduser().absolute()
    if home.is_dir() and any(home.iterdir()) and not (home / MARK).exists():
        raise Misconfigured(
            f"{home} holds files that are not a demo's",
            advice="name another TOLLBOOK_HOME for the demo, or unset it to use .demo/",
        )
    for name in OURS:
        path = home / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARK).write_text("Made by `tollbook demo`, which removes these files when it starts again.\n")
    return home


SELECTION = Selection(("grades", "signals", "moonshots"))
SELLER = "tokenmetrics"


def run_demo(world: World, output: Output) -> dict[str, Any]:
    """Run the whole demo and return its document. Its final figures are read from wallet, chain and ledger, each on its
    own."""
    return asyncio.run(_run(world, output, time.monotonic()))


async def _run(world: World, output: Output, started: float) -> dict[str, Any]:
    before = world.balance()
    async with Workspace.open(world.env) as ws:
        asset = ws.asset(SELLER)
        pages.world(output, world, ws, Amount(before, asset).decimal)
        bills = await plan_flows(ws, SELECTION)
        show_bills(output, bills, title="1  The bill, before anything is signed")
        first = await _buy(ws, output, bills)
        pages.newest_rows(output, ws.home)
        pages.costs(output, ws.home)
        transfers, ledger = world.transfers(), await ws.in_thread(ws.ledger.purchases)
        pages.books(output, asset, before, world.balance(), sum(p.spent for p in ledger), len(transfers))
        again = await _again(ws, output)
        booked, transfers, after = await ws.in_thread(ws.ledger.purchases), world.transfers(), world.balance()
        spent, paid = sum(p.spent for p in booked), sum(1 for p in booked if p.spent)
        on_chain = sum(int(transfer["value"]) for transfer in transfers)
        seconds = time.monotonic() - started
        pages.what_next(output, ws.home, seconds)
        return {
            "bill": Amount(sum(bill.amount_atomic for bill in bills), asset).decimal,
            "first": run_document(first),
            "again": run_document(again),
            "wallet_before": Amount(before, asset).decimal,
            "wallet_after": Amount(after, asset).decimal,
            "ledger_atomic": spent,
            "chain_atomic": on_chain,
            "transfers": len(transfers),
            "purchases": paid,
            "books_agree": before - after == spent == on_chain and len(transfers) == paid,
            "home": str(ws.home),
            "published": str(ws.home / "published" / "warehouse.duckdb"),
            "queries": [query for _, query in pages.QUERIES],
            "seconds": round(seconds, 1),
        }


async def _buy(ws: Workspace, output: Output, bills: list[Bill]) -> list[Outcome | tuple[str, PayerError]]:
    output.heading("2  Buying: each call is signed once, paid once, and its body kept first")
    ended = await run_flows(ws, SELECTION, "demo", None, watch_for(quiet=output.as_json))
    _raise_first(ended)
    pages.bought(output, bills, [outcome for outcome in ended if isinstance(outcome, Outcome)])
    return ended


async def _again(ws: Workspace, output: Output) -> list[Outcome | tuple[str, PayerError]]:
    ended = await run_flows(ws, SELECTION, "demo", None, watch_for(quiet=True))
    _raise_first(ended)
    pages.again(output, [outcome for outcome in ended if isinstance(outcome, Outcome)])
    return ended


def _raise_first(ended: list[Outcome | tuple[str, PayerError]]) -> None:
    for each in ended:
        if isinstance(each, tuple):
            raise each[1]
