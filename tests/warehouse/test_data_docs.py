"""docs/data.md says what is there: its questions have the right answers, and its names exist."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.sample_market import CLOSES, CORRECTED, DAYS, GRADES, SIGNALS, TOKENS
from warehouse.query import query

PAGE = Path("docs/data.md").read_text("utf-8")
BLOCKS = re.findall(r"([^\n]*)\n```sql\n(.*?)```", PAGE, re.S)
STATEMENTS = [(title, sql.strip()) for title, block in BLOCKS for sql in block.split(";\n") if sql.strip()]


def question(words: str) -> str:
    """The one statement under the page's question that begins with these words."""
    [sql] = [sql for title, sql in STATEMENTS if title.startswith(words)]
    return sql.removesuffix(";")


def answer(home: Path, words: str) -> list[tuple[Any, ...]]:
    return query(home, question(words))[1]


@pytest.mark.parametrize("sql", [sql for _, sql in STATEMENTS], ids=[sql.split("\n")[0][:50] for _, sql in STATEMENTS])
def test_every_query_of_the_page_finds_rows(market_home: Path, sql: str) -> None:
    assert query(market_home, sql.removesuffix(";"))[1]


def day(number: int) -> date:
    return DAYS[number].date()


def test_who_turned_bullish_since_yesterday(market_home: Path) -> None:
    """Bitcoin did on the fourth day and Solana on the fifth. That Ethereum was out on the fourth was taken back."""
    assert answer(market_home, "Who turned bullish") == [("SOL", day(4), 1, -1), ("BTC", day(3), 1, 0)]


def test_the_best_grades_of_the_newest_day(market_home: Path) -> None:
    assert answer(market_home, "The ten best grades") == [
        ("ETH", 64.0, "Buy"),
        ("SOL", 45.0, "Buy"),
        ("BTC", 44.0, "Buy"),
    ]


def test_the_change_in_24_hours(market_home: Path) -> None:
    found = answer(market_home, "How grades changed")
    changes = {symbol: 100 * (GRADES[token][4] / GRADES[token][3] - 1) for token, (_, symbol) in TOKENS.items()}
    assert [row[0] for row in found] == ["BTC", "ETH", "SOL"]
    for symbol, _, told, counted in found:
        assert told == pytest.approx(changes[symbol])
        assert counted == pytest.approx(changes[symbol])


def test_signals_against_holding(market_home: Path) -> None:
    """Following signals had brought 4 and the id's last digit by the last day."""
    holding = {symbol: CLOSES[token][4] / CLOSES[token][0] - 1 for token, (_, symbol) in TOKENS.items()}
    assert answer(market_home, "Signals against holding") == [
        ("SOL", 12.0, pytest.approx(holding["SOL"])),
        ("ETH", 10.0, pytest.approx(holding["ETH"])),
        ("BTC", 9.0, pytest.approx(holding["BTC"])),
    ]


def test_new_and_closed_moonshots(market_home: Path) -> None:
    """The one that went on, and the one long closed, are neither."""
    found = answer(market_home, "New moonshots")
    assert [(symbol, end is not None, roi) for symbol, _, end, roi in found] == [
        ("SHUT", True, 2.5),
        ("NEW", False, 1.0),
    ]


def test_grade_against_price(market_home: Path) -> None:
    """Current grades with current closes: the first day's grades and the fourth day's closes are the corrected ones."""
    expected = []
    for token, (_, symbol) in TOKENS.items():
        for number in range(5):
            grade = CORRECTED.get(token, GRADES[token][0]) if number == 0 else GRADES[token][number]
            expected.append((symbol, day(number), grade, CLOSES[token][number] + (number == 3)))
    assert answer(market_home, "Grade against price") == sorted(expected)


def test_the_back_test_knows_only_what_was_known(market_home: Path) -> None:
    """Each signal as first told, Ethereum's fourth with it, and the grade at 08:00: not yet corrected, and on the last
    day, when grades were late, the day before's."""
    expected = []
    for token, (_, symbol) in TOKENS.items():
        for number in range(5):
            known = min(number, 3)
            expected.append((symbol, day(number), SIGNALS[token][number], day(known), GRADES[token][known]))
    assert answer(market_home, "A back-test") == sorted(expected)


def test_the_page_asks_for_provenance_and_gets_it(market_home: Path) -> None:
    """Five days' snapshots and a correction."""
    found = answer(market_home, "Which call bought this row")
    assert len(found) == 6
    assert all(tx.startswith("0x") and float(amount) == 0.02 for _, _, amount, _, tx in found)


def test_every_name_of_the_pages_table_is_published(market_home: Path) -> None:
    there = {name for (name,) in query(market_home, "SELECT table_name FROM information_schema.tables")[1]}
    section = PAGE.split("## Tables")[1].split("## Questions")[0]
    named = {name for row in section.splitlines() if row.startswith("| `") for name in re.findall(r"`(\w+)`", row)}
    assert named - {"judged_by"} <= there
