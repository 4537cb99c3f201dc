"""The HTML page from figures alone: no ledger, no browser."""

from __future__ import annotations

import random
import re
import sys
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from payer.values.errors import Misconfigured
from tasks.buy.caps import CapLine
from tasks.report import charts, heatmap
from tasks.report.figures import Figures, TableCoverage
from tasks.report.page import check_installed, render
from tasks.report.wallet import Funds, WalletBalance, cap_words
from tests.payer.purchases import USDC
from tests.tasks.report.read_page import read_page

NETWORK, NOW = "eip155:8453", "2026-11-29T12:00:00+00:00"
HOSTILE = "</svg><script>alert(1)</script>"
EMPTY = Figures("2026-11-29T11:00:00+00:00", *[[] for _ in range(16)])
TOTAL = {
    "network": NETWORK,
    "asset": "USDC",
    "calls_paid": 3,
    "amount": "0.051",
    "loss": "0",
    "in_doubt": "0",
    "rows_new": 145,
    "calls_avoided": 3,
    "saved": "0.051",
}
LEGS = {"network": NETWORK, "asset": "USDC"}


def spent(day: str, flow: str, amount: str) -> dict[str, Any]:
    return {"day": day, "flow": flow, "amount": amount, **LEGS}


def purchase(**changes: Any) -> dict[str, Any]:
    return {
        "happened_at": "2026-11-29T06:15:10+00:00",
        "flow": "grades",
        "dataset": "tm-grade",
        "amount": "0.017",
        "money": "spent",
        "data": "delivered",
        "undelivered": False,
        "failure": None,
        "rows_new": 5,
        **LEGS,
        "tx_hash": "0x" + "ab" * 32,
        "purchase_id": "abab",
        **changes,
    }


def year_of(tokens: int, held: float, seed: int = 1) -> TableCoverage:
    """A year of cells, each held with that probability, as runs."""
    chance, runs, first = random.Random(seed), [], date(2025, 11, 29)
    for token in range(1, tokens + 1):
        for number in range(366):
            state, day = ("held" if chance.random() < held else "never asked"), str(first + timedelta(days=number))
            if runs and runs[-1]["token_id"] == token and runs[-1]["state"] == state:
                runs[-1] |= {"last": day, "days": runs[-1]["days"] + 1}
            else:
                runs.append(
                    {"token_id": token, "symbol": f"T{token}", "state": state, "first": day, "last": day, "days": 1}
                )
    states = [
        {"token_id": token, "symbol": f"T{token}", "first": str(first), "last": "2026-11-29"}
        | {"held": 300, "missing": 66, "empty": 0}
        for token in range(1, tokens + 1)
    ]
    return TableCoverage("grades", str(first), "2026-11-29", runs, states)


def signal_days(token: int, symbol: str = "BTC", days: int = 366) -> dict[str, list[dict[str, Any]]]:
    first = date(2025, 11, 29)
    positions = [
        {"token_id": token, "symbol": symbol, "signal": (number % 3) - 1, "first": str(first + timedelta(days=number))}
        | {"until": str(first + timedelta(days=number + 10))}
        for number in range(0, days, 10)
    ]
    prices = [
        {"token_id": token, "date": str(first + timedelta(days=number)), "price": 100.0 + number % 17}
        for number in range(days)
    ]
    flips = [
        {
            "token_id": token,
            "symbol": symbol,
            "date": row["first"],
            "before": 0,
            "signal": row["signal"],
            "price": 101.0,
        }
        for row in positions[1:]
    ]
    return {"signals": positions, "prices": prices, "flips": flips}


def made(figures: Figures, funds: Funds = Funds(), watched: tuple[int, ...] = (), stale: str | None = None) -> str:  # noqa: B008
    return render(figures, funds, NOW, watched, stale)


def test_an_empty_home_says_that_there_is_nothing_yet() -> None:
    html = made(EMPTY)
    assert "There is nothing yet" in read_page(html).text
    assert "Spent per day" not in html


def test_a_year_of_fifty_tokens_with_holes_everywhere_stays_below_two_megabytes() -> None:
    signals: dict[str, list[dict[str, Any]]] = {"signals": [], "prices": [], "flips": []}
    for token in range(1, 51):
        for name, rows in signal_days(token, f"T{token}").items():
            signals[name] += rows
    days = [str(date(2026, 8, 29) + timedelta(days=number)) for number in range(92)]
    spending = [spent(day, flow, "0.017") for day in days for flow in ("grades", "signals", "moonshots")]
    figures = replace(
        EMPTY,
        totals=[{**TOTAL, "amount": "99.9"}],
        spending=spending,
        coverage=[year_of(50, 0.5, seed) for seed in range(3)],
        **signals,
    )
    html = made(figures)
    assert len(html.encode()) < 2_000_000
    page = read_page(html).text
    assert "50 tokens, 2025-11-29 to 2026-11-29" in page
    assert "12 of 50 tokens are drawn" in page
    assert "drawn week by week" in page
    assert "the last 92 days of 99.9 USDC in all" in page


