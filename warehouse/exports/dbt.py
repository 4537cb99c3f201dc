"""Export the published tables as a dbt source file: `python -m warehouse.exports.dbt`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from sources.registry import dataset
from warehouse.cache.tables import Table, declared_tables
from warehouse.publish.views import row_versions

_HEAD = """version: 2

sources:
  - name: tollbook
    database: warehouse
    schema: main
    tables:
"""

_COSTS_AND_QUALITY = (
    ("costs", "One row per purchase: what, why, for how much, in which transaction.", ("purchase_id",)),
    ("avoided", "One row per call not made because the cache had it, with its price then.", ("seq",)),
    ("loads", "One row per body loaded.", ("purchase_id",)),
    ("cost_by_flow", "What each flow spent and saved, by asset.", ("flow", "network", "asset")),
    ("cost_by_day", "What was spent on each day, by asset.", ("day", "network", "asset")),
    ("cost_by_month", "What was spent in each month, by asset.", ("month", "network", "asset")),
    ("cost_by_dataset", "What each dataset cost, by asset.", ("dataset", "network", "asset")),
    ("cost_per_new_row", "What a new row of each dataset cost, by asset.", ("dataset", "network", "asset")),
    ("open_purchases", "Purchases that are unfinished, or have no data.", ("purchase_id",)),
    ("quality_summary", "One row per dataset ever bought: how fresh and how whole.", ("dataset",)),
    ("quality_freshness", "How fresh each dataset is, against its schedule.", ("dataset",)),
    ("quality_keys", "How fresh each key of a dataset is.", ("dataset", "key")),
    ("quality_gaps", "Slots without a row: never asked for, or not delivered.", ("dataset", "key", "first_slot")),
    ("quality_confirmed_empty", "Slots that are confirmed to have no row.", ("dataset", "key", "first_slot")),
    (
        "quality_restatements",
        "Values that changed after their row had settled.",
        ("table_name", "row_key", "column_name", "seen_at"),
    ),
    ("quality_duplicates", "Rows bought again that said nothing new.", ("dataset",)),
    ("quality_quarantined", "Rows that could not be read, by reason.", ("dataset", "reason")),
    ("quality_drift", "Columns that came, went or changed.", ("dataset", "column", "change")),
    ("publication", "What the published file shows, and since when.", ("ledger_seq",)),
)
"""Tables and views on costs and quality: name, description, and the columns that identify a row."""


def write_sources(out: TextIO) -> None:
    """Write dbt sources, version 2: every table, its versions, costs and quality, each with its grain as a uniqueness
    test."""
    out.write(_HEAD)
    for table in declared_tables().values():
        datasets, key = ", ".join(table.datasets), table.natural_key
        current = row_versions.current_fields(table)
        out.writelines(_head(table.name, f"Current row per {', '.join(key)}; bought as {datasets}.", key))
        out.writelines(_columns(table, current))
        versions = f"Every version of {table.name} with the time for which it was current: as of is a WHERE clause."
        out.writelines(_head(row_versions.name_of(table), versions, (*key, "valid_from", "seq")))
        out.writelines(_columns(table, row_versions.version_fields(table)))
        observations = f"Every version of {table.name} as it arrived."
        out.writelines(_head(table.observations, observations, (*key, "observed_at", "seq")))
        out.writelines(_columns(table, current))
    for name, description, key in _COSTS_AND_QUALITY:
        out.writelines(_head(name, description, key))
        out.write("        columns:\n")
        for column in key:
            out.write(f'          - name: "{column}"\n            quote: true\n            data_tests: [not_null]\n')


def _head(name: str, description: str, key: Sequence[str]) -> list[str]:
    """A table's head, with the test that no two rows share a key. A key of several columns is compared as a struct."""
    values = ", ".join(f'"{column}"' for column in key)
    return [
        f"      - name: {name}\n",
        f"        description: {_quoted(description)}\n",
        "        data_tests:\n",
        f"          - unique:\n              arguments:\n                column_name: {_quoted(f'row({values})')}\n",
    ]


_DERIVED = {
    "is_final": "true once the row no longer changes by the dataset's settling rule",
    "public_at": "when the row was public: its slot's end and the publishing delay, or when it arrived",
    "value_at": "the time that the values are of",
    "valid_from": "since when this version was the current one, UTC",
    "valid_to": "until before when it was, UTC; null for the current one",
}


def _columns(table: Table, fields: row_versions.Fields) -> list[str]:
    docs = {column.name: column.doc for name in table.datasets for column in dataset(name).columns} | _DERIVED
    lines = ["        columns:\n"]
    for name, kind in fields:
        lines += [f'          - name: "{name}"\n', "            quote: true\n", f"            data_type: {kind}\n"]
        if docs.get(name):
            lines.append(f"            description: {_quoted(docs[name])}\n")
        if name in table.natural_key:
            lines.append("            data_tests: [not_null]\n")
    return lines


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


if __name__ == "__main__":
    write_sources(sys.stdout)
