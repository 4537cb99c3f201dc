"""Who may import whom: the table of the design, held."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "tollbook"

MAY_IMPORT = {
    "payer": set[str](),
    "sources": set[str](),
    "warehouse": {"sources", "payer"},
    "tasks": {"payer", "sources", "warehouse"},
    "flows": {"tasks"},
    "cli": {"flows", "tasks", "payer", "warehouse", "sandbox"},
    "sandbox": {"sources"},
}
PAYER_FOR_THE_WAREHOUSE = {
    "tollbook.payer.types",
    "tollbook.payer.ledger_reads",
    "tollbook.payer.money",
    "tollbook.payer.errors",
}

ROOMS_OF_THE_PAYER = {
    "wire": set[str](),
    "policy": {"wire"},
    "http": {"policy"},
    "chain": {"wire", "policy", "http"},
    "ledger": {"policy"},
}
VALUES_OF_THE_PAYER = {"types", "money", "addresses", "errors", "events", "identity", "ledger_reads"}

HOMES = {
    "x402": {"sandbox"},
    "web3": {"sandbox"},
    "eth": {"sandbox"},
    "fastapi": {"sandbox"},
    "uvicorn": {"sandbox"},
    "httpx": {"payer", "sandbox"},
    "sqlalchemy": {"payer"},
    "alembic": {"payer"},
    "eth_account": {"payer", "sandbox"},
    "coincurve": {"payer"},
    "duckdb": {"warehouse"},
    "pandas": {"warehouse"},
    "pyarrow": {"warehouse", "sources/rows.py", "sources/casts.py"},
    "prefect": {"tasks", "flows"},
    "typer": {"cli"},
    "rich": {"cli"},
}


def imports(path: Path) -> Iterator[str]:
    """Every module named in an import statement of the file, at any depth."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module.count(".") < 2)


def package_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0]


FILES = sorted(path for path in SOURCE.rglob("*.py") if len(path.relative_to(SOURCE).parts) > 1)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_package_imports_only_what_stands_below_it(path: Path) -> None:
    package = package_of(path)
    for module in imports(path):
        parts = module.split(".")
        if parts[0] != "tollbook" or len(parts) < 2 or parts[1] == package or parts[1] not in MAY_IMPORT:
            continue
        assert parts[1] in MAY_IMPORT[package], f"{package} may not import {module}"
        if package == "warehouse" and parts[1] == "payer" and len(parts) > 2:
            assert ".".join(parts[:3]) in PAYER_FOR_THE_WAREHOUSE, f"of the payer, warehouse may not import {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_library_is_imported_only_in_its_home(path: Path) -> None:
    where = str(path.relative_to(SOURCE))
    for module in imports(path):
        homes = HOMES.get(module.split(".")[0])
        if homes is not None:
            assert package_of(path) in homes or where in homes, f"{module} is imported in {sorted(homes)} only"


def test_every_package_of_the_tree_is_in_the_table() -> None:
    found = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert found == set(MAY_IMPORT)


def of_the_payer(path: Path) -> set[str]:
    """Which modules and rooms of the payer the file imports."""
    return {module.split(".")[2] for module in imports(path) if module.startswith("tollbook.payer.")}


@pytest.mark.parametrize("room", ROOMS_OF_THE_PAYER)
def test_a_room_of_the_payer_knows_only_its_values_and_the_rooms_below(room: str) -> None:
    """So no room leads back to the main path, nor two rooms to each other."""
    known = {room} | ROOMS_OF_THE_PAYER[room] | VALUES_OF_THE_PAYER
    for path in (SOURCE / "payer" / room).rglob("*.py"):
        assert of_the_payer(path) <= known, path


def test_every_room_of_the_payer_is_in_the_table() -> None:
    rooms = {path.parent.name for path in (SOURCE / "payer").glob("*/__init__.py")}
    assert rooms == set(ROOMS_OF_THE_PAYER)


@pytest.mark.parametrize("value", sorted(VALUES_OF_THE_PAYER))
def test_the_payers_values_know_nothing_but_each_other(value: str) -> None:
    """identity alone looks further: a payment is named by the digest that was signed."""
    assert of_the_payer(SOURCE / "payer" / f"{value}.py") <= VALUES_OF_THE_PAYER | {"eip3009"}
