"""Analysts read lake and published file with three libraries while both change: one publication or the next (I7)."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path

from tests.paths import OLDEST, ROOT
from tests.warehouse.lake.conftest import new_catalog

READERS = Path(__file__).parent / "readers.py"


def test_an_analyst_in_another_process_sees_whole_publications_with_each_library(
    lake_home: Path, postgres: str, tmp_path: Path
) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(lake_home),
        "PYTHONPATH": str(ROOT),
        "TOLLBOOK_LAKE": new_catalog(postgres),
        "TOLLBOOK_LAKE_DATA": str(tmp_path / "lake"),
    }
    command = [str(OLDEST), str(READERS)]
    libraries = sysconfig.get_path("purelib")
    with subprocess.Popen([*command, "write", tmp_path], env=env, stdout=subprocess.PIPE, text=True) as writer:
        looked = subprocess.run(
            [*command, "read", tmp_path, libraries], env=env, capture_output=True, text=True, timeout=300
        )
        (tmp_path / "read-last").touch()
        assert looked.returncode == 0, looked.stderr
        assert json.loads(writer.communicate(timeout=120)[0]) == {"turns": 4}
    said = json.loads(looked.stdout)
    assert set(said["looks"]) == {f"{at} {by}" for at in ("lake", "published") for by in ("duckdb", "pandas", "polars")}
    assert len(said["seen"]) > 1, "it changed while they looked"
