"""A lake's catalog on PostgreSQL, its files in a folder, and the DuckDB that has the extensions (`make` sets it up)."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.paths import OLDEST, ROOT

CHILD = Path(__file__).parent / "child.py"
KILLED = 9

Scenario = Callable[..., Any]


@pytest.fixture(scope="session")
def lake_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory whose DuckDB has the extensions, put there from the package index's wheels."""
    if not OLDEST.exists():
        pytest.skip(
            "no DuckDB with the extensions of a lake: `make .venv-oldest/oldest.stamp` sets it up where it can be had"
        )
    home = tmp_path_factory.mktemp("lake-home")
    wheels = sorted((OLDEST.parents[1] / "lib").rglob("*.duckdb_extension"))
    assert len(wheels) == 3
    install = "import duckdb, sys\nfor path in sys.argv[1:]: duckdb.execute(f\"INSTALL '{path}'\")"
    subprocess.run([OLDEST, "-c", install, *wheels], env={"HOME": str(home)}, check=True, timeout=120)
    return home


def new_catalog(postgres: str) -> str:
    """The URL of an empty database."""
    import psycopg

    name = f"lake_{secrets.token_hex(4)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    base, _, query = postgres.partition("?")
    return base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")


def scenarios(home: Path, catalog: str, folder: Path) -> Scenario:
    """A function that runs one scenario of child.py in a process of its own: what it says, None when it was killed."""
    where = {"TOLLBOOK_LAKE": catalog, "TOLLBOOK_LAKE_DATA": str(folder / "lake")}

    def run(name: str, **env: str) -> Any:
        given = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT), **where, **env}
        done = subprocess.run([OLDEST, CHILD, name, folder], env=given, capture_output=True, text=True, timeout=120)
        if done.returncode == KILLED:
            return None
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def scenario(lake_home: Path, postgres: str, tmp_path: Path) -> Scenario:
    """Scenarios on an empty lake."""
    return scenarios(lake_home, new_catalog(postgres), tmp_path)


@pytest.fixture(scope="session")
def three_publications(lake_home: Path, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The answer of the scenario of that name; several tests look at it."""
    return scenarios(lake_home, new_catalog(postgres), tmp_path_factory.mktemp("lake"))("three_publications")
