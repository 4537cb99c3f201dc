"""A plugin for pytest: what was collected is run at each of several moments, by a fork whose clock says so.

`MOMENTS` names a folder with a file for each; its content is the moment, in seconds since 1970. The fork's output takes
its place, and its exit code comes first. Collecting and importing is done once, which takes longer than the tests.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import duckdb  # noqa: F401  # this and the next are what tests import, here once for all forks
import pandas  # noqa: F401
import pyarrow.parquet  # noqa: F401
import pytest

import sandbox.world  # noqa: F401

MOMENTS = "TESTS_AT_MOMENTS"


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> bool | None:
    """In a fork let pytest go on; in the process that forks nothing is run."""
    for path in sorted(Path(os.environ[MOMENTS]).iterdir()):
        moment = float(path.read_text())
        child = os.fork()
        if child == 0:
            os.environ["FAKETIME"] = f"{moment - time.time():+.0f}"
            output = os.open(path, os.O_WRONLY | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            return None
        _, status = os.waitpid(child, 0)
        path.write_text(f"{os.waitstatus_to_exitcode(status)}\n{path.read_text()}")
    return True
