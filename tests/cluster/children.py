"""Processes of the proof: workers that run flows one after the other, and readers of what is published."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def work(env: Mapping[str, str], commands: Sequence[Sequence[str]], stop: str, log: str) -> None:
    """Run commands of `tollbook` in turn until the file `stop` is there, one at least; a line in `log` for each: exit
    code, words, and the end of what it said."""
    from tollbook.cli.main import run as tollbook

    os.environ.update(env)
    turn = 0
    while not turn or not Path(stop).exists():
        words = list(commands[turn % len(commands)])
        turn += 1
        out = Path(f"{log}.out")
        with out.open("w") as said, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = _flow(words[1]) if words[0] == "flow" else tollbook([*words, "--json"])
        with open(log, "a") as lines:
            lines.write(json.dumps([code, words, out.read_text()[-1500:]]) + "\n")
        if code not in (0, 3):
            time.sleep(0.3)


def _flow(name: str) -> int:
    """Run a flow as a run of the Prefect server that PREFECT_API_URL names; 0, or 4 for one that failed."""
    from prefect.flows import load_flow_from_entrypoint

    flow: Any = load_flow_from_entrypoint(f"flows.{name}.{name}")
    try:
        asyncio.run(flow.with_options(retries=0)())
    except Exception as error:  # noqa: BLE001  # whatever Prefect makes of it is told
        print(f"{type(error).__name__}: {error}")
        return 4
    return 0


def read(path: str, stop: str, log: str, seed: int) -> None:
    """Read the published file as an analyst does, each time by a new connection, until the file `stop` is there."""
    import duckdb

    dice, most = random.Random(seed), 0
    count, errors = 0, []
    while not Path(stop).exists():
        time.sleep(dice.uniform(0.3, 1.0))
        if not Path(path).exists():
            continue
        try:
            with duckdb.connect(path, read_only=True) as con:
                [(rows, keys)] = con.execute(
                    "SELECT count(*), count(DISTINCT (token_id, date)) FROM signals"
                ).fetchall()
                [(loads, purchases)] = con.execute("SELECT count(*), count(DISTINCT purchase_id) FROM loads").fetchall()
            if rows != keys or loads != purchases:
                errors.append(f"{rows} rows of {keys} keys, {loads} loads of {purchases} purchases")
            if loads < most:
                errors.append(f"{loads} loads after {most}")
            most = max(most, loads)
        except Exception as error:  # noqa: BLE001  # whatever a reader sees is told
            errors.append(f"{type(error).__name__}: {error}")
        count += 1
    with open(log, "a") as lines:
        lines.write(json.dumps({"reads": count, "errors": errors}) + "\n")
    sys.exit(1 if errors else 0)
