"""Processes of the proof: workers that run flows one after the other, and readers of what is published."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests import blank_file


def work(env: Mapping[str, str], commands: Sequence[Sequence[str]], stop: str, log: str) -> None:
    """Run commands of `tollbook` in turn until the file `stop` is there, one at least; a line in `log` for each: exit
    code, words, and the end of what it said."""
    from tollbook.cli.main import run as tollbook

    blank_file.use()
    os.environ.update(env)
    turn = 0
    while not turn or not Path(stop).exists():
        words = list(commands[turn % len(commands)])
        turn += 1
        out = Path(f"{log}.out")
        with out.open("w") as said, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = tollbook([*words, "--json"])
        with open(log, "a") as lines:
            lines.write(json.dumps([code, words, out.read_text()[-1500:]]) + "\n")
        if code not in (0, 3):
            time.sleep(0.3)


def read(env: Mapping[str, str], place: str, stop: str, log: str, seed: int, pause: float) -> None:
    """Read the published file or address as an analyst does, each time by a new connection, until the file `stop` is
    there, with up to `pause` seconds between."""
    import tollbook
    from tollbook_bucket.fetch import OldCopy

    os.environ.update(env)
    dice, most, count, old = random.Random(seed), 0, 0, 0
    errors: list[str] = []
    while not Path(stop).exists():
        time.sleep(dice.uniform(0.3, 1.0) * pause)
        try:
            with warnings.catch_warnings(record=True) as warned, _opened(place, tollbook.connect) as con:
                con.execute("SET enable_progress_bar = false")
                [(rows, keys)] = con.execute(
                    "SELECT count(*), count(DISTINCT (token_id, date)) FROM signals"
                ).fetchall()
                [(loads, purchases)] = con.execute("SELECT count(*), count(DISTINCT purchase_id) FROM loads").fetchall()
            old += any(issubclass(each.category, OldCopy) for each in warned)
            if rows != keys or loads != purchases:
                errors.append(f"{rows} rows of {keys} keys, {loads} loads of {purchases} purchases")
            if loads < most:
                errors.append(f"{loads} loads after {most}")
            most = max(most, loads)
        except Exception as error:  # noqa: BLE001  # whatever a reader sees is told
            errors.append(f"{type(error).__name__}: {error}")
        count += 1
    Path(log).write_text(json.dumps({"reads": count, "waits": old, "errors": errors}))
    sys.exit(1 if errors else 0)


def _opened(place: str, connect: Callable[[str], Any]) -> Any:
    import duckdb

    return connect(place) if "://" in place else duckdb.connect(place, read_only=True)
