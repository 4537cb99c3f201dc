"""Pack pages for a pipe between processes: one table per dataset instead of one per page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from warehouse.coverage.page import Page

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Packed:
    """Pages without their rows, and the rows in one table per dataset: a hundred small tables cost more to send than to
    read. `places` gives each page's first row and count in its dataset's table."""

    pages: list[Page]
    places: list[tuple[int, int]]
    tables: dict[str, pa.Table]


def packed(pages: Sequence[Page]) -> Packed:
    """Join the rows of pages per dataset."""
    import pyarrow as pa

    parts: dict[str, list[pa.Table]] = {}
    filled: dict[str, int] = {}
    places: list[tuple[int, int]] = []
    without_rows: list[Page] = []
    for page in pages:
        if page.parsed is None:
            places.append((0, 0))
            without_rows.append(page)
            continue
        start, count = filled.get(page.name, 0), len(page.parsed.table)
        parts.setdefault(page.name, []).append(page.parsed.table)
        filled[page.name] = start + count
        places.append((start, count))
        without_rows.append(replace(page, parsed=replace(page.parsed, table=None)))
    tables = {name: pa.concat_tables(part).combine_chunks() for name, part in parts.items()}
    return Packed(without_rows, places, tables)


def unpacked(sent: Packed) -> list[Page]:
    """The pages with their rows again."""
    return [
        page
        if page.parsed is None
        else replace(page, parsed=replace(page.parsed, table=sent.tables[page.name].slice(start, count)))
        for page, (start, count) in zip(sent.pages, sent.places, strict=True)
    ]
