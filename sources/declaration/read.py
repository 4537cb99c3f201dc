"""Read a seller's TOML file into the model. Every fault names the file, the line, the key and the fix."""

from __future__ import annotations

import re
import tomllib
from dataclasses import Field, dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path as FilePath
from typing import Any

from sources.declaration.rules import check_dataset, check_table
from sources.declaration.table import DeclarationFault, Path, StrictTable, line_of
from sources.model import (
    EXTRAS,
    Cast,
    Column,
    Dataset,
    Dates,
    Evidence,
    Feed,
    Kind,
    Packing,
    Paging,
    Seller,
    Since,
    Window,
)

SELLER_KEYS = (*(field.name for field in fields(Seller) if field.name != "name"), "feeds")
DATASET_KEYS = tuple(field.name for field in fields(Dataset) if field.name not in ("name", "seller"))
COLUMN_KEYS = tuple(field.name for field in fields(Column) if field.name != "name")
PAGING_KEYS, WINDOW_KEYS, PACKING_KEYS, SINCE_KEYS = (
    tuple(field.name for field in fields(part)) for part in (Paging, Window, Packing, Since)
)
FEED_KEYS = tuple(field.name for field in fields(Feed) if field.name != "name")

_LONGEST_FILE = 1024 * 1024
_DATASET_NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
_COLUMN_NAME = r"[a-z][a-z0-9_]{0,59}"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One file's seller, and the feeds that keep its datasets fresh; `text` is the file's."""

    seller: Seller
    feeds: tuple[Feed, ...] = ()
    file: str = ""
    text: str = field(default="", repr=False)

    def wrong(self, path: Path, what: str, fix: str) -> DeclarationFault:
        """An error about what stands at a path."""
        return DeclarationFault(f"{'.'.join(path)} {what}", fix, line_of(self.text, path), self.file)


def read_declaration(path: FilePath, name: str) -> Declaration:
    """Read the file that declares the seller `name` of the policy. Raises DeclarationFault."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        fix = "name a file that this user may read; its path counts from the policy file's folder"
        raise DeclarationFault(f"can't be read: {error.strerror}", fix, file=str(path)) from None
    if len(raw) > _LONGEST_FILE:
        raise DeclarationFault(f"is longer than {_LONGEST_FILE} bytes", "it should be some pages", file=str(path))
    try:
        return replace(parse_declaration(raw.decode("utf-8-sig"), name), file=str(path))
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DeclarationFault("has text that is not UTF-8", "save it as UTF-8", line, str(path)) from None
    except DeclarationFault as fault:
        raise DeclarationFault(fault.what, fault.fix, fault.line, str(path)) from None


def parse_declaration(text: str, name: str) -> Declaration:
    """Parse the declaration of the seller `name` from TOML. Raises DeclarationFault."""
    text = text.replace("\r\n", "\n")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line (\d+)", str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        raise DeclarationFault(f"is not TOML: {error}", "correct that line", line) from None
    top = StrictTable((), values, text, SELLER_KEYS)
    tables = top.table("datasets", None)
    if tables is None or not tables.names:
        raise top.wrong("datasets", "names nothing", "add a table such as [datasets.levels]")
    datasets = tuple(_dataset(name, each, tables) for each in tables.names)
    for dataset in datasets:
        check_table(dataset, [other for other in datasets if other.table == dataset.table], tables)
    seller = Seller(
        name=name,
        base_url=top.text("base_url", '"https://api.example.com"', "", r"(https?://[^\s?#]+)?").rstrip("/"),
        headers=top.text_map("headers"),
        datasets=datasets,
        payment_token_header=top.text("payment_token_header") if top.has("payment_token_header") else None,
        parallel=top.integer("parallel", 1, 256, 4),
        doc=top.text("doc", default=""),
    )
    return Declaration(seller, _feeds(top, datasets), text=text)


def _feeds(top: StrictTable, datasets: tuple[Dataset, ...]) -> tuple[Feed, ...]:
    tables = top.table("feeds", None)
    feeds = []
    for name in tables.names if tables else ():
        assert tables is not None
        table = tables.table(name, FEED_KEYS)
        assert table is not None
        wanted, known = table.texts("datasets", least=1), [dataset.name for dataset in datasets]
        if strangers := [each for each in wanted if each not in known]:
            raise table.wrong("datasets", f"names {strangers[0]!r}", f"declared here: {', '.join(known)}")
        feeds.append(Feed(name, wanted, table.flag("repairs", default=False)))
    return tuple(feeds)


