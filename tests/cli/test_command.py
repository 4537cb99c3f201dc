"""The command itself: fast, complete, and honest about what it imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.paths import PACKAGES, ROOT
from tollbook.cli.app import VERBS

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
HEAVY = ("prefect", "web3", "pandas", "duckdb", "pyarrow", "sqlalchemy", "httpx", "eth_account", "numpy", "fastapi")


def loaded_by(code: str) -> set[str]:
    """Name the heavy libraries that a fresh interpreter has loaded after the code."""
    probe = f"{code}\nimport sys\nprint(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()) if done.stdout.strip() else set()


def test_help_comes_fast_and_loads_nothing_heavy() -> None:
    code = "from tollbook.cli.main import run; run(['--help'])"
    assert loaded_by(code) == set()


def test_help_takes_less_than_half_a_second_of_processor_time() -> None:
    best = min(_processor_seconds() for _ in range(3))
    assert best < 0.5


def _processor_seconds() -> float:
    code = "import time; from tollbook.cli.main import run; run(['--help']); print(time.process_time())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("module", ["flows.ingest", "tasks.ops.recovery", "tollbook.cli.selection"])
def test_what_the_command_runs_needs_no_prefect(module: str) -> None:
    assert "prefect" not in loaded_by(f"import {module}")


def test_a_ledger_in_a_file_needs_no_other_databases_dialect(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    opened = f"from payer.ledger import Ledger; Ledger.open({url!r}).close()"
    loaded_by(opened)  # a new one is made by migrations, which know every dialect
    code = f"{opened}; import sys; assert 'sqlalchemy.dialects.postgresql' not in sys.modules"
    assert "sqlalchemy" in loaded_by(code)


def test_a_run_at_a_prompt_never_imports_prefect_nor_pandas(tollbook: Command) -> None:
    env = {**tollbook.env}
    code = (
        f"import os, sys; os.environ.update({env!r}); sys.argv[1:] = ['run', 'grades', '--json']\n"
        "from tests import blank_file\nfrom tollbook.cli.main import main\nblank_file.use()\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
    )
    loaded = loaded_by(code)
    assert loaded.isdisjoint({"prefect", "pandas"})
    assert "pyarrow" in loaded


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_speaks_json(bare: Command, verb: str) -> None:
    said = bare(verb, "--help")
    assert said.code == 0
    assert "--json" in said.out


NEEDED_BY_FEW = {
    "cli/init/world.py": "the sandbox, an extra that takes a second to import, where one is asked for",
    "reading/file.py": "buckets, where data lies in one: `import tollbook` loads none of our other packages",
}
"""Modules outside the verbs that import our own code late, and what it is."""


def test_only_verbs_import_our_own_modules_inside_functions() -> None:
    """A verb imports what it needs when it runs, so that help stays fast; everything else imports at the top."""
    late = set()
    for path in sorted((ROOT / "tollbook").rglob("*.py")):
        functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, FUNCTIONS)]
        inner = [node for function in functions for node in ast.walk(function) if isinstance(node, ast.ImportFrom)]
        if any((node.module or "").split(".")[0] in PACKAGES for node in inner):
            late.add(path.relative_to(ROOT / "tollbook"))
    elsewhere = {str(path) for path in late if path.parts[:2] != ("cli", "verbs")}
    assert elsewhere == {"cli/main.py", *NEEDED_BY_FEW}


def test_no_arguments_show_the_help(bare: Command) -> None:
    assert bare().out == bare("--help").out


def test_the_version_is_the_packages(bare: Command) -> None:
    assert bare("--version").out.startswith("tollbook ")
