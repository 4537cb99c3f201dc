"""`tollbook columns`: explain what is published."""

from __future__ import annotations

from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output


def columns(
    table: Annotated[
        str | None, typer.Argument(metavar="TABLE", help="A table or view; without it, all are listed.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Explain every column of a published table: meaning, unit, the time it is of, source. Needs no key, no network."""
    from tasks.request.model import BadRequest
    from warehouse.exports.dictionary import NoSuchTable, describe_table, list_tables

    output = Output(as_json=as_json)
    if table is None:
        tables = list_tables()
        output.document(tables)
        output.table(("table", "meaning"), [(each["table"], each["meaning"]) for each in tables])
        return
    try:
        found = describe_table(table)
    except NoSuchTable as error:
        near = f"did you mean {' or '.join(error.similar)}?" if error.similar else "`tollbook columns` lists them all"
        raise BadRequest(str(error), advice=near) from None
    output.document(found)
    output.line(f"{found['table']}: {found['meaning']}", hang=2)
    output.line(f"  one row per {', '.join(found['key'])}" if found["key"] else "  rows have no key")
    output.line()
    shown = ("column", "type", "unit", "time_basis", "source", "meaning")
    rows = [tuple(each[name] for name in shown) for each in found["columns"]]
    headings = ("column", "type", "unit", "time", "source", "meaning")
    output.table(headings, rows, optional=("source", "time", "type"))
