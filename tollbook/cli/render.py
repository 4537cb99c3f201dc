"""Bills and outcomes as a person reads them, in 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from payer.values.money import decimal_text
from payer.values.purchase import Purchase
from tasks.buy.bill import Bill, Line
from tasks.buy.caps import CapLine
from tasks.buy.outcome import Outcome
from tollbook.cli.answer import Answer

FIGURES = frozenset({2, 3, 4, 5})
FEW = 4
"""So many flows are told one by one; more are a table."""
SOME = 3
"""Of several like lines; --json has all of them."""


def bills(answer: Answer, all_bills: Sequence[Bill], *, title: str = "The bill") -> None:
    """One line per dataset, a total, and what can't be bought."""
    if not all_bills:
        return
    bill = all_bills[0]
    rows = [_bill_row(each, line) for each in all_bills for line in each.lines]
    more = "+" if any(line.open_ended for each in all_bills for line in each.lines) else ""
    total = _total(all_bills) + more
    answer.heading(title)
    answer.table(
        ("flow", "dataset", "missing", "calls", "a call", bill.asset.symbol),
        rows,
        right=FIGURES,
        foot=("total", "", "", f"{sum(each.calls for each in all_bills)}{more}", "", total),
    )
    for each in all_bills:
        bill_notes(answer, each)


def bill_notes(answer: Answer, bill: Bill) -> None:
    """What the cache saved, what is gone for good, what may come on top."""
    if bill.saved.calls:
        calls = _plural(bill.saved.calls, "call")
        answer.line(f"  {bill.flow}: {calls} held already, {amount(bill, bill.saved.amount_atomic)} saved")
    if bill.undelivered:
        calls = _plural(len(bill.undelivered), "call")
        answer.line(f"  {bill.flow}: {calls} paid and never delivered, not bought again without your word", style="red")
    for lost in bill.lost:
        repair = f"; {lost.repaired_by} has them" if lost.repaired_by else ""
        answer.line(
            f"  {lost.dataset}: {lost.cells} cells can't be bought any more ({lost.what}){repair}", style="yellow"
        )
    for line in bill.lines:
        if line.problem and line.all_items:
            answer.line(f"  {line.dataset}: not bought. {line.problem.what}", style="red")
    if bill.postponed:
        calls, worth = _plural(len(bill.postponed), "call"), sum(item.price or 0 for item in bill.postponed)
        answer.line(
            f"  {bill.flow}: {calls} more, {amount(bill, worth)}, left for a later run by the caps", style="yellow"
        )
    if any(line.open_ended for line in bill.lines):
        answer.line(f"  + {bill.flow}: a listing of unknown length; further pages come on top")
    for note in bill.notes:
        answer.line(f"  {note}")
    for words in limit_lines(bill):
        answer.line(f"  {words}", style="red" if bill.refusal else "")


def limit_lines(bill: Bill) -> list[str]:
    """Every cap that refuses; else the one that this bill comes closest to."""
    if bill.refusal is not None:
        refusing = [cap for cap in bill.caps if cap.refuses]
        return [f"refused: {bill.refusal.what}", *(f"{_cap(cap)}: too much" for cap in refusing[1:])]
    counting = [cap for cap in bill.caps if cap.adds_up]
    if not counting or not bill.amount_atomic:
        return []
    nearest = max(counting, key=lambda cap: cap.share)
    return [f"{bill.flow}: nearest cap {nearest.name}: {nearest.text(nearest.after)} of {nearest.text(nearest.limit)}"]


def _cap(cap: CapLine) -> str:
    return f"{cap.name} holds {cap.text(cap.committed)}, {cap.text(cap.after)} after this, of {cap.text(cap.limit)}"


def amount(bill: Bill | Outcome, atoms: int | None) -> str:
    return f"{bill.money(atoms)} {bill.asset.symbol}" if atoms is not None else "an unknown amount"


def outcomes(answer: Answer, done: Sequence[Outcome]) -> None:
    """What a command's flows did: a paragraph each, or of many a line each and what is worth a remark."""
    if len(done) <= FEW:
        for each in done:
            outcome(answer, each)
        return
    symbols = {each.asset.symbol for each in done}
    rows = [_outcome_row(each, "" if len(symbols) == 1 else f" {each.asset.symbol}") for each in done]
    sums = [str(sum(int(row[column]) for row in rows)) for column in range(1, 5)]
    total = done[0].money(sum(each.amount_atomic for each in done)) if len(symbols) == 1 else ""
    answer.heading("What came")
    answer.table(
        ("flow", "paid calls", "calls saved", "rows new", "changed", "/".join(sorted(symbols))),
        rows,
        right=FIGURES | {1},
        foot=("total", *sums, total),
    )
    for each in done:
        for word, text, style in _remarks(each):
            answer.line(f"  {each.run.flow}: {word} {text}", style=style)
    if done[-1].published:
        answer.line(f"  published   {done[-1].published.path}")


