"""Print bills in 80 columns: a line per dataset, the total, what can't be bought; and the forecast of coming bills."""

from __future__ import annotations

from collections.abc import Sequence

from payer.values.money import Amount
from tasks.buy.bill import Bill, Line
from tasks.buy.outcome import Outcome
from tasks.ops.forecast import DAYS, Forecast
from tasks.request.counted import counted
from tollbook.cli.terminal.output import Output

FIGURES = frozenset({2, 3, 4, 5})


def show_bills(output: Output, all_bills: Sequence[Bill], *, title: str = "The bill") -> None:
    """Print one line per dataset, the total, and what can't be bought."""
    if not all_bills:
        return
    bill = all_bills[0]
    rows = [_bill_row(each, line) for each in all_bills for line in each.lines]
    more = "+" if any(line.open_ended for each in all_bills for line in each.lines) else ""
    total = _total(all_bills) + more
    output.heading(title)
    output.table(
        ("flow", "dataset", "missing", "calls", "a call", bill.asset.symbol),
        rows,
        right=FIGURES,
        foot=("total", "", "", f"{sum(each.calls for each in all_bills)}{more}", "", total),
    )
    for each in all_bills:
        bill_notes(output, each)


def bill_notes(output: Output, bill: Bill) -> None:
    """Print what the cache saved, which cells are lost, and what may come on top."""
    if bill.saved.calls:
        calls = counted(bill.saved.calls, "call")
        output.line(f"  {bill.flow}: {calls} held already, {amount(bill, bill.saved.amount_atomic)} saved", hang=4)
    if bill.undelivered:
        calls = counted(len(bill.undelivered), "call")
        output.line(
            f"  {bill.flow}: {calls} paid and undelivered, not bought again without accept-loss", style="red", hang=4
        )
    for lost in bill.lost:
        repair = f"; {lost.repaired_by} has them" if lost.repaired_by else ""
        output.line(
            f"  {lost.dataset}: {counted(lost.cells, 'cell')} can't be bought any more ({lost.what}){repair}",
            style="yellow",
            hang=4,
        )
    for line in bill.lines:
        for words in absent_words(line):
            output.line(f"  {words}", style="yellow" if line.unconfirmed else "", hang=4)
        if line.problem and line.all_items:
            output.line(f"  {line.dataset}: not bought. {line.problem.what}", style="red", hang=4)
    if bill.postponed:
        calls, worth = counted(len(bill.postponed), "call"), sum(item.price or 0 for item in bill.postponed)
        output.line(
            f"  {bill.flow}: {calls} more, {amount(bill, worth)}, left for a later run by the caps",
            style="yellow",
            hang=4,
        )
    for line in bill.lines:
        if line.may_grow and line.problem is None:
            length = "without end" if line.open_ended else "that may grow"
            output.line(
                f"  + {line.dataset}: a listing {length}; at most {amount(bill, bill.at_most(line))} in all", hang=4
            )
    for note in bill.notes:
        output.line(f"  {note}", hang=4)
    for words in limit_lines(bill):
        output.line(f"  {words}", style="red" if bill.refusal else "", hang=4)


def absent_words(line: Line) -> list[str]:
    """Say how many wanted cells were asked for and not delivered, and how many are confirmed to have no row."""
    words = []
    if line.unconfirmed:
        cells = counted(line.unconfirmed_cells, "cell")
        words.append(f"{cells} unconfirmed: asked for and not delivered, to be asked for again")
    if line.confirmed_empty:
        words.append(f"{counted(line.confirmed_empty, 'cell')} confirmed empty")
    return [f"{line.dataset}: {', '.join(words)}"] if words else []


def limit_lines(bill: Bill) -> list[str]:
    """Name every cap that refuses the bill; else the cap that it comes closest to."""
    if bill.refusal is not None:
        refusing = [cap for cap in bill.caps if cap.refuses]
        words = "{} holds {}, {} after this, of {}: too much"
        more = [words.format(c.name, c.text(c.committed), c.text(c.after), c.text(c.limit)) for c in refusing[1:]]
        return [f"refused: {bill.refusal.what}", *more]
    counting = [cap for cap in bill.caps if cap.adds_up]
    if not counting or not bill.amount_atomic:
        return []
    nearest = max(counting, key=lambda cap: cap.share)
    return [f"{bill.flow}: nearest cap {nearest.name}: {nearest.text(nearest.after)} of {nearest.text(nearest.limit)}"]


def amount(bill: Bill | Outcome, atomic: int | None) -> str:
    """Money with its symbol; None is an unknown amount."""
    return f"{bill.money(atomic)} {bill.asset.symbol}" if atomic is not None else "an unknown amount"


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


def show_forecast(output: Output, forecasts: Sequence[Forecast], schedules: str) -> None:
    """One row per schedule of the file: runs, calls and money at known prices; datasets never quoted are named."""
    output.heading(f"The next {DAYS} days at the schedules of {schedules}")
    one = len({each.asset for each in forecasts}) == 1
    rows = [(each.flow, each.schedule, str(each.runs), str(each.calls), _sum([each])) for each in forecasts]
    foot: tuple[str, ...] = ()
    if forecasts and one:
        sums = (str(sum(each.runs for each in forecasts)), str(sum(each.calls for each in forecasts)))
        foot = ("total", "", *sums, _sum(forecasts))
    output.table(("flow", "schedule (UTC)", "runs", "calls", "amount"), rows, right=frozenset({2, 3, 4}), foot=foot)
    for each in forecasts:
        if each.unknown_prices:
            names = ", ".join(sorted(each.unknown_prices))
            output.line(f"  never quoted, not in the sum: {names}; `tollbook plan {each.flow}` asks for terms")


def _sum(forecasts: Sequence[Forecast]) -> str:
    """The money of forecasts in one asset."""
    total = Amount(sum(each.amount_atomic for each in forecasts), forecasts[0].asset)
    return f"{total} or more" if any(each.open_ended or each.unknown_prices for each in forecasts) else f"{total}"
