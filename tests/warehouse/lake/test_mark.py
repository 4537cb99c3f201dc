"""The mark that a lake leaves in the published folder, for the publications that follow."""

from __future__ import annotations

from pathlib import Path

from tests.warehouse.lake.conftest import Scenario
from warehouse.publish.views.table_parts import lake_mark


def test_a_folder_is_marked_by_its_first_write(scenario: Scenario, tmp_path: Path) -> None:
    mark = lake_mark(tmp_path)
    mark.parent.mkdir()
    assert "error" not in scenario("first_write")
    assert mark.exists()


def test_a_folder_that_cannot_be_marked_is_written_from_all_the_same(scenario: Scenario, tmp_path: Path) -> None:
    assert "error" not in scenario("first_write")
    assert not lake_mark(tmp_path).exists()
