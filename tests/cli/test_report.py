"""`tollbook report`: one page on money and data."""

from __future__ import annotations

from tests.cli.conftest import Command


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
