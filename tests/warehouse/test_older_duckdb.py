"""The published file in DuckDB 1.5, the release that analysts' other tools still bring."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.sample_market import DAYS, HOUR
from warehouse.query import query

CLI = Path(sys.executable).parent / "duckdb"
QUALITY = ("summary", "freshness", "keys", "held", "gaps", "duplicates", "quarantined", "drift", "datasets")
ASKED = {
    "every grade": "SELECT token_id, date::VARCHAR, tm_grade, observed_at::VARCHAR FROM grades ORDER BY ALL",
    "as of": f"SELECT count(*) AS n, sum(tm_grade) AS s FROM grades_as_of('{DAYS[2] + 12 * HOUR}')",
    "known at": "SELECT known_date::VARCHAR, tm_grade FROM grades_known_at('signals_first_seen') ORDER BY ALL",
    "provenance": "SELECT row_key, request, tx_hash FROM provenance('signals_hourly', '3375')",
    "costs": "SELECT purchase_id, amount::VARCHAR, created_at::VARCHAR FROM costs ORDER BY ALL",
    "cost by day": "SELECT day::VARCHAR, amount_atomic::VARCHAR FROM cost_by_day",
    "json": "SELECT count(*) AS n FROM moonshots WHERE extras IS NULL OR json_valid(extras)",
    **{f"quality_{name}": f"SELECT count(*) AS n FROM quality_{name}" for name in QUALITY},
    "late": "SELECT dataset, late FROM quality_freshness ORDER BY ALL",
}


@pytest.fixture(scope="module")
def older(market_home: Path) -> dict[str, list[dict[str, Any]]]:
    """Its answers to all of it, from one start of its shell."""
    script = ["SET TimeZone = 'UTC';", *(f"{sql};" for sql in ASKED.values())]
    command = [str(CLI), "-readonly", "-json", "-bail", str(market_home / "published" / "warehouse.duckdb")]
    done = subprocess.run(command, input="\n".join(script), text=True, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    decoder, text, answers = json.JSONDecoder(), done.stdout.strip(), []
    while text:
        found, end = decoder.raw_decode(text)
        answers.append(found)
        text = text[end:].strip()
    return dict(zip(ASKED, answers, strict=True))


def test_the_shell_is_of_the_older_release() -> None:
    said = subprocess.run([str(CLI), "--version"], text=True, capture_output=True, timeout=60, check=True)
    assert said.stdout.startswith("v1.5.")


@pytest.mark.parametrize("name", ASKED)
def test_it_answers_as_the_newest_does(older: dict[str, list[dict[str, Any]]], market_home: Path, name: str) -> None:
    names, rows = query(market_home, ASKED[name])
    assert rows
    assert older[name] == [dict(zip(names, row, strict=True)) for row in rows]
