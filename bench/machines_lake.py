"""The commit of a page's rows to a lake against DuckDB's own insert of the same rows into it.

It runs on the DuckDB that has the extensions (`make .venv-oldest/oldest.stamp`); the catalog is on a PostgreSQL of its
own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.rows import Row
from tests.cluster.servers import Postgres
from tests.paths import ROOT

PYTHON = ROOT / ".venv-oldest" / "bin" / "python"
HISTORY = int(os.environ.get("TOLLBOOK_BENCH_LAKE_ROWS", "1000000"))
_INSTALL = "import duckdb, sys\nfor path in sys.argv[1:]: duckdb.execute(f\"INSTALL '{path}'\")"


def rows() -> Iterator[Row]:
    """Processor time and wall clock of one commit."""
    label = f"lake commit of a page's 100 rows, beside {HISTORY:,}"
    if not PYTHON.exists():
        yield Row(label, "not measured", "", note="`make .venv-oldest/oldest.stamp` fetches the DuckDB for it")
        return
    with Postgres() as postgres, tempfile.TemporaryDirectory() as folder:
        found = _compare(Path(folder), postgres.url())
    assert found["differs"] == [], found["differs"]
    (mine, my_wall), (theirs, their_wall) = (_figures(found[side]) for side in ("ours", "theirs"))
    yield Row(
        label,
        f"{mine * 1000:.0f} ms of a processor",
        f"plain insert of the same rows {theirs * 1000:.0f} ms",
        mine / theirs,
        1.5,
        f"median wall clock {my_wall * 1000:.0f} and {their_wall * 1000:.0f} ms: {my_wall / their_wall:.2f}",
    )


def _figures(turns: list[list[float]]) -> tuple[float, float]:
    """The quickest turn's processor time, and the median turn's wall clock."""
    return min(cpu for cpu, _ in turns), statistics.median(wall for _, wall in turns)


def _compare(folder: Path, catalog: str) -> Any:
    wheels = sorted((PYTHON.parents[1] / "lib").rglob("*.duckdb_extension"))
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    subprocess.run([PYTHON, "-c", _INSTALL, *wheels], env=env, check=True)
    env |= {"TOLLBOOK_LAKE": catalog, "TOLLBOOK_LAKE_DATA": str(folder / "lake")}
    command: list[str | Path] = [PYTHON, "-m", "bench.machines_lake_child", folder, str(HISTORY)]
    return json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout)
