"""Bodies that programs bought through the payer's httpx transport: for no table, and no failure of a flow's load."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from payer.values.request import CLIENT
from tasks.workspace.check_body import check_body
from tests.warehouse.deliveries import DAY, T0, MemoryLedger, body, grade, pieces
from warehouse.cache.store import Cache
from warehouse.load.self_repair import load


def test_a_programs_own_body_is_in_no_table_and_no_failure(tmp_path: Path) -> None:
    """One of an undeclared dataset without that mark still is one, and is kept in quarantine."""
    books = MemoryLedger()
    [page, *_] = pieces("tm-grade-history", ["1"], T0 - DAY * 5, T0, T0)
    flows = books.deliver(page, body(grade(1, T0 - DAY, 50.0)), T0)
    own = replace(flows, seq=2, purchase_id="own", dataset="GET /v2/x", context={CLIENT: "httpx"}, body=b"<html>")
    lost = replace(own, seq=3, purchase_id="lost", dataset="retired", context={})
    books.held += [own, lost]
    assert (check_body(own), check_body(lost) != "") == ("", True)
    cache = Cache(tmp_path)
    report = load(cache, books)
    assert (report.deliveries, report.rows_new) == (3, 1)
    assert [failure.purchase_id for failure in report.failures] == ["lost"]
    with cache.open() as con:
        assert con.execute("SELECT purchase_id FROM quarantined").fetchall() == [("lost",)]
