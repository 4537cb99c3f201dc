"""`tollbook report`: one page on money and data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.ops.report import TOP
from tests.cli.conftest import Command
from tests.warehouse.deliveries import DAY, T0, body, grade
from tests.warehouse.purchases import buy_history, open_ledger


def test_the_page_has_costs_and_every_table_with_rows(tollbook: Command) -> None:
    tollbook("run", "grades", "--json")
    said = tollbook("report", "--json", TOLLBOOK_PRIVATE_KEY=None)
    assert said.code == 0, said.out
    document = said.document
    assert [row["amount"] for row in document["costs"]] == ["0.051"]
    [grades] = [table for table in document["tables"] if table["table"] == "grades"]
    assert grades["rows"] == 145
    assert (document["open"], document["undelivered"], document["quarantined"]) == (0, 0, 0)
    page = tollbook("report").out
    assert "grades" in page
    assert "0.051" in page


@pytest.fixture
def troubled(tmp_path: Path, bare: Command) -> Command:
    """A home with two windows of a history, 12 days apart, of eight tokens; one has rows that can't be read."""
    tokens = list(range(1, 9))
    with open_ledger(tmp_path) as ledger:
        for first in (T0 - 20 * DAY, T0 - 7 * DAY):
            rows = [grade(token, first) for token in tokens]
            buy_history(ledger, body(*rows), tokens, first, first, T0)
        bad = [{**grade(1, T0), "TM_GRADE": "soon"}, grade(1, T0, BRAND_NEW=1)]
        buy_history(ledger, body(*bad), [1], T0, T0, T0)
    bare.env |= {"TOLLBOOK_HOME": str(tmp_path), "TOLLBOOK_POLICY": "policy.toml"}
    return bare


def test_the_page_counts_what_is_wrong_and_shows_the_worst_few(troubled: Command) -> None:
    """Eight tokens with a gap of twelve days each, one of them with another of six."""
    quality = troubled("report", "--json").document["quality"]
    [line] = quality["datasets"]
    shown = ("dataset", "late", "keys", "keys_late", "keys_with_gaps", "slots_missing", "rows_quarantined")
    assert [line[name] for name in shown] == ["tm-grade-history", True, 8, 8, 8, 8 * 12 + 6, 1]
    counts = {name: found["count"] for name, found in quality.items() if name != "datasets"}
    assert counts == {"late": 8, "gaps": 9, "quarantined": 1, "conflicting": 0, "drift": 2}
    assert [gap["slots"] for gap in quality["gaps"]["worst"]] == [12] * TOP
    assert quality["late"]["worst"][0]["key"] == "2"
    [reason] = quality["quarantined"]["worst"]
    assert (reason["reason"], reason["rows"]) == ("tm_grade: not a number", 1)
    assert {row["column"]: row["change"] for row in quality["drift"]["worst"]} == {
        "BRAND_NEW": "new",
        "TM_GRADE": "changed",
    }


def test_the_page_stays_one_page_however_much_is_wrong(troubled: Command) -> None:
    page = troubled("report").out
    assert "8 of 8 keys" in page
    assert "Gaps: 9" in page
    assert f"and {9 - TOP} more: SELECT * FROM quality_gaps" in page
    assert len(page.splitlines()) < 66


@pytest.fixture
def unwritable(troubled: Command, tmp_path: Path) -> Command:
    """That home once nothing can be opened for writing any more: there is a folder where the lock was."""
    assert troubled("costs", "--json").code == 0
    lock = tmp_path / "state" / "cache.lock"
    lock.unlink()
    lock.mkdir()
    with open_ledger(tmp_path) as ledger:
        buy_history(ledger, body(grade(1, T0 - 40 * DAY)), [1], T0 - 40 * DAY, T0 - 40 * DAY, T0)
    return troubled


def test_where_nothing_can_be_written_the_last_published_file_is_shown(unwritable: Command) -> None:
    said = unwritable("costs", "--json")
    assert (said.code, [row["amount"] for row in said.document]) == (0, ["0.06"])
    assert "not brought up to date" in said.err
    assert "this is what was published on 20" in said.err
    page = unwritable("report", "--json").document
    assert page["stale"].startswith("not brought up to date (")
    assert page["costs"][0]["amount"] == "0.06"


def test_nothing_published_and_nothing_writable_is_an_error(unwritable: Command, tmp_path: Path) -> None:
    (tmp_path / "published" / "warehouse.duckdb").unlink()
    said = unwritable("costs")
    assert said.code == 6
    assert "check free space and permissions" in said.err


def test_the_page_of_an_empty_home_is_a_file_that_says_there_is_nothing(bare: Command, tmp_path: Path) -> None:
    bare.env |= {"TOLLBOOK_HOME": str(tmp_path / "home"), "TOLLBOOK_POLICY": "policy.toml"}
    path = tmp_path / "report.html"
    said = bare("report", "--json", "--html", str(path))
    assert said.code == 0, said.out
    assert said.document == {"html": str(path), "bytes": path.stat().st_size, "stale": None, "losses": []}
    assert "There is nothing yet" in path.read_text("utf-8")
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["report.html"]


@pytest.mark.parametrize("name", ["warehouse.duckdb", "report", "report.pdf", "missing/report.html"])
def test_a_file_that_is_no_page_or_can_not_be_made_is_refused_and_left_as_it_is(
    name: str, bare: Command, tmp_path: Path
) -> None:
    bare.env |= {"TOLLBOOK_HOME": str(tmp_path / "home"), "TOLLBOOK_POLICY": "policy.toml"}
    path = tmp_path / name
    if path.parent == tmp_path:
        path.write_text("kept")
    said = bare("report", "--html", str(path))
    assert said.code == 2
    assert str(path) in said.err
    assert not path.exists() or path.read_text() == "kept"


def test_the_page_names_what_is_older_and_what_was_lost_also_on_the_terminal(
    unwritable: Command, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    said = unwritable("report", "--html", str(path))
    assert said.code == 0
    assert "not brought up to date" in said.err
    assert said.out.startswith(f"written: {path} (")
    assert "These are older figures" in path.read_text("utf-8")
