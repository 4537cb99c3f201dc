"""`python -m tollbook.warehouse.dbt`: a dbt source file of the published tables, from the catalogue."""

from __future__ import annotations

import sys
from typing import TextIO

from tollbook.sources.registry import dataset
from tollbook.warehouse import catalogue
from tollbook.warehouse.schema import Table


def write_sources(out: TextIO) -> None:
    """dbt's sources, version 2: each table with its grain, and a uniqueness hint on its columns."""
    out.write("version: 2\n\nsources:\n  - name: tollbook\n    schema: main\n    tables:\n")
    for own in catalogue.tables():
        out.writelines(_table(own))


def _table(own: Table) -> list[str]:
    sold_as = ", ".join(own.datasets)
    lines = [
        f"      - name: {own.name}\n",
        f'        description: "Current row per {", ".join(own.natural_key)}; bought as {sold_as}."\n',
        "        columns:\n",
    ]
    docs = {column.name: column.doc for name in own.datasets for column in dataset(name).columns}
    for name, kind in own.fields:
        lines += [f'          - name: "{name}"\n', f"            data_type: {kind}\n"]
        if docs.get(name):
            lines.append(f"            description: {_quoted(docs[name])}\n")
        if name in own.natural_key:
            lines.append("            data_tests: [not_null]\n")
    return lines


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


if __name__ == "__main__":
    write_sources(sys.stdout)
