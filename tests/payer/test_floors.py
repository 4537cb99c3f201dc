"""Which room of the payer may import which: only from a lower floor, and never in a circle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.paths import ROOT
from tests.structure.modules import imports

FLOORS = ("values", "wire", "policy", "http", "chain", "ledger", "wallet", "spool", "context", "buy", "settle", "payer")
"""From the ground up: rooms, and the modules that stand beside them."""
MODULES = sorted((ROOT / "payer").rglob("*.py"))


def room(module: str) -> str:
    """The room of a module's dotted name, or the module itself where it stands in none."""
    return module.split(".")[1]


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def ours(path: Path) -> set[str]:
    """The payer's modules that a file imports, at any depth in it."""
    known = {dotted(each) for each in MODULES}
    return {name for name in imports(path) if name in known and name.count(".") and name != dotted(path)}


def test_every_room_has_its_floor() -> None:
    rooms = {path.relative_to(ROOT / "payer").parts[0].removesuffix(".py") for path in MODULES}
    assert rooms - {"__init__"} == set(FLOORS)


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent.name != "payer" or path.stem != "__init__"])
def test_a_room_imports_only_from_lower_floors(path: Path) -> None:
    floor = FLOORS.index(room(dotted(path)))
    assert [name for name in ours(path) if FLOORS.index(room(name)) > floor] == []


def test_no_file_imports_itself_by_way_of_others() -> None:
    reaches = {dotted(path): ours(path) for path in MODULES if dotted(path) != "payer"}
    packages = {dotted(path) for path in MODULES if path.stem == "__init__"}
    left = {name: targets - packages for name, targets in reaches.items()}
    while free := [name for name, targets in left.items() if not targets & set(left)]:
        for name in free:
            del left[name]
    assert left == {}, "these import each other"
