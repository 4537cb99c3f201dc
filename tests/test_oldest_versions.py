"""The oldest DuckDB and Prefect that pyproject.toml allows: a share of the suites runs on them, in `make test
LOCK=oldest` all of them do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib

import pytest

from tests import blank_file
from tests.paths import OLDEST, ROOT

PUBLISH = "tests/warehouse/publish/test_publish.py"
SCHEDULE = "tests/flows/test_schedule.py"
SUITES = (
    "tests/warehouse/cache/test_store.py::test_times_are_utc_and_the_file_is_readable_by_older_releases",
    "tests/warehouse/cache/test_store.py::test_a_rebuilt_file_takes_its_place_without_a_log",
    "tests/warehouse/load/test_load.py",
    f"{PUBLISH}::test_what_was_bought_is_published_with_its_price",
    f"{PUBLISH}::test_a_restated_row_is_current_once_and_kept_in_every_version",
    "tests/warehouse/snapshots/test_layout.py",
    f"{SCHEDULE}::test_deploying_gives_every_schedule_of_the_file_its_slug",
    f"{SCHEDULE}::test_every_schedule_creates_runs_at_its_own_times",
    "tests/flows/test_ingest.py::test_the_bill_comes_before_the_first_payment",
    "-k",
    "not kill and not processes",
)


def oldest_allowed() -> dict[str, str]:
    """The lower bound of each dependency whose range has both ends tested."""
    wanted = re.compile(r"(duckdb|prefect)>=([0-9.]+),<")
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return dict(match.groups() for requirement in stated if (match := wanted.match(requirement)))


@pytest.fixture(scope="module")
def versions() -> dict[str, str]:
    """The versions installed there."""
    if not OLDEST.exists():
        pytest.skip("no older versions to test on: `make .venv-oldest/oldest.stamp` sets them up where they can be had")
    ask = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    asked = oldest_allowed()
    done = subprocess.run([OLDEST, "-c", ask, *asked], capture_output=True, text=True, timeout=60, check=True)
    return dict(zip(asked, done.stdout.split(), strict=True))


def test_they_are_the_lower_bounds(versions: dict[str, str]) -> None:
    assert versions == oldest_allowed()


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("versions")
def test_a_share_of_the_suites_passes_on_them() -> None:
    """In one process: collecting and a world are made once."""
    if sys.prefix == str(OLDEST.parents[1]):
        pytest.skip("everything runs on them")
    command = [OLDEST, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITES]
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    env.pop(blank_file.FOLDER, None)  # those files are of the newest DuckDB
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=590)
    assert done.returncode == 0, done.stdout + done.stderr
