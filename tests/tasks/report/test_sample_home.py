"""The home that the pictures and the pages' tests show."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.tasks.report.sample_home import build
from warehouse.query import query


@pytest.mark.parametrize("end", [datetime(2026, 12, 1, tzinfo=UTC), datetime(2028, 2, 29, 0, 12, tzinfo=UTC)])
def test_it_can_be_built_in_the_first_minutes_of_a_day(end: datetime, tmp_path: Path) -> None:
    build(tmp_path, end)
    [(days,)] = query(tmp_path, "SELECT count(DISTINCT date) FROM grades WHERE date = ?", [end.date()])[1]
    assert days == 1
