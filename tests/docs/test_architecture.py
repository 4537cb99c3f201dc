"""docs/architecture.md shows the tree that is there, and a main path that can be walked by imports."""

from __future__ import annotations

import re

import pytest

from tests.paths import DOCS, ROOT
from tests.structure.modules import arrows, name_of
from tests.structure.test_packages import MAY_IMPORT
from tests.structure.test_rooms import FLOORS

PAGE = (DOCS / "architecture.md").read_text("utf-8")
MAIN_PATH = re.findall(r"^\d+\. `([\w/]+\.py)`: ", PAGE, re.M)
LONGEST_PATH = 18
NAMED = sorted(set(re.findall(r"`((?:flows|tasks|payer|sources|warehouse|sandbox|tollbook|tests)/[\w./]*)`", PAGE)))


def test_the_main_path_is_short_enough_to_be_read_in_one_sitting() -> None:
    assert 15 <= len(MAIN_PATH) <= LONGEST_PATH


@pytest.mark.parametrize("place", range(1, len(MAIN_PATH)), ids=lambda place: MAIN_PATH[place])
def test_each_file_of_the_main_path_is_reached_from_one_before_it(place: int) -> None:
    """Directly, or by one file between that only hands on."""
    before = {name_of(ROOT / path) for path in MAIN_PATH[:place]}
    near = {other for name in before for other in arrows()[name]}
    within_reach = near | {other for name in near for other in arrows().get(name, ())}
    assert name_of(ROOT / MAIN_PATH[place]) in within_reach


@pytest.mark.parametrize("path", NAMED)
def test_every_place_the_page_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_package_and_every_room_of_the_payer_is_drawn() -> None:
    assert {package for package in MAY_IMPORT if f"  {package} " not in PAGE} == set()
    assert all(f"`{room}`" in PAGE for room in FLOORS["payer"])
