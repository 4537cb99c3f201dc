"""A declaration to begin with, from one request and, where there is one, a sample of its answer. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sources.declaration.write import value_text

_HEAD = """\
# What {name} sells (docs/sources.md). Before anything is paid: `tollbook probe {name}-data --answer FILE`.
{headers}
[datasets.{name}-data]
table = "{name}_data"
kind = "snapshot"              # "series" for dated rows that can be bought later
{method}path = {path}
{params}{body}grain = "day"                  # how often it is bought at most
undated = true                 # rows carry no date of their own
natural_key = ["row", "as_of"] # what makes a row unique
time_column = "as_of"
rows_per_cell = "any"
rows_path = ["data"]           # names that lead to the list of rows
max_price = "{price}"
doc = ""

[datasets.{name}-data.columns] # every column: cast, and the seller's names for it
row = {{ cast = "text", names = ["id"] }}
as_of = {{ cast = "date", names = [], doc = "UTC day on which the row was observed" }}
"""


def sketch(
    name: str,
    method: str,
    path: str,
    params: Sequence[tuple[str, str]],
    body: str,
    headers: Mapping[str, str],
    price: str,
) -> str:
    """The TOML text of a seller with one dataset that asks for exactly this request; valid, and to be completed."""
    fixed = {key: value for key, value in headers.items() if key != "content-type"}
    return _HEAD.format(
        name=re.sub(r"[^a-z0-9]", "", name.lower()) or "seller",
        headers=f"headers = {value_text(fixed)}\n" if fixed else "",
        method="" if method == "GET" else f"method = {value_text(method)}\n",
        path=value_text(path),
        params=f"params = {value_text(dict(params))}\n" if params else "",
        body=f"body = {value_text(_object(body))}\n" if body else "",
        price=price,
    )


def _object(body: str) -> Any:
    try:
        found = json.loads(body)
    except ValueError:
        return body
    return json.dumps(found)
