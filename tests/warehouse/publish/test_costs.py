"""The cost, by every view and as the bookkeeper's file: equal to the ledger, to the unit."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from payer.ledger import Ledger
from payer.values.purchase import Money
from tasks.request.model import Period
from tests.payer import purchases as p
from tests.warehouse import purchases_in_every_state as mixed
from tests.warehouse.purchases import open_ledger
from warehouse.cache.store import Cache
from warehouse.exports.accounting import export_accounting, export_totals
from warehouse.load.self_repair import load
from warehouse.publish.publish import publish
from warehouse.query import query

DECIMALS = {"USDC": 6, "TMAI": 18}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests.warehouse.purchases_in_every_state, published."""
    home = tmp_path_factory.mktemp("mixed")
    with open_ledger(home) as ledger:
        mixed.fill(ledger)
        load(Cache(home), ledger)
        publish(home, ledger)
    return home


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    with open_ledger(home) as opened:
        yield opened


def committed(ledger: Ledger, *states: Money) -> Counter[str]:
    """Atomic units by asset, from the ledger's own purchases."""
    found: Counter[str] = Counter()
    for purchase in ledger.purchases():
        if not states or purchase.money in states:
            found[purchase.asset.symbol] += purchase.committed
    return found


def summed(home: Path, view: str, column: str = "amount_atomic") -> dict[str, int]:
    return dict(query(home, f"SELECT asset, sum({column})::HUGEINT FROM {view} GROUP BY asset")[1])


@pytest.mark.parametrize("view", ["costs", "cost_by_flow", "cost_by_day", "cost_by_month", "cost_by_dataset"])
def test_every_views_sum_is_the_ledgers_to_the_unit(home: Path, ledger: Ledger, view: str) -> None:
    """I5. What is reserved or exposed counts, what is void does not; assets are never added together."""
    assert summed(home, view) == committed(ledger)
    assert committed(ledger)["TMAI"] == mixed.ODD + 11_000 + 1
    for asset, amount in committed(ledger).items():
        sql = f"SELECT sum(amount)::VARCHAR FROM {view} WHERE asset = ?"
        [(text,)] = query(home, sql, [asset])[1]
        assert int(text.replace(".", "")) == amount * 10 ** (18 - DECIMALS[asset])


@pytest.mark.parametrize("view", ["cost_by_flow", "cost_by_day", "cost_by_month", "cost_by_dataset"])
def test_what_is_not_settled_yet_is_counted_apart(home: Path, ledger: Ledger, view: str) -> None:
    """In doubt is what was presented and is not proved: neither a reservation nor what was proven void."""
    doubt = "CASE asset WHEN 'USDC' THEN in_doubt * 1000000 ELSE in_doubt * 1000000000000000000::HUGEINT END"
    pending = committed(ledger, Money.EXPOSED)
    assert summed(home, view, doubt) == pending == {"USDC": 5_000 + 8_000, "TMAI": 11_000}
    assert summed(home, view, "calls_paid") == {"USDC": 7, "TMAI": 3}


@pytest.mark.parametrize("view", ["costs", "cost_by_flow", "cost_by_day", "cost_by_month", "cost_by_dataset"])
def test_what_brought_nothing_is_a_loss_in_every_view(home: Path, ledger: Ledger, view: str) -> None:
    """I12: the seventh purchase is undelivered, and no body has failed."""
    lost = {p.purchase_id: p.loss for p in ledger.purchases() if p.loss}
    assert list(lost.values()) == [7_000]
    assert summed(home, view, "loss * 1000000 * (asset = 'USDC')::INTEGER")["USDC"] == 7_000


def test_each_purchase_stands_once_in_its_state(home: Path) -> None:
    found = query(home, "SELECT money, data, undelivered, count(*) FROM costs GROUP BY ALL ORDER BY ALL")[1]
    assert found == [
        ("exposed", "absent", False, 2),
        ("exposed", "delivered", False, 1),
        ("reserved", "absent", False, 1),
        ("spent", "absent", False, 1),
        ("spent", "absent", True, 1),
        ("spent", "delivered", False, 5),
        ("void", "absent", False, 1),
    ]


def test_open_purchases_are_all_that_need_a_look(home: Path) -> None:
    sql = "SELECT (amount_atomic // 1000)::BIGINT FROM open_purchases ORDER BY 1"
    assert [number for (number,) in query(home, sql)[1]] == [5, 6, 7, 8, 9, 11]


