"""Print what runs did: calls, money, rows, and everything that is not as usual."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from payer.values.purchase import WHO
from tasks.buy.outcome import Outcome
from tasks.request.counted import counted
from tollbook.cli.tables.bills import FIGURES, amount
from tollbook.cli.terminal.output import Output

FEW = 4
"""Up to so many flows get a paragraph each; more become a table."""
SOME = 3
"""Of several like lines; --json has all of them."""


def show_outcomes(output: Output, done: Sequence[Outcome]) -> None:
    """Print what a command's flows did: a paragraph each, or one table of many flows with remarks below."""
    if len(done) <= FEW:
        for each in done:
            show_outcome(output, each)
        return
    symbols = {each.asset.symbol for each in done}
    rows = [_outcome_row(each, "" if len(symbols) == 1 else f" {each.asset.symbol}") for each in done]
    sums = [str(sum(int(row[column]) for row in rows)) for column in range(1, 5)]
    total = done[0].money(sum(each.amount_atomic for each in done)) if len(symbols) == 1 else ""
    output.heading("What came")
    output.table(
        ("flow", "paid calls", "calls saved", "rows new", "changed", "/".join(sorted(symbols))),
        rows,
        right=FIGURES | {1},
        foot=("total", *sums, total),
    )
    for each in done:
        for word, text, style in _remarks(each):
            output.line(f"  {each.run.flow}: {word} {text}", style=style, hang=4)
    if done[-1].published:
        output.line(f"  published   {done[-1].published.path}")


def _outcome_row(done: Outcome, unit: str) -> tuple[str, ...]:
    figures = (done.calls_paid, done.calls_avoided, done.loaded.rows_new, done.loaded.rows_changed)
    return (done.run.flow, *map(str, figures), done.money(done.amount_atomic) + unit)


def show_outcome(output: Output, done: Outcome) -> None:
    """Print what one run did, in a few lines."""
    output.heading(f"{done.run.flow}: {amount(done, done.amount_atomic)} for {counted(done.calls_paid, 'paid call')}")
    output.line(f"  rows        {done.loaded.rows_new} new, {done.loaded.rows_changed} changed")
    output.line(f"  saved       {counted(done.calls_avoided, 'call')}, {amount(done, done.saved)}")
    for word, text, style in _remarks(done):
        output.line(f"  {word:<11} {text}", style=style, hang=14)
    if done.published:
        output.line(f"  published   {done.published.path}")


def _remarks(done: Outcome) -> Iterator[tuple[str, str, str]]:
    """Yield what is not as usual: a word for it, a sentence, and a colour."""
    if done.interrupted:
        yield "interrupted", "what was on its way was waited for and kept; run again to go on", "yellow"
    if done.found_on_chain:
        found = counted(done.found_on_chain, "purchase")
        yield "on chain", f"{found} found there, bought by {WHO}: not paid again", ""
    if done.recovered:
        yield "recovered", f"{counted(done.recovered, 'purchase')} of an earlier run", ""
    for absent in done.unconfirmed:
        cells = f"{counted(absent.cells, 'cell')} of {absent.dataset} asked for and not delivered ({absent.span})"
        yield "unconfirmed", f"{cells}: {absent.again}", "yellow"
    if done.loaded.quarantined:
        yield "quarantined", f"{counted(done.loaded.quarantined, 'row')}, kept with their bodies", "yellow"
    for body in done.loaded.failures[:SOME]:
        yield "failed", f"{body.dataset} {body.purchase_id}: {body.message}", "red"
    if done.loaded.failures:
        yield "", "paid, and no rows: `tollbook accept-loss PURCHASE` lets it be asked again", "red"
    for moved in done.price_changes:
        words = f"{moved.dataset}: price {done.money(moved.before)} -> {done.money(moved.after)} at call {moved.call}"
        yield "price", words, "yellow"
    for words in (*map(str, done.loaded.drift), *done.notes):
        yield "note", words, "yellow"
    if done.open:
        worth = f", {amount(done, done.in_doubt)} of this run" if done.in_doubt else ""
        yield "open", f"{done.open} in doubt{worth}: run `tollbook recover` later", "yellow"
    if done.undelivered:
        yield "undelivered", f"{done.undelivered} paid without data: see `tollbook status`", "red"
    for problem in done.problems[:SOME]:
        yield "stopped", problem.what, "red"
    if done.left_calls:
        yield "left", f"{counted(done.left_calls, 'call')}, {amount(done, done.left_atomic)}; run again to go on", ""
