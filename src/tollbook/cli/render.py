"""Bills and outcomes as a person reads them, in 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from tollbook.cli.answer import Answer
from tollbook.payer.money import decimal_text
from tollbook.payer.types import Purchase
from tollbook.tasks.bill import Bill, Line
from tollbook.tasks.caps import CapLine
from tollbook.tasks.outcome import Outcome

FIGURES = frozenset({2, 3, 4, 5})
FEW = 3
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
        answer.line(f"  {bill.flow}: {calls} held already, {amount(bill, bill.saved.atoms)} saved")
    if bill.undelivered:
        calls = _plural(len(bill.undelivered), "call")
        answer.line(f"  {bill.flow}: {calls} paid and never delivered, not bought again without your word", style="red")
    for gone in bill.gone:
        repair = f"; {gone.repaired_by} has them" if gone.repaired_by else ""
        answer.line(
            f"  {gone.dataset}: {gone.cells} cells can't be bought any more ({gone.what}){repair}", style="yellow"
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
    return [f"caps: {_cap(max(counting, key=lambda cap: cap.share))}"] if counting and bill.atoms else []


def _cap(cap: CapLine) -> str:
    return f"{cap.name} holds {cap.text(cap.committed)}, {cap.text(cap.after)} after this, of {cap.text(cap.limit)}"


def amount(bill: Bill | Outcome, atoms: int | None) -> str:
    return f"{bill.money(atoms)} {bill.asset.symbol}" if atoms is not None else "an unknown amount"


def outcome(answer: Answer, done: Outcome) -> None:
    """What one run did, in a few lines."""
    answer.heading(f"{done.run.flow}: {amount(done, done.atoms)} for {_plural(done.calls_paid, 'paid call')}")
    answer.line(f"  rows        {done.loaded.rows_new} new, {done.loaded.rows_changed} changed")
    answer.line(f"  saved       {_plural(done.calls_avoided, 'call')}, {amount(done, done.saved)}")
    if done.found_on_chain:
        answer.line(
            f"  on chain    {_plural(done.found_on_chain, 'purchase')} found there, paid before, not paid again"
        )
    if done.recovered:
        answer.line(f"  recovered   {_plural(done.recovered, 'purchase')} of an earlier run")
    if done.loaded.quarantined:
        answer.line(f"  quarantined {_plural(done.loaded.quarantined, 'row')}, kept with their bodies", style="yellow")
    for body in done.loaded.failed[:FEW]:
        answer.line(f"  failed      {body.dataset} {body.purchase_id}: {body.what}", style="red")
    if done.loaded.failed:
        answer.line(
            "              paid, and no rows: `tollbook accept-loss PURCHASE` lets it be asked again", style="red"
        )
    for moved in done.price_changes:
        words = f"{moved.dataset}: price {done.money(moved.before)} -> {done.money(moved.after)} at call {moved.call}"
        answer.line(f"  price       {words}", style="yellow")
    for words in (*done.loaded.drift, *done.loaded.notes, *done.notes):
        answer.line(f"  note        {words}", style="yellow")
    if done.open:
        worth = f", {amount(done, done.in_doubt)} of this run" if done.in_doubt else ""
        answer.line(f"  open        {done.open} in doubt{worth}: run `tollbook recover` later", style="yellow")
    if done.undelivered:
        answer.line(f"  undelivered {done.undelivered} paid without data: see `tollbook status`", style="red")
    for problem in done.problems[:FEW]:
        answer.line(f"  stopped     {problem.what}", style="red")
    if done.left_calls:
        answer.line(
            f"  left        {_plural(done.left_calls, 'call')}, {amount(done, done.left_atoms)}; run again to go on"
        )
    if done.published:
        answer.line(f"  published   {done.published.path}")


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
        bill.money(line.known_atoms) + more if line.problem is None else "refused",
    )


def _total(all_bills: Sequence[Bill]) -> str:
    symbols = {bill.asset.symbol for bill in all_bills}
    if len(symbols) == 1:
        return all_bills[0].money(sum(bill.atoms for bill in all_bills))
    return " + ".join(f"{bill.money(bill.atoms)} {bill.asset.symbol}" for bill in all_bills)


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
