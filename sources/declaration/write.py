"""Write declarations as TOML: that of a seller, and one to begin with. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import date
from typing import Any

from sources.model import DAY, EXTRAS, HOUR, WEEK, Column, Dataset, Feed, Seller

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SPANS = frozenset({"grain", "settle", "patience", "publishing_delay"})
_PARTS = ("window", "packing", "paging", "since")


def write_declaration(seller: Seller, feeds: Sequence[Feed] = ()) -> str:
    """The TOML text that `parse_declaration` reads as this seller and these feeds."""
    lines = [
        f"{name} = {value_text(value)}"
        for name, value in _changed(seller)
        if value and name not in ("name", "datasets")
    ]
    for dataset in seller.datasets:
        lines += ["", *_dataset(dataset)]
    for feed in feeds:
        lines += ["", f"[feeds.{_key(feed.name)}]", f"datasets = {value_text(feed.datasets)}"]
        lines += ["repairs = true"] if feed.repairs else []
    return "\n".join(lines) + "\n"


def _dataset(dataset: Dataset) -> Iterator[str]:
    yield f"[datasets.{_key(dataset.name)}]"
    for name, value in _changed(dataset):
        if name in ("name", "seller", "columns"):
            continue
        if name in _SPANS:
            value = _span(value)
        elif name in _PARTS:
            value = dict(_changed(value))
        elif name == "rows_per_cell":
            value = "any" if value is None else value
        elif isinstance(value, Mapping) and _has_null(value):
            value = json.dumps(value)
        yield f"{name} = {value_text(value)}"
    yield ""
    yield f"[datasets.{_key(dataset.name)}.columns]"
    for column in dataset.columns:
        if column.name == EXTRAS.name and column.names:
            yield f"{EXTRAS.name} = {value_text({'names': column.names})}"
        elif column.name != EXTRAS.name:
            yield f"{_key(column.name)} = {value_text(_column(column))}"


def _column(column: Column) -> dict[str, Any]:
    parts = {name: value for name, value in _changed(column) if name != "name"}
    if column.names == (column.name,) or column.from_request:
        parts.pop("names", None)
    elif not column.names:
        parts["names"] = ()
    return parts


def _changed(part: Any) -> Iterator[tuple[str, Any]]:
    """Fields that are not at their defaults."""
    for field in fields(part):
        value = getattr(part, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if value != default:
            yield field.name, value


def _has_null(value: Any) -> bool:
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return value is None or any(map(_has_null, parts))


def _span(seconds: int) -> int | str:
    for size, word in ((WEEK, "week"), (DAY, "day"), (HOUR, "hour")):
        if seconds and seconds % size == 0:
            count = seconds // size
            return word if count == 1 else f"{count} {word}s"
    return seconds


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def value_text(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{_key(name)} = {value_text(part)}" for name, part in value.items()) + " }"
            if value
            else "{}"
        )
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(value_text, value))}]"
    return str(value)


def _text(value: str) -> str:
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


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