def _outcome_row(done: Outcome, unit: str) -> tuple[str, ...]:
    figures = (done.calls_paid, done.calls_avoided, done.loaded.rows_new, done.loaded.rows_changed)
    return (done.run.flow, *map(str, figures), done.money(done.amount_atomic) + unit)


def outcome(answer: Answer, done: Outcome) -> None:
    """What one run did, in a few lines."""
    answer.heading(f"{done.run.flow}: {amount(done, done.amount_atomic)} for {_plural(done.calls_paid, 'paid call')}")
    answer.line(f"  rows        {done.loaded.rows_new} new, {done.loaded.rows_changed} changed")
    answer.line(f"  saved       {_plural(done.calls_avoided, 'call')}, {amount(done, done.saved)}")
    for word, text, style in _remarks(done):
        answer.line(f"  {word:<11} {text}", style=style)
    if done.published:
        answer.line(f"  published   {done.published.path}")


def _remarks(done: Outcome) -> Iterator[tuple[str, str, str]]:
    """What is not as usual: a word for it, a sentence, and a colour."""
    if done.found_on_chain:
        found = _plural(done.found_on_chain, "purchase")
        yield "on chain", f"{found} found there, paid before, not paid again", ""
    if done.recovered:
        yield "recovered", f"{_plural(done.recovered, 'purchase')} of an earlier run", ""
    yield from _about_bodies(done)
    for moved in done.price_changes:
        words = f"{moved.dataset}: price {done.money(moved.before)} -> {done.money(moved.after)} at call {moved.call}"
        yield "price", words, "yellow"
    for words in (*map(str, done.loaded.drift), *done.notes):
        yield "note", words, "yellow"
    yield from _about_money(done)


def _about_bodies(done: Outcome) -> Iterator[tuple[str, str, str]]:
    if done.loaded.quarantined:
        yield "quarantined", f"{_plural(done.loaded.quarantined, 'row')}, kept with their bodies", "yellow"
    for body in done.loaded.failures[:SOME]:
        yield "failed", f"{body.dataset} {body.purchase_id}: {body.message}", "red"
    if done.loaded.failures:
        yield "", "paid, and no rows: `tollbook accept-loss PURCHASE` lets it be asked again", "red"


def _about_money(done: Outcome) -> Iterator[tuple[str, str, str]]:
    if done.open:
        worth = f", {amount(done, done.in_doubt)} of this run" if done.in_doubt else ""
        yield "open", f"{done.open} in doubt{worth}: run `tollbook recover` later", "yellow"
    if done.undelivered:
        yield "undelivered", f"{done.undelivered} paid without data: see `tollbook status`", "red"
    for problem in done.problems[:SOME]:
        yield "stopped", problem.what, "red"
    if done.left_calls:
        yield "left", f"{_plural(done.left_calls, 'call')}, {amount(done, done.left_atomic)}; run again to go on", ""


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _bill_row(bill: Bill, line: Line) -> tuple[str, ...]:
    prices = {item.price for item in line.all_items}
    each = "-" if not prices else bill.money(prices.pop()) if len(prices) == 1 else "various"
    more = "+" if line.open_ended else ""
    return (
        bill.flow,
        line.dataset,
        str(line.missing_cells),
        f"{line.calls}{more}",
        each,
        bill.money(line.known_atomic) + more if line.problem is None else "refused",
    )


def _total(all_bills: Sequence[Bill]) -> str:
    symbols = {bill.asset.symbol for bill in all_bills}
    if len(symbols) == 1:
        return all_bills[0].money(sum(bill.amount_atomic for bill in all_bills))
    return " + ".join(f"{bill.money(bill.amount_atomic)} {bill.asset.symbol}" for bill in all_bills)


def purchases(answer: Answer, title: str, found: Sequence[Purchase]) -> None:
    """Purchases somebody has to know about; nothing when there are none."""
    if not found:
        return
    answer.heading(title)
    rows = [
        (
            p.purchase_id,
            p.order.dataset,
            p.money.value,
            f"{decimal_text(p.committed, p.asset.decimals)} {p.asset.symbol}",
            f"{p.created_at:%Y-%m-%d %H:%M}",
        )
        for p in found
    ]
    answer.table(("purchase", "dataset", "money", "amount", "since"), rows, right=frozenset({3}))
