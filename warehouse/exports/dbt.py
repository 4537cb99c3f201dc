"""Export the published tables as a dbt source file: `python -m warehouse.exports.dbt`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TextIO

from warehouse.dictionary import find
from warehouse.dictionary.entry import TableEntry
from warehouse.exports.dictionary import published_columns

_HEAD = """version: 2

sources:
  - name: tollbook
    database: warehouse
    schema: main
    tables:
"""


def write_sources(out: TextIO) -> None:
    """Write dbt sources, version 2: every published table and view, described by the dictionary, each with its grain as
    a uniqueness test."""
    out.write(_HEAD)
    for name, columns in published_columns().items():
        entry = find.table(name) or TableEntry("", ())
        out.writelines(_head(name, entry))
        out.write("        columns:\n")
        for column, kind in columns:
            out.writelines(_column(name, entry, column, kind))


def _head(name: str, entry: TableEntry) -> Iterator[str]:
    """A table's head, with the test that no two rows share a key. A key of several columns is compared as a struct."""
    yield f"      - name: {name}\n"
    yield f"        description: {_quoted(entry.comment)}\n"
    if entry.key:
        values = ", ".join(f'"{column}"' for column in entry.key)
        test = (
            f"          - unique:\n              arguments:\n                column_name: {_quoted(f'row({values})')}\n"
        )
        yield f"        data_tests:\n{test}"


def _column(table: str, entry: TableEntry, name: str, kind: str) -> Iterator[str]:
    yield f'          - name: "{name}"\n'
    yield "            quote: true\n"
    yield f"            data_type: {kind}\n"
    if described := find.column(table, name):
        yield f"            description: {_quoted(described.comment)}\n"
    if name in entry.key and name not in entry.nullable:
        yield "            data_tests: [not_null]\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


if __name__ == "__main__":
    write_sources(sys.stdout)