def test_what_a_seller_says_is_text_and_never_markup() -> None:
    """Names reach tables, headings and the text of drawings."""
    held = TableCoverage(
        "grades",
        "2026-11-28",
        "2026-11-29",
        [{"token_id": 1, "symbol": HOSTILE, "state": "held", "first": "2026-11-28", "last": "2026-11-29", "days": 2}],
        [{"token_id": 1, "symbol": HOSTILE, "first": None, "last": None, "held": 2, "missing": 0, "empty": 0}],
    )
    grade = {"token_id": 1, "token_symbol": HOSTILE, "token_name": HOSTILE, "date": "2026-11-29", "tm_grade": 50.0}
    figures = replace(
        EMPTY,
        totals=[TOTAL],
        spending=[spent("2026-11-29", HOSTILE, "0.017")],
        latest=[purchase(flow=HOSTILE, failure=HOSTILE, tx_hash=HOSTILE)],
        coverage=[held],
        grades=[{**grade, "change": -1.5, "signal": HOSTILE, "momentum": None}],
        **signal_days(1, HOSTILE, 20),
    )
    html = made(figures, stale=HOSTILE)
    assert "<script" not in html
    assert read_page(html).text.count("alert(1)") >= 8


def test_the_page_has_no_script_and_names_no_address_but_the_explorers_links() -> None:
    html = made(replace(EMPTY, totals=[TOTAL], latest=[purchase()]))
    assert "<script" not in html
    assert set(re.findall(r"https?://[^\"' <)]*", html)) == {f"https://basescan.org/tx/0x{'ab' * 32}"}
    assert "default-src 'none'" in html


def test_amounts_are_shown_to_the_last_digit() -> None:
    """31 digits at 18 decimals: more than a float or the decimal context keeps."""
    exact = "1234567890123.000000000000000007"
    total = {**TOTAL, "amount": exact, "saved": "0.000000000000000001"}
    figures = replace(
        EMPTY, totals=[total], by_flow=[{**total, "flow": "grades"}], spending=[spent("2026-11-29", "grades", exact)]
    )
    page = read_page(made(figures))
    assert [row["amount"] for row in page.table("flows")] == [exact, exact]
    assert page.table("spending-1")[-1]["total"] == exact
    assert page.table("flows")[0]["saved"] == "0.000000000000000001"


def test_two_assets_have_their_own_totals() -> None:
    other = {**TOTAL, "asset": "TMAI", "amount": "12"}
    figures = replace(EMPTY, totals=[other, TOTAL], spending=[{**spent("2026-11-29", "grades", "12"), "asset": "TMAI"}])
    page = read_page(made(figures))
    assert [row["amount"] for row in page.table("flows")] == ["12", "0.051"]
    assert "12 TMAI" in page.text


def test_losses_stand_above_everything_else() -> None:
    loss = {"happened_at": "2026-11-29T06:00:00+00:00", "seller": "tokenmetrics", "dataset": "tm-grade", "loss": "0.02"}
    row = {**loss, **LEGS, "purchase_id": "ab", "tx_hash": None, "why": "paid and never delivered"}
    html = made(replace(EMPTY, totals=[TOTAL], lost=[{**LEGS, "loss": "0.02"}], losses=[row]))
    assert html.index("paid for nothing that can be used") < html.index("spent in all")
    assert read_page(html).table("losses")[0]["lost"] == "0.02"
    assert "paid for nothing" not in made(replace(EMPTY, totals=[TOTAL]))


def test_caps_balance_and_what_is_unknown_are_said_in_words() -> None:
    caps = (CapLine("caps.USDC.per_day", USDC, 250_000, 200_000, 200_000),)
    figures = replace(EMPTY, totals=[TOTAL])
    known = made(figures, Funds(caps, (WalletBalance("USDC", "0x1", "12.5", "0.5", 25),)))
    assert "lasts 25 days" in read_page(known).text
    assert 'class="bar hot"' in known
    unknown = read_page(made(figures, Funds(caps, (WalletBalance("USDC", "0x1", None, "0.5", None),)))).text
    assert "the chain did not answer" in unknown
    assert "Unknown: there is no policy" in read_page(made(figures, Funds(why_not="there is no policy"))).text


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("caps.USDC.per_day", "today"),
        ("caps.USDC.per_month", "this month"),
        ("caps.USDC.per_flow_day/grades", "grades, today"),
        ("sellers.tokenmetrics.per_month", "tokenmetrics, this month"),
    ],
)
def test_a_cap_is_named_by_what_it_limits(key: str, words: str) -> None:
    assert cap_words(key) == words


