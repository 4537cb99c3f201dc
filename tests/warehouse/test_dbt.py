"""The dbt source file, from the catalogue."""

from __future__ import annotations

import io

from tollbook.warehouse import catalogue
from tollbook.warehouse.dbt import write_sources


def test_the_file_names_every_table_and_column() -> None:
    import yaml

    out = io.StringIO()
    write_sources(out)
    [source] = yaml.safe_load(out.getvalue())["sources"]
    found = {table["name"]: {column["name"] for column in table["columns"]} for table in source["tables"]}
    assert found == {own.name: {name for name, _ in own.fields} for own in catalogue.tables()}
