"""Import directions between packages, and the home of each library."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.paths import PACKAGES, ROOT, source_files
from tests.structure.modules import imports

MAY_IMPORT = {
    "payer": set[str](),
    "sources": set[str](),
    "tollbook_bucket": set[str](),
    "warehouse": {"sources", "payer", "tollbook_bucket"},
    "tasks": {"payer", "sources", "warehouse", "tollbook_bucket"},
    "flows": {"tasks"},
    "sandbox": {"sources"},
    "tollbook": {"flows", "tasks", "payer", "warehouse", "sandbox", "tollbook_bucket"},
}
PAYER_FOR_THE_WAREHOUSE = "payer.values"
"""The warehouse reads what the payer wrote; it knows nothing of how a purchase is made."""

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
    "duckdb": {"warehouse", "tollbook/reading"},
    "pandas": {"warehouse", "tollbook/reading"},
    "pyarrow": {"warehouse", "tollbook/reading", "sources/parse"},
    "prefect": {"tasks/prefect", "flows"},
    "dotenv": {"payer/environment"},
    "altair": {"tasks/report"},
    "vl_convert": {"tasks/report"},
    "jinja2": {"tasks/report"},
    "tomlkit": {"tasks/setup"},
    "typer": {"tollbook"},
    "rich": {"tollbook"},
    "obstore": {"tollbook_bucket"},
}


FILES = [path.relative_to(ROOT) for path in source_files()]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_package_imports_only_what_stands_below_it(path: Path) -> None:
    package = path.parts[0]
    for module in (one.module for one in imports(ROOT / path)):
        other = module.split(".")[0]
        if other == package or other not in MAY_IMPORT:
            continue
        assert other in MAY_IMPORT[package], f"{package} may not import {module}"
        if package == "warehouse" and other == "payer":
            assert module == "payer" or module.startswith(PAYER_FOR_THE_WAREHOUSE), f"warehouse may not import {module}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_library_is_imported_only_in_its_home(path: Path) -> None:
    for module in (one.module for one in imports(ROOT / path)):
        homes = HOMES.get(module.split(".")[0])
        if homes is not None:
            assert any(path.is_relative_to(home) for home in homes), f"{module} is imported in {sorted(homes)} only"


def test_every_package_of_the_tree_is_in_the_table() -> None:
    assert set(PACKAGES) == set(MAY_IMPORT)
    assert all((ROOT / package / "__init__.py").is_file() for package in PACKAGES)