def _dataset(seller: str, name: str, tables: StrictTable) -> Dataset:
    if not re.fullmatch(_DATASET_NAME, name):
        raise tables.wrong(name, "is no name of a dataset", 'write small letters, digits and "-", such as tide-levels')
    table = tables.table(name, DATASET_KEYS)
    assert table is not None
    rest = _plain_fields(Dataset, table)
    dataset = Dataset(
        **rest,
        name=name,
        seller=seller,
        table=table.text("table", '"tide_levels"', pattern=_COLUMN_NAME),
        kind=table.choice("kind", Kind),
        path=table.text("path", '"/v1/levels"', pattern=r"/[!-~]*"),
        grain=table.seconds("grain"),
        natural_key=table.texts("natural_key", least=1),
        time_column=table.text("time_column", '"date"'),
        columns=_columns(table),
        key_column=table.text("key_column", '"station"') if table.has("key_column") else None,
        settle=table.seconds("settle", 0),
        patience=table.seconds("patience", 0),
        lookback=table.integer("lookback", 0, 100_000, 0),
        publishing_delay=table.seconds("publishing_delay") if table.has("publishing_delay") else None,
        since=_since(table),
        rows_per_cell=_rows_per_cell(table),
        method=table.text("method", '"GET"', "GET", r"GET|POST"),
        params=table.text_map("params"),
        body=table.json_object("body"),
        window=_window(table),
        paging=_paging(table),
        packing=_packing(table),
        rows_path=table.texts("rows_path", ("data",)),
        success=table.json_object("success") or {},
        max_price=table.text("max_price", '"0.05"', "0.10", r"[0-9]{1,9}([.][0-9]{1,18})?"),
        repaired_by=table.text("repaired_by") if table.has("repaired_by") else None,
    )
    check_dataset(dataset, table)
    return dataset


def _columns(table: StrictTable) -> tuple[Column, ...]:
    columns = table.table("columns", None)
    if columns is None or not columns.names:
        raise table.wrong("columns", "names nothing", 'add a table of columns: station = { cast = "text" }')
    extras = columns.table(EXTRAS.name, ("names",))
    kept = replace(EXTRAS, names=extras.texts("names", least=1)) if extras else EXTRAS
    return (*(_column(name, columns) for name in columns.names if name != EXTRAS.name), kept)


def _column(name: str, columns: StrictTable) -> Column:
    if not re.fullmatch(_COLUMN_NAME, name):
        raise columns.wrong(name, "is no name of a column", 'write small letters, digits and "_", such as high_water')
    column = columns.table(name, COLUMN_KEYS)
    assert column is not None
    from_request = column.flag("from_request", default=False)
    names = column.texts("names", () if from_request else (name,))
    if from_request and names:
        raise column.wrong("names", "stands beside from_request", "leave one of them out")
    rest = {key: value for key, value in _plain_fields(Column, column).items() if key not in ("names", "from_request")}
    return Column(**rest, name=name, cast=column.choice("cast", Cast), names=names, from_request=from_request)


_OF_THEIR_OWN = frozenset({"settle", "patience", "lookback", "rows_per_cell", "method", "max_price", "rows_path"})
"""Fields of a dataset that are written in a form of their own, or within bounds."""


def _plain_fields(part: type[Dataset] | type[Column], table: StrictTable) -> dict[str, Any]:
    """Fields with a default that is a text, a number, a flag or a choice, as far as the table has them."""
    named = [each for each in fields(part) if table.has(each.name) and each.name not in _OF_THEIR_OWN]
    return {each.name: value for each in named if (value := _plain(each, table)) is not None}


def _plain(each: Field[Any], table: StrictTable) -> Any:
    default = each.default
    if isinstance(default, bool):
        return table.flag(each.name, default=default)
    if isinstance(default, StrEnum):
        return table.choice(each.name, type(default))
    if isinstance(default, int):
        return table.integer(each.name, 0, 1_000_000)
    return table.text(each.name) if isinstance(default, str) else None


def _rows_per_cell(table: StrictTable) -> int | None:
    """A number, 1 where it is left out, or "any"."""
    if table.has("rows_per_cell") and table.value("rows_per_cell", "1") == "any":
        return None
    return table.integer("rows_per_cell", 1, 1_000_000, 1)


def _since(table: StrictTable) -> Since | None:
    since = table.table("since", SINCE_KEYS)
    return Since(since.day("day"), since.choice("evidence", Evidence, Evidence.INFERRED)) if since else None


def _window(table: StrictTable) -> Window | None:
    window = table.table("window", WINDOW_KEYS)
    if window is None:
        return None
    ends = window.text("start_param", '"from"'), window.text("end_param", '"to"')
    return Window(*ends, window.integer("days", 1, 36_600), window.choice("dates", Dates, Dates.DAYS))


def _packing(table: StrictTable) -> Packing | None:
    packing = table.table("packing", PACKING_KEYS)
    if packing is None:
        return None
    return Packing(
        packing.text("param", '"ids"'), packing.integer("ids", 1, 100_000), packing.text("separator", default=",")
    )


def _paging(table: StrictTable) -> Paging | None:
    paging = table.table("paging", PAGING_KEYS)
    if paging is None:
        return None
    return Paging(
        rows=paging.integer("rows", 1, 1_000_000),
        page_param=paging.text("page_param", default="page"),
        limit_param=paging.text("limit_param", default="limit"),
        first=paging.integer("first", 0, 1, 1),
        depth=paging.integer("depth", 1, 1_000_000) if paging.has("depth") else None,
        newest_first=paging.flag("newest_first", default=False),
    )
