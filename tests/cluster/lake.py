"""The lake of the proof: its catalog on the cluster's PostgreSQL, its files on the cluster's S3 server.

Run with the DuckDB that has a lake's extensions (`environment`): `python -m tests.cluster.lake compare PUBLISHED`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.paths import OLDEST, ROOT

DATA = "s3://cluster/lake"
AWAY_SECONDS = 90.0
"""Catalog or store may be away for so long before a reader calls it an error."""


def environment(home: Path) -> dict[str, str] | None:
    """Variables for a process that writes or reads the lake: extensions in `home`, and their DuckDB before the other.

    None where `make .venv-oldest/oldest.stamp` could not set it up.
    """
    if not OLDEST.exists():
        return None
    packages, own = next((OLDEST.parents[1] / "lib").glob("python*/site-packages")), home / "packages"
    own.mkdir(parents=True)
    # Of the oldest versions only DuckDB: the rest is the newest, as in the other runs.
    for part in (*packages.glob("duckdb-1*"), *packages.glob("_duckdb.*"), packages / "duckdb"):
        (own / part.name).symlink_to(part)
    install = "import duckdb, sys\nfor path in sys.argv[1:]: duckdb.execute(f\"INSTALL '{path}'\")"
    wheels = sorted(packages.rglob("*.duckdb_extension"))
    subprocess.run([OLDEST, "-c", install, *wheels], env={"HOME": str(home)}, check=True, timeout=120)
    return {"HOME": str(home), "PYTHONPATH": f"{own}{os.pathsep}{ROOT}"}


def tollbook_lake(env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `tollbook lake` to its end."""
    return _run([str(Path(sys.executable).parent / "tollbook"), "lake", "--json"], env)


def compared(env: Mapping[str, str], published: Path) -> subprocess.CompletedProcess[str]:
    """Run `compare` in a process that has the extensions."""
    return _run([sys.executable, "-m", "tests.cluster.lake", "compare", str(published)], env)


def _run(command: list[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={**os.environ, **env}, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


def compare(published: Path) -> dict[str, list[int]]:
    """Count the rows of each table and those that one side has and the other lacks, with duplicates; "snapshots" counts
    the lake's."""
    from warehouse.lake.connect import opened, read_address
    from warehouse.lake.tables import published_tables, read_states

    found: dict[str, list[int]] = {}
    with opened(read_address(os.environ), published, os.environ) as con:
        written = read_states(con)
        for table in published_tables(con):
            [(rows,)] = con.execute(f"SELECT count(*) FROM {table.rows}").fetchall()
            if not rows and table.name not in written:
                continue
            query = "SELECT count(*) FROM (SELECT * FROM {} EXCEPT ALL SELECT * FROM {})"
            [(missing,)] = con.execute(query.format(table.rows, f"{table.target} p")).fetchall()
            [(more,)] = con.execute(query.format(f"{table.target} p", table.rows)).fetchall()
            found[table.name] = [rows, missing, more]
        [(snapshots,)] = con.execute("SELECT count(*) FROM ducklake_snapshots('lake')").fetchall()
        found["snapshots"] = [snapshots, 0, 0]
    return found


def read(stop: Path, log: Path, seed: int, pause: float) -> None:
    """Read the lake as another team does, each time by a new connection, until the file `stop` is there."""
    import duckdb

    dice, reads, waits, seen = random.Random(seed), 0, 0, 0
    errors: list[str] = []
    reasons: list[str] = []
    away_since: float | None = None
    while not stop.exists():
        time.sleep(dice.uniform(1.0, 3.0) * pause)
        try:
            with duckdb.connect() as con, _transaction(con):
                [(seq,)] = con.execute("SELECT ledger_seq FROM lake.publication").fetchall()
                [(rows, keys, newest)] = con.execute(
                    "SELECT count(*), count(DISTINCT (token_id, date)), coalesce(max(seq), 0) FROM lake.signals"
                ).fetchall()
                [(costs, purchases)] = con.execute(
                    "SELECT count(*), count(DISTINCT purchase_id) FROM lake.costs"
                ).fetchall()
        except duckdb.Error as error:
            waits += 1
            reasons.append(str(error).splitlines()[0][:160])
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > AWAY_SECONDS:
                errors.append(f"away for {AWAY_SECONDS:.0f} s: {error}")
                away_since = None
            continue
        reads, away_since = reads + 1, None
        if rows != keys or costs != purchases or newest > seq or seq < seen:
            told = f"{rows} rows of {keys} keys, {costs} costs of {purchases}"
            errors.append(f"{told}, newest row {newest} at {seq}, after {seen}")
        seen = seq
    log.write_text(json.dumps({"reads": reads, "waits": waits, "reasons": sorted(set(reasons)), "errors": errors}))


@contextmanager
def _transaction(con: Any) -> Iterator[None]:
    """One state of the lake. It is ended whatever happens: DuckDB 1.5 aborts its process when a connection is closed
    within one while the catalog is away."""
    import duckdb

    _attach(con)
    con.execute("BEGIN TRANSACTION")
    try:
        yield
    finally:
        with suppress(duckdb.Error):
            con.execute("ROLLBACK")


def _attach(con: Any) -> None:
    """Attach the lake as its page in the documentation says, without anything of ours."""
    con.execute("SET enable_progress_bar = false")
    for name in ("ducklake", "postgres", "httpfs"):
        con.load_extension(name)
    host = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    where = f"REGION 'us-east-1', ENDPOINT '{host}', URL_STYLE 'path', USE_SSL false"
    con.execute(f"CREATE SECRET (TYPE s3, KEY_ID '{key}', SECRET '{secret}', {where})")
    con.execute(f"ATTACH 'ducklake:postgres:{os.environ['TOLLBOOK_LAKE']}' AS lake (READ_ONLY)")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["compare", published]:
            print(json.dumps(compare(Path(published))))
        case ["read", stop, log, seed, pause]:
            read(Path(stop), Path(log), int(seed), float(pause))
