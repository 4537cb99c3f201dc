"""Pages on their way through a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from warehouse.load.parse import Page

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Packed:
    """Pages with their rows apart: one table a dataset, as a hundred small ones cost more to send than to read."""

    pages: list[Page]
    places: list[tuple[int, int]]
    tables: dict[str, pa.Table]


def packed(pages: Sequence[Page]) -> Packed:
    """Ready to be sent."""
    import pyarrow as pa

    parts: dict[str, list[pa.Table]] = {}
    filled: dict[str, int] = {}
    places: list[tuple[int, int]] = []
    light: list[Page] = []
    for page in pages:
        if page.parsed is None:
            places.append((0, 0))
            light.append(page)
            continue
        start, count = filled.get(page.name, 0), len(page.parsed.table)
        parts.setdefault(page.name, []).append(page.parsed.table)
        filled[page.name] = start + count
        places.append((start, count))
        light.append(replace(page, parsed=replace(page.parsed, table=None)))
    return Packed(light, places, {name: pa.concat_tables(own).combine_chunks() for name, own in parts.items()})


def unpacked(found: Packed) -> list[Page]:
    """As they were."""
    return [
        page
        if page.parsed is None
        else replace(page, parsed=replace(page.parsed, table=found.tables[page.name].slice(start, count)))
        for page, (start, count) in zip(found.pages, found.places, strict=True)
    ]