@pytest.mark.parametrize(("days", "words"), [(0, "less than a day"), (1, "1 day"), (3459, "3,459 days")])
def test_a_balance_lasts_for_days_in_words(days: int, words: str) -> None:
    assert WalletBalance("USDC", "0x1", "1", "0.5", days).lasts == words


def test_a_wallet_that_spent_nothing_lately_is_not_said_to_last() -> None:
    funds = Funds((), (WalletBalance("USDC", "0x1", "1", "0", None),))
    page = read_page(made(replace(EMPTY, totals=[TOTAL]), funds)).text
    assert "nothing was spent lately" in page
    assert "lasts nothing" not in page


def test_a_home_of_one_day_has_a_chart_of_two_weeks() -> None:
    one_day = charts.spending([spent("2026-11-29", "grades", "0.017")], None, "USDC").wide
    assert {">17 Nov<", ">29 Nov<"} <= set(re.findall(r">\d+ Nov<", one_day))


def test_the_dearest_flows_have_colours_and_the_rest_share_one() -> None:
    rows = [spent("2026-11-29", f"flow-{number}", f"0.{number + 10}") for number in range(12)]
    shown = charts.by_rank(rows)
    assert next(iter(shown)) == "flow-11"
    assert len(set(shown.values())) == charts.COLOURS
    assert shown["flow-0"] == charts.OTHER
    assert len(set(charts.by_rank(rows[:8]).values())) == 8


def test_a_cap_far_above_the_spending_is_told_and_not_drawn() -> None:
    rows = [spent("2026-11-28", "grades", "0.01"), spent("2026-11-28", "signals", "0.02")]
    assert charts.cap_is_near(rows, "0.12")
    assert not charts.cap_is_near(rows, "0.13")
    assert not charts.cap_is_near(rows, None)
    figures = replace(EMPTY, totals=[TOTAL], spending=rows)
    assert "The cap of a day is 5 USDC, far above." in read_page(made(figures, Funds(per_day=(("USDC", "5"),)))).text


def test_bars_of_a_day_stand_on_each_other() -> None:
    rows = [spent("2026-11-28", "grades", "0.01"), spent("2026-11-28", "signals", "0.02")]
    low, high = charts.stacked(rows, charts.by_rank(rows))
    assert (low["flow"], low["low"], low["high"]) == ("signals", 0.0, 0.02)
    assert (high["flow"], high["low"]) == ("grades", 0.02)


def test_days_are_drawn_one_by_one_then_as_runs_then_week_by_week() -> None:
    days = [{"token_id": 1, "state": "held", "first": "2026-11-23", "last": "2026-11-25", "days": 3}]
    assert len(heatmap.cells_of(days)) == 3
    [run] = heatmap.cells_of(days, 2)
    assert (run["first"], run["until"]) == ("2026-11-23T00:00:00Z", "2026-11-26T00:00:00Z")
    holes = year_of(50, 0.5).runs
    weeks = heatmap.cells_of(holes)
    assert len(holes) > heatmap.MOST_RUNS
    assert heatmap.by_week(holes)
    assert len(weeks) <= 50 * 54
    assert {cell["state"] for cell in weeks} == {"held", heatmap.PARTLY, "missing"}


def test_tokens_that_share_a_symbol_are_told_apart() -> None:
    rows = [{"token_id": 1, "symbol": "BTC"}, {"token_id": 2, "symbol": "BTC"}, {"token_id": 3, "symbol": "ETH"}]
    assert heatmap.unique_names(rows) == {1: "BTC 1", 2: "BTC 2", 3: "ETH"}


def test_the_watch_list_comes_first_and_in_its_order() -> None:
    signals = {name: signal_days(1, "AAA", 20)[name] + signal_days(2, "BBB", 20)[name] for name in signal_days(1)}
    html = made(replace(EMPTY, totals=[TOTAL], **signals), watched=(2,))
    assert html.index("<h3>BBB</h3>") < html.index("<h3>AAA</h3>")


def test_signals_without_prices_are_drawn_as_positions() -> None:
    signals = {**signal_days(1, "AAA", 20), "prices": [], "flips": []}
    assert "No price was bought" in read_page(made(replace(EMPTY, totals=[TOTAL], **signals))).text


def test_a_drawing_is_the_same_in_every_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    drawn = []
    for zone in ("UTC", "Pacific/Auckland", "America/Los_Angeles"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        drawn.append(charts.signals(*signal_days(1, days=40).values()).wide)
    monkeypatch.undo()
    time.tzset()
    assert len(set(drawn)) == 1
    assert re.search(r">\d+ Dec<", drawn[0])


def test_without_the_extra_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(Misconfigured, match="vl_convert is missing; no money was sent") as refused:
        check_installed()
    assert "pip install 'tollbook[report]'" in refused.value.fix
