"""Run the demo in a home of its own: the bill, buying, rows, costs, books, and the same again for $0.

Each of its pages is for one glance at an 80-column terminal.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from payer.values.errors import Misconfigured
from payer.values.money import Amount, Asset
from tasks.buy.bill import Bill
from tasks.buy.outcome import Outcome, run_document
from tasks.ops.costs import view
from tasks.workspace.workspace import Workspace
from tollbook.cli.selection import Selection
from tollbook.cli.tables.bills import show_bills
from tollbook.cli.terminal.output import Output
from tollbook.cli.terminal.progress import no_stage, watch_for
from tollbook.cli.verbs.plan import plan_flows
from tollbook.cli.verbs.run import run_flows
from warehouse.query import query

if TYPE_CHECKING:
    from sandbox.world import World


NEWEST = (
    ("grades", "SELECT date, token_symbol AS token, tm_grade, tm_grade_signal AS signal FROM grades"),
    ("signals", "SELECT date, token_symbol AS token, trading_signal AS signal, token_trend AS trend FROM signals"),
    ("moonshots", "SELECT moonshot_at AS picked, token_symbol AS token, moonshot_roi AS roi FROM moonshots"),
)
ROWS = 3

QUERIES = (
    ("What does a new row cost, by dataset?", "SELECT * FROM cost_per_new_row"),
    (
        "Who turned bullish last?",
        "SELECT token_symbol, date FROM signals WHERE trading_signal = 1\n  ORDER BY date DESC LIMIT 5",
    ),
    (
        "Which call, and which transaction, brought a row?",
        "SELECT token_symbol, date, c.amount, c.tx_hash\n  FROM grades JOIN costs c USING (purchase_id) LIMIT 5",
    ),
)


def show_world(output: Output, made: World, ws: Workspace, funds: str) -> None:
    output.line(f"  seller   {made.seller_url}  (64 tokens; 402 Payment Required)")
    output.line(f"  chain    {made.rpc_url}  (id {ws.policy.chain_id}, with an EIP-3009 token)")
    output.line(f"  wallet   {made.wallet_address}  {funds} {next(iter(ws.policy.assets))}")


def show_bought(output: Output, bills: Sequence[Bill], outcomes: Sequence[Outcome]) -> None:
    """Print the cost beside the bill; only further pages of a listing may come on top."""
    asset = bills[0].asset
    billed, billed_calls = sum(bill.amount_atomic for bill in bills), sum(bill.calls for bill in bills)
    paid, calls = sum(o.amount_atomic for o in outcomes), sum(o.calls_paid for o in outcomes)
    line = f"  {calls} calls for {Amount(paid, asset)}"
    if calls == billed_calls and paid == billed:
        output.line(f"{line}: exactly the bill", style="green")
    else:
        more = f"{calls - billed_calls} further pages of listings for {Amount(paid - billed, asset).decimal}"
        output.line(f"{line}: the bill, and {more}")


def show_newest_rows(output: Output, home: Path) -> None:
    """Print the newest rows of each table, from the published file."""
    output.heading("3  What came: the newest rows of published/warehouse.duckdb")
    for table, select in NEWEST:
        total = query(home, f"SELECT count(*) FROM {table}")[1][0][0]
        names, rows = query(home, f"{select} ORDER BY 1 DESC, 2 LIMIT {ROWS}")
        output.line(f"  {table}: {total} rows")
        output.table(tuple(names), [tuple(_cell(value) for value in row) for row in rows])


def show_costs(output: Output, home: Path) -> None:
    output.heading("4  What it cost, by flow")
    rows = view(home, "SELECT * FROM cost_by_flow")
    cells = [(row["flow"], str(row["calls_paid"]), str(row["rows_new"]), row["amount"]) for row in rows]
    asset = rows[0]["asset"] if rows else ""
    output.table(("flow", "paid calls", "new rows", asset), cells, right=frozenset({1, 2, 3}))


def show_books(output: Output, asset: Asset, before: int, after: int, ledger: int, transfers: int) -> None:
    def text(atomic: int) -> str:
        return f"{Amount(atomic, asset).decimal:>10} {asset.symbol}"

    output.heading("5  The books: wallet, chain and ledger, to the unit")
    output.line(f"  wallet before {text(before)}")
    output.line(f"  wallet after  {text(after)}")
    output.line(f"  gone          {text(before - after)}   in {transfers} transfers on chain")
    verdict = "equal" if ledger == before - after else "DIFFERENT"
    style = "green" if ledger == before - after else "red"
    output.line(f"  ledger says   {text(ledger)}   {verdict}", style=style)


def show_again(output: Output, outcomes: Sequence[Outcome]) -> None:
    output.heading("6  The same three flows again")
    for outcome in outcomes:
        paid = outcome.money(outcome.amount_atomic) or "0"
        output.line(
            f"  {outcome.run.flow:<10} {outcome.calls_paid} paid calls  ${paid:<5}"
            f"  saved {outcome.calls_avoided} calls, {outcome.money(outcome.saved)} {outcome.asset.symbol}"
        )
    calls = sum(outcome.calls_paid for outcome in outcomes)
    dollars = sum(outcome.amount_atomic for outcome in outcomes) / 10 ** outcomes[0].asset.decimals
    output.line(f"  total      {calls} paid calls, ${dollars:.2f}", style="green" if calls == 0 else "red")


def show_what_next(output: Output, home: Path, seconds: float) -> None:
    output.heading("Your files")
    output.line(f"  {home}")
    output.line("    published/warehouse.duckdb   open it read-only, at any time")
    output.line("    published/snapshots/         Parquet: immutable files, one per run with rows")
    output.line("    state/ledger.db              every call, its money, its paid body")
    output.heading("Three queries worth trying on published/warehouse.duckdb")
    for question, sql in QUERIES:
        output.line(f"  -- {question}")
        for line in f"{sql};".splitlines():
            output.line(f"  {line}")
    command, where = _short(Path(sys.argv[0])), _short(home)
    output.line()
    output.line(f"Done in {seconds:.0f} s. To go on in this world:")
    output.line(f"  {command} sandbox --home {where} &")
    output.line(f"  . {where}/sandbox.env; {command} status")


def _short(path: Path) -> str:
    """Relative to the working directory where it lies below it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    return text.removesuffix("+00:00").removesuffix(" 00:00:00")


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
        show_world(output, world, ws, Amount(before, asset).decimal)
        bills = await plan_flows(ws, SELECTION, None, no_stage)
        show_bills(output, bills, title="1  The bill, before anything is signed")
        output.heading("2  Buying: each call is signed once, paid once, and its body kept first")
        first = await _buy(ws, quiet=output.as_json)
        show_bought(output, bills, first)
        show_newest_rows(output, ws.home)
        show_costs(output, ws.home)
        transfers, ledger = world.transfers(), await ws.in_thread(ws.ledger.purchases)
        show_books(output, asset, before, world.balance(), sum(p.spent for p in ledger), len(transfers))
        again = await _buy(ws, quiet=True)
        show_again(output, again)
        booked, transfers, after = await ws.in_thread(ws.ledger.purchases), world.transfers(), world.balance()
        spent, paid = sum(p.spent for p in booked), sum(1 for p in booked if p.spent)
        on_chain = sum(int(transfer["value"]) for transfer in transfers)
        seconds = time.monotonic() - started
        show_what_next(output, ws.home, seconds)
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
            "queries": [query for _, query in QUERIES],
            "seconds": round(seconds, 1),
        }


async def _buy(ws: Workspace, *, quiet: bool) -> list[Outcome]:
    """Run the three flows. Raises the first error of one."""
    done = []
    for each in await run_flows(ws, SELECTION, "demo", None, watch_for(quiet=quiet)):
        if isinstance(each, tuple):
            raise each[1]
        done.append(each)
    return done