def test_the_cost_of_a_new_row_is_all_that_was_spent_for_the_rows(home: Path, ledger: Ledger) -> None:
    found = query(home, "SELECT asset, rows_new::BIGINT, amount_per_new_row FROM cost_per_new_row ORDER BY 1")[1]
    usdc, tmai = committed(ledger)["USDC"], committed(ledger)["TMAI"]
    with localcontext(prec=60):
        each = [("TMAI", 2, Decimal(tmai // 2).scaleb(-18)), ("USDC", 4, Decimal(usdc).scaleb(-6) / 4)]
    assert found == each


def test_a_month_is_that_of_the_settlement_in_every_view_and_file(home: Path, ledger: Ledger) -> None:
    """Ordered at 23:30 on the last of October, settled at 00:30: November's, for the books as for the views."""
    views = query(home, "SELECT strftime(month, '%Y-%m'), asset, amount FROM cost_by_month")[1]
    with localcontext(prec=60):
        lines = {(r["month"], r["asset"], Decimal(r["amount"]) + Decimal(r["pending"])) for r in totals(ledger)}
    assert lines == set(views)
    settled = {(row["month"], row["asset"]): Decimal(row["amount"]) for row in totals(ledger)}
    assert settled["2026-10", "USDC"] == Decimal("0.001") + Decimal("0.007") + Decimal("0.009")
    assert settled["2026-11", "USDC"] == Decimal("0.002") + Decimal("0.003")
    days = query(home, "SELECT DISTINCT strftime(day, '%Y-%m-%d') FROM cost_by_day ORDER BY 1")[1]
    assert days == [("2026-10-30",), ("2026-10-31",), ("2026-11-01",)]


def accounting(ledger: Ledger) -> list[dict[str, Any]]:
    out = io.StringIO()
    export_accounting(ledger, out, Period())
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def totals(ledger: Ledger) -> list[dict[str, Any]]:
    out = io.StringIO()
    export_totals(ledger, out, Period())
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def summed_text(rows: list[dict[str, Any]], column: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for row in rows:
        with localcontext(prec=60):
            found[row["asset"]] += int(Decimal(row[column] or 0).scaleb(DECIMALS[row["asset"]]))
    return dict(found)


def test_the_accounting_file_sums_to_what_is_proven_spent(ledger: Ledger) -> None:
    """I5. An importer that adds the column up gets the ledger's figure: no total among the lines, nothing pending."""
    lines = accounting(ledger)
    assert len(lines) == 11
    assert summed_text(lines, "amount") == committed(ledger, Money.SPENT)
    assert summed_text(lines, "pending") == committed(ledger, Money.RESERVED, Money.EXPOSED)
    assert all(bool(line["amount"]) != bool(line["pending"]) for line in lines)


def test_what_was_spent_names_its_settlement(ledger: Ledger) -> None:
    for line in accounting(ledger):
        settled = line["status"] in ("spent", "undelivered")
        assert settled == bool(line["amount"])
        assert line["transaction"].startswith("0x") == settled
        assert bool(line["block"]) == settled
    assert Counter(line["status"] for line in accounting(ledger)) == {
        "spent": 6,
        "undelivered": 1,
        "exposed": 3,
        "reserved": 1,
    }


def test_the_totals_are_those_of_the_lines(ledger: Ledger) -> None:
    lines, months = accounting(ledger), totals(ledger)
    for column in ("amount", "pending"):
        assert summed_text(lines, column) == summed_text(months, column)
    assert sum(int(row["purchases"]) for row in months) == len(lines)


@pytest.mark.parametrize("view", ["cost_per_row", "cost_by_token"])
def test_money_per_row_adds_up_to_the_ledger_to_the_unit(home: Path, ledger: Ledger, view: str) -> None:
    """Money that brought no row stands in a line of its own; assets are never added together."""
    assert summed(home, view) == committed(ledger)
    nothing = query(home, f"SELECT asset, amount_atomic::BIGINT FROM {view} WHERE brought = 'no row' ORDER BY 1")[1]
    assert nothing == [("TMAI", 11_000), ("USDC", 5_000 + 6_000 + 7_000 + 9_000)]
    for asset, amount in committed(ledger).items():
        [(text,)] = query(home, f"SELECT sum(amount)::VARCHAR FROM {view} WHERE asset = ?", [asset])[1]
        assert int(text.replace(".", "")) == amount * 10 ** (18 - DECIMALS[asset])


def amount_of(row: dict[str, Any], column: str) -> Decimal:
    return Decimal(row[column])


def test_each_months_opening_balance_is_the_closing_one_of_the_month_before(ledger: Ledger) -> None:
    """The balance is all that was paid to sellers since the ledger's beginning; losses are a part of it, fees none."""
    months = [row for row in totals(ledger) if row["asset"] == "USDC"]
    assert [row["month"] for row in months] == ["2026-10", "2026-11"]
    before = Decimal(0)
    for row in months:
        assert amount_of(row, "opening_balance") == before
        assert amount_of(row, "opening_balance") + amount_of(row, "amount") == amount_of(row, "closing_balance")
        before = amount_of(row, "closing_balance")
    assert before == Decimal(committed(ledger, Money.SPENT)["USDC"]).scaleb(-6)
    assert sum(amount_of(row, "loss") for row in months) == Decimal("0.007")
    assert {amount_of(row, "fee") for row in months} == {Decimal(0)}


def test_a_range_opens_with_what_was_spent_before_it_and_has_its_own_lines(ledger: Ledger) -> None:
    november = Period(date(2026, 11, 1), date(2026, 11, 30))
    out = io.StringIO()
    export_totals(ledger, out, november)
    usdc = next(row for row in csv.DictReader(io.StringIO(out.getvalue())) if row["asset"] == "USDC")
    october = next(row for row in totals(ledger) if row["asset"] == "USDC")
    assert usdc["opening_balance"] == october["closing_balance"]
    lines = io.StringIO()
    export_accounting(ledger, lines, november)
    inside = [line["document"] for line in accounting(ledger) if line["date"].startswith("2026-11")]
    assert [line["document"] for line in csv.DictReader(io.StringIO(lines.getvalue()))] == inside
    assert inside


def test_a_line_names_wallet_and_payee_and_stands_in_the_order_of_time(ledger: Ledger) -> None:
    lines = accounting(ledger)
    assert {(line["wallet"], line["payee"]) for line in lines} == {(p.PAYER, p.PAYEE)}
    assert len({line["nonce"] for line in lines}) == len(lines)
    times = [f"{line['date']} {line['time_utc']}" for line in lines]
    assert times == sorted(times)
