"""Schedules as prefect.yaml writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from payer.values.errors import Misconfigured
from tasks.request.schedules import Schedule, read_schedules


def test_a_schedule_fires_at_its_times_in_its_zone() -> None:
    daily = Schedule("grades", "daily", "s", "15 6 * * *", "Europe/Berlin")
    found = list(daily.times(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)))
    assert found == [datetime(2026, 11, 1, 5, 15, tzinfo=UTC), datetime(2026, 11, 2, 5, 15, tzinfo=UTC)]


@pytest.mark.parametrize(
    "text",
    [
        "deployments: 3",
        "nothing: here",
        "deployments: [{name: a, entrypoint: m:f, schedules: [{cron: 'every day'}]}]",
        "deployments: [{name: a, entrypoint: m:f, schedules: [{interval: 20}]}]",
        ": :",
    ],
)
def test_a_file_without_readable_schedules_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prefect.yaml"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=r"prefect\.yaml"):
        read_schedules(path)


def test_a_missing_file_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="can't be read"):
        read_schedules(tmp_path / "prefect.yaml")
