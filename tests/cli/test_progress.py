"""Progress while buying: against the bill's total, with the rows and the money that really came."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from payer.values.events import Sent
from payer.values.purchase import Purchase
from tasks.buy.bill import Bill, Line
from tasks.buy.watch import Counting
from tests.payer import purchases as p
from tests.tasks.buy.test_bill import USDC, bill, item
from tollbook.cli.terminal.progress import Bar, Lines


def paid(number: int) -> Purchase:
    return p.after(p.blank(number), p.intent(p.blank(number)), p.signed(p.blank(number)), Sent(at=p.NOW), p.delivered())


def listing(pages: int) -> Bill:
    """The first page now, the others once those before them are read."""
    return bill(item(1), later=tuple(item(page) for page in range(2, pages + 1)))


def test_the_total_is_the_bills_from_the_first_page_on() -> None:
    seen = Counting()
    seen.bill(listing(3))
    totals = []
    for page in range(3):
        seen.buying(1, p.PRICE)
        seen.bought(paid(page), 100, None)
        totals.append((seen.done, seen.calls))
    assert totals == [(1, 3), (2, 3), (3, 3)]
    assert (seen.rows, seen.money) == (300, f"{3 * p.PRICE / 10**6:g} USDC")


def test_the_total_grows_only_by_pages_that_no_bill_could_foresee() -> None:
    seen = Counting()
    seen.bill(listing(1))
    seen.buying(1, p.PRICE)
    seen.buying(1, p.PRICE)
    assert seen.calls == 2


def test_a_purchase_tried_again_is_counted_once_and_one_in_doubt_costs_nothing_yet() -> None:
    seen = Counting()
    seen.bill(listing(2))
    seen.bought(p.exposed(), 0, "in doubt")
    assert (seen.done, seen.money) == (1, "0 USDC")
    seen.bought(p.exposed_delivered(), 29, None)
    assert (seen.done, seen.rows, seen.money) == (1, 29, f"{p.PRICE / 10**6:g} USDC")


def test_a_bar_shows_calls_rows_money_and_the_time_left() -> None:
    console = Console(record=True, force_terminal=True, file=io.StringIO(), width=120)
    bar = Bar(console)
    bar.bill(listing(3))
    bar.buying(1, p.PRICE)
    bar.bought(paid(1), 100, None)
    bar.bought(paid(2), 87, "one went wrong")
    bar.ended()
    said = console.export_text()
    assert "2/3" in said
    assert "187 rows  0.0" in said
    assert "one went wrong" in said
    assert "USDC --:--" in said or "USDC 0:" in said or "USDC 00:" in said, said


def test_the_pages_of_a_listing_leave_one_line() -> None:
    """Each page used to leave a bar of its own behind."""
    console = Console(file=io.StringIO(), width=80)
    bar = Bar(console)
    bar.bill(listing(2))
    for page in range(2):
        bar.buying(1, p.PRICE)
        bar.bought(paid(page), 100, None)
        bar.stage("loading")
    bar.ended()
    bar.ended()
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert [line.split() for line in said.splitlines() if line.strip()] == [
        ["grades", *f"2 of 2 calls, 200 rows, {2 * p.PRICE / 10**6:g} USDC".split()]
    ]


def test_lines_say_it_all_when_nobody_looks_at_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.bill(listing(2))
    lines.bought(paid(1), 100, "one went wrong")
    lines.bought(paid(2), 50, None)
    lines.ended()
    lines.ended()
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("grades: 1 of 2 calls, 100 rows, ")
    assert " left: one went wrong" in first
    assert last == f"grades: 2 of 2 calls, 150 rows, {2 * p.PRICE / 10**6:g} USDC"


def test_nothing_to_buy_has_no_time_left() -> None:
    seen = Counting()
    seen.bill(Bill("grades", USDC, (Line("tm-grade", 0, ()),)))
    assert seen.words == "0 of 0 calls, 0 rows, 0 USDC"
