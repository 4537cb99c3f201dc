"""`import tollbook`: what it loads, what it costs, and that a notebook's own folders are not in its way."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.paths import PACKAGES, ROOT

OURS = tuple(package for package in PACKAGES if package not in ("tollbook", "tollbook_bucket"))
"""Packages with names that a folder beside a notebook may have."""
HEAVY = (
    "duckdb",
    "pandas",
    "pyarrow",
    "numpy",
    "prefect",
    "sqlalchemy",
    "typer",
    "rich",
    "httpx",
    "importlib.metadata",
)


def python(code: str, folder: Path, *options: str) -> str:
    """Run code in a fresh interpreter, as a notebook in `folder` would: the folder first on its path, the checkout
    after it."""
    setup = f"import sys; sys.path.insert(0, {str(folder)!r}); sys.path.append({str(ROOT)!r})\n"
    command = [sys.executable, *options, "-c", setup + code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_loads_none_of_our_packages_and_no_library(tmp_path: Path) -> None:
    code = "import tollbook\nprint(*sorted({name for name in sys.modules}))"
    loaded = set(python(code, tmp_path).split())
    assert {name for name in loaded if name.split(".")[0] in (*OURS, "tollbook_bucket", "obstore")} == set()
    assert loaded & set(HEAVY) == set()
    modules = ("", ".reading", ".reading.conditions", ".reading.file", ".reading.read")
    assert {name for name in loaded if name.split(".")[0] == "tollbook"} == {f"tollbook{name}" for name in modules}


def test_reading_loads_none_of_our_packages(tmp_path: Path, market_home: Path) -> None:
    code = (
        "import tollbook\n"
        f"assert len(tollbook.read('moonshots', home={str(market_home)!r})) == 4\n"
        f"tollbook.connect({str(market_home)!r}).close()\n"
        "print(*sorted(name for name in sys.modules))"
    )
    loaded = {name.split(".")[0] for name in python(code, tmp_path).split()}
    assert loaded & {*OURS, "tollbook_bucket", "obstore"} == set()
    assert "prefect" not in loaded


def test_folders_with_our_names_beside_a_notebook_break_nothing(tmp_path: Path, market_home: Path) -> None:
    for package in OURS:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise ImportError('a folder of the analyst')\n")
    code = (
        "import tollbook\n"
        f"home = {str(market_home)!r}\n"
        "frame = tollbook.read('signals', tokens='BTC', as_of='2026-11-27', home=home)\n"
        "with tollbook.connect(home) as con:\n"
        "    print(len(frame) > 0, len(con.sql('FROM grades_as_of(now())').fetchall()) > 0, tollbook.__version__)"
    )
    assert python(code, tmp_path).split() == ["True", "True", version("tollbook")]


def test_it_costs_at_most_a_third_more_than_importing_duckdb(tmp_path: Path) -> None:
    """Processor time in fresh interpreters, the best of several, in turn."""

    def seconds(module: str) -> float:
        code = f"import time; since = time.process_time(); import {module}; print(time.process_time() - since)"
        return float(python(code, tmp_path))

    python("import tollbook, duckdb", tmp_path)
    pairs = [(seconds("tollbook"), seconds("duckdb")) for _ in range(5)]
    assert min(ours for ours, _ in pairs) <= 1.3 * min(theirs for _, theirs in pairs)


def test_the_reading_module_names_no_package_of_ours() -> None:
    for name in ("__init__.py", "reading/file.py", "reading/conditions.py", "reading/read.py"):
        tree = ast.parse((ROOT / "tollbook" / name).read_text())
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert {module.split(".")[0] for module in modules} & set(OURS) == set(), name


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    import tollbook

    with pytest.raises(AttributeError, match="no attribute 'reed'"):
        tollbook.reed  # noqa: B018
