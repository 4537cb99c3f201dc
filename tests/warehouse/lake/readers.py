"""A lake and its published file that change, and an analyst at both with DuckDB, pandas and polars: `readers.py
write|read FOLDER`, each a process of its own, by the DuckDB that has the extensions.

Each publication gives every row a new grade and load, so a reader who saw half of one would see two.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from tests.warehouse.lake.child import TRUSTED, publish, without_pandas
from warehouse.lake.connect import extensions, opened, read_address
from warehouse.lake.sync import sync, verify

TURNS, TOKENS = 4, 5
Connection = duckdb.DuckDBPyConnection

LIBRARIES: dict[str, Callable[[duckdb.DuckDBPyRelation], list[tuple[Any, ...]]]] = {
    "duckdb": lambda found: found.fetchall(),
    "pandas": lambda found: list(found.df().itertuples(index=False, name=None)),
    "polars": lambda found: list(found.pl().iter_rows()),
}

QUERY = """
SELECT g.token_id, g.seq, v.seq, p.ledger_seq, (SELECT max(tx_hash[3:]::BIGINT) FROM {at}.costs)
FROM {at}.grades g JOIN {at}.grades_versions v USING (token_id), {at}.publication p
"""


def write(folder: Path) -> dict[str, Any]:
    """Publish as the publisher does, a new file in the place of the old one, and write the lake each time."""
    draft, public = folder / "draft.duckdb", folder / "warehouse.duckdb"
    without_pandas()
    address = read_address(os.environ)
    for turn in range(1, TURNS + 1):
        publish(draft, tuple((token, "2026-11-01", 50.0 + turn, turn) for token in range(TOKENS)))
        draft.replace(public)
        with opened(address, public, os.environ) as con:
            sync(con, address)
            (folder / "begun").touch()
            differs = verify(con)
        assert differs == [], differs
        until = time.monotonic() + 60
        seen = len(list(folder.glob("read-*")))
        while len(list(folder.glob("read-*"))) == seen and time.monotonic() < until:
            time.sleep(0.02)
    (folder / "over").touch()
    return {"turns": TURNS}


def read(folder: Path) -> dict[str, Any]:
    """Look at both until the writer is done: looks by place and library, and the publications that were seen."""
    while not (folder / "begun").exists():
        time.sleep(0.02)
    address, looks, seen, number = read_address(os.environ), Counter[str](), set[int](), 0
    with duckdb.connect() as lake:
        for name in extensions(address):
            lake.load_extension(name)
        lake.execute(f"ATTACH 'ducklake:postgres:{address.catalog}' AS lake (READ_ONLY)")
        while not (folder / "over").exists():
            for library, rows_of in LIBRARIES.items():
                seen.add(_one_publication(rows_of(lake.sql(QUERY.format(at="lake")))))
                with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as con:
                    seen.add(_one_publication(rows_of(con.sql(QUERY.format(at="warehouse.main")))))
                looks.update([f"lake {library}", f"published {library}"])
            number += 1
            (folder / f"read-{number}").touch()
    return {"looks": looks, "seen": sorted(seen)}


def _one_publication(rows: list[tuple[Any, ...]]) -> int:
    """The number of the publication that all rows are of."""
    assert len(rows) == TOKENS, rows
    numbers = {int(number) for _, *found in rows for number in found}
    assert len(numbers) == 1, rows
    return numbers.pop()


if __name__ == "__main__":
    work, where, *more = sys.argv[1:]
    sys.path += more  # pandas and polars stand beside another DuckDB, which must not come first
    duckdb.connect = partial(duckdb.connect, config=TRUSTED)
    print(json.dumps({"write": write, "read": read}[work](Path(where))))
