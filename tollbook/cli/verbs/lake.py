"""`tollbook lake`: write what is published to a DuckLake catalog, for other engines and teams."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output


def lake(
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Compare every row of the lake with what is published.")
    ] = False,
    tidy: Annotated[
        bool, typer.Option("--tidy", help="Merge small files, end snapshots older than 30 days and files nobody needs.")
    ] = False,
    install: Annotated[
        bool, typer.Option("--install", help="Install DuckDB's extensions ducklake, postgres and httpfs, and stop.")
    ] = False,
    as_json: options.Json = False,
) -> int:
    """Write what is published to the lake that TOLLBOOK_LAKE names: only what has changed, in one transaction."""
    from tasks.lake.write_lake import LakeTrouble, install_extensions, write_lake
    from tollbook.cli.workspace import in_workspace

    output = Output(as_json=as_json)
    if install:
        names = install_extensions()
        output.document({"installed": list(names)})
        output.line(f"installed from DuckDB's own server: {', '.join(names)}")
        return 0
    done = in_workspace(partial(write_lake, thorough=thorough, tidy=tidy))
    output.document(
        {
            "lake": done.address,
            "snapshot": done.synced.snapshot,
            "tables": done.synced.tables,
            "changes": [asdict(change) for change in done.synced.changes],
            "differs": None if done.differs is None else list(done.differs),
            "tidied": None if done.tidied is None else asdict(done.tidied),
        }
    )
    output.line(f"{done.address}: {done.text}")
    for change in done.synced.changes:
        output.line(
            f"  {change.name:<32} {change.rows} rows: {change.removed} replaced or ended, {change.added} written"
        )
    if done.tidied is not None:
        tidied = done.tidied
        output.line(
            f"  tidied      {tidied.files_before} files before, {tidied.files_after} after; "
            f"{tidied.snapshots} snapshots ended"
        )
    for name in done.differs or ():
        output.line(f"  differs     {name}", style="red")
    return LakeTrouble.exit_code if done.differs else 0
