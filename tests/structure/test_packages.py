"""Import directions between packages, and the home of each library."""

from __future__ import annotations

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


def test_a_package_imports_only_what_stands_below_it() -> None:
    wrong = {
        f"{path}: {one.module}"
        for path in FILES
        for one in imports(ROOT / path)
        if (other := one.module.split(".")[0]) in MAY_IMPORT and other != path.parts[0]
        if other not in MAY_IMPORT[path.parts[0]]
    }
    assert wrong == set()


def test_the_warehouse_knows_of_the_payer_its_values_alone() -> None:
    known = {
        f"{path}: {one.module}"
        for path in FILES
        if path.parts[0] == "warehouse"
        for one in imports(ROOT / path)
        if one.module.startswith("payer.") and not one.module.startswith(PAYER_FOR_THE_WAREHOUSE)
    }
    assert known == set()


def test_a_library_is_imported_only_in_its_home() -> None:
    elsewhere = {
        f"{path}: {one.module} is imported in {sorted(homes)} only"
        for path in FILES
        for one in imports(ROOT / path)
        if (homes := HOMES.get(one.module.split(".")[0])) and not any(path.is_relative_to(home) for home in homes)
    }
    assert elsewhere == set()


def test_every_package_of_the_tree_is_in_the_table() -> None:
    assert set(PACKAGES) == set(MAY_IMPORT)
    assert all((ROOT / package / "__init__.py").is_file() for package in PACKAGES)
