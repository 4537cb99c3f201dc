"""Parse a delivered body into typed rows: one declared Arrow table, quarantined rows, and schema drift.

A row that can't be read whole is quarantined with its reason and its raw JSON, and never stops the others. The body
stays in the ledger: after a parser fix, `tollbook rebuild` reads it again for $0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sources.model import DAY, EVERYTHING, EXTRAS, Column, Dataset
from sources.parse.asked import outside
from sources.parse.casts import CastErrors, arrow_type, cast_column, inexact
from sources.parse.envelope import Envelope, OpenedBody, opened_body
from sources.parse.json_text import LOST, ambiguous_names, written
from sources.slots import unix

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A row that could not be read: its place in the body, the reason, and the row as JSON."""

    number: int
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class SchemaDrift:
    """Differences between a body's columns and the declared ones.

    `new` and `changed` map the seller's names to the types seen; `vanished` are declared columns that no row had.
    """

    new: Mapping[str, str] = field(default_factory=dict)
    vanished: tuple[str, ...] = ()
    changed: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.new or self.vanished or self.changed)


@dataclass(frozen=True, slots=True)
class ParsedBody:
    """A parsed body: its good rows as one table, in the body's order, and the rest.

    `rows_in_body` also counts quarantined and repeated rows: the end of a listing is judged by it. `notes` say what was
    forgiven to keep the page.
    """

    table: pa.Table
    quarantined: tuple[QuarantinedRow, ...]
    drift: SchemaDrift
    rows_in_body: int
    envelope: str
    message: str = ""
    notes: tuple[str, ...] = ()

    def cells(self, dataset: Dataset) -> tuple[tuple[str, int], ...]:
        """The (key, slot) of each good row, in the body's order."""
        import pyarrow as pa

        times = self.table[dataset.time_column].cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()
        slots = [time // 1_000_000 // dataset.grain for time in times]
        if not dataset.key_column:
            return tuple((EVERYTHING, number) for number in slots)
        return tuple(zip(map(str, self.table[dataset.key_column].to_pylist()), slots, strict=True))


def identities(dataset: Dataset, table: pa.Table) -> tuple[tuple[str, int], ...]:
    """The natural key of each row, without the day of observation, as a cell of slot 0."""
    names = [name for name in dataset.natural_key if not (dataset.undated and name == dataset.time_column)]
    columns = [map(str, _comparable(table[name])) for name in names]
    return tuple(("|".join(values), 0) for values in zip(*columns, strict=True))


def schema(dataset: Dataset) -> pa.Schema:
    """The Arrow schema that every body of the dataset is parsed into."""
    import pyarrow as pa

    return pa.schema([(column.name, arrow_type(column.cast)) for column in dataset.columns])


def parse(
    dataset: Dataset, context: Mapping[str, Any], received_at: datetime, status: int, content_type: str, body: bytes
) -> ParsedBody:
    """Parse one delivered body; `context` is its purchase's. Never raises for what a seller may send.

    Rows of which none can be read are no answer: the body is malformed.
    """
    opened = opened_body(dataset, status, content_type, body)
    envelope, rows, message = opened.envelope, opened.rows, opened.message
    reading = _Reading(dataset, context, received_at, opened)
    if message and "json" not in content_type.lower() and envelope is Envelope.MALFORMED:
        message = f"{message} ({content_type or 'no content type'})"
    table, quarantined = reading.table(), reading.quarantine()
    if rows and not table.num_rows:
        envelope, message = Envelope.MALFORMED, f"none of {len(rows)} rows can be read: {quarantined[0].reason}"
    notes = (*opened.notes, *reading.notes())
    return ParsedBody(table, quarantined, reading.drift(), len(rows), envelope.value, message, notes)


class _Reading:
    """One pass over a body's rows, column by column."""

    def __init__(self, dataset: Dataset, context: Mapping[str, Any], received_at: datetime, opened: OpenedBody) -> None:
        rows, self.opened = opened.rows, opened
        self.dataset = dataset
        self.context = context
        self.received_at = received_at
        self.body_rows = rows
        only_rows = set(map(type, rows)) <= {dict}
        self.numbers = range(len(rows)) if only_rows else [n for n, row in enumerate(rows) if isinstance(row, dict)]
        self.rows: Sequence[Row] = rows if only_rows else [rows[number] for number in self.numbers]
        self.reasons: dict[int, str] = {}
        self.vanished: list[str] = []
        self.changed: dict[str, str] = {}
        self.rounded: dict[int, dict[str, Any]] = {}
        shapes = set(map(tuple, self.rows))
        self.seen = dict.fromkeys(
            name for shape in sorted(shapes, key=lambda shape: (-len(shape), shape)) for name in shape
        )
        self.always = set(self.seen).intersection(*shapes)
        alike: Iterable[Row] = self.rows if len(shapes) == 1 else ()
        columns = zip(*(row.values() for row in alike), strict=True)
        self.columns: dict[str, Sequence[Any]] = dict(zip(self.seen, columns, strict=False))

    def table(self) -> pa.Table:
        """The good rows, in the body's order, each natural key once."""
        import pyarrow as pa

        for number, row in enumerate(self.rows) if self.opened.ambiguous else ():
            if names := ambiguous_names(row):
                self.reasons[number] = f"{', '.join(names)}: there twice, with different values"
        arrays = {column.name: self._array(column) for column in self.dataset.columns if column.name != EXTRAS.name}
        arrays |= {column.name: self._extras() for column in self.dataset.columns if column.name == EXTRAS.name}
        table = pa.Table.from_arrays(
            [arrays[column.name] for column in self.dataset.columns], schema=schema(self.dataset)
        )
        self._reject_without_key(table)
        self._reject_outside(table)
        repeated = self._repeated(table)
        if not self.reasons and not repeated:
            return table
        return table.filter(pa.array([n not in self.reasons and n not in repeated for n in range(len(self.rows))]))

    def _array(self, column: Column) -> pa.Array:
        import pyarrow as pa

        if column.from_request:
            keys: Sequence[str] = self.context.get("keys", [])
            return cast_column([keys[0] if len(keys) == 1 else None] * len(self.rows), column.cast)[0]
        names = [name for name in column.names if name in self.seen]
        if not names:
            if column.expected and self.rows and not self._is_observation_day(column):
                self.vanished.append(column.name)
            return self._dated(column, pa.nulls(len(self.rows), arrow_type(column.cast)))
        values = self._values(names)
        array, errors = cast_column(values, column.cast)
        if errors:
            self._reject(column, names, errors)
        for number in inexact(values, column.cast):
            name = next(name for name in names if self.rows[number].get(name) is not None)
            self.rounded.setdefault(number, {})[name] = values[number]
        return self._dated(column, array)

    def _values(self, names: Sequence[str]) -> Sequence[Any]:
        if len(names) == 1 and names[0] in self.columns:
            return self.columns[names[0]]
        if len(names) == 1:
            name = names[0]
            in_all = name in self.always
            return list(map(itemgetter(name), self.rows)) if in_all else [row.get(name) for row in self.rows]
        return [next((row[name] for name in names if row.get(name) is not None), None) for row in self.rows]

    def _dated(self, column: Column, array: pa.Array) -> pa.Array:
        """Fill in the UTC day, or shorter slot, of the observation where undated rows have no date."""
        if not self._is_observation_day(column) or not array.null_count:
            return array
        grain = min(self.dataset.grain, DAY)
        observed = unix(self.received_at) // grain * grain
        day, _ = cast_column([observed], column.cast)
        return array.fill_null(day[0])

    def _is_observation_day(self, column: Column) -> bool:
        return self.dataset.undated and column.name == self.dataset.time_column

    def _reject(self, column: Column, names: Sequence[str], errors: CastErrors) -> None:
        for number, reason in errors.items():
            self.reasons.setdefault(number, f"{column.name}: {reason}")
        first = next(iter(errors.values()))
        self.changed["/".join(names)] = f"{len(errors)} of {len(self.rows)} no {column.cast}: {first}"

    def _reject_without_key(self, table: pa.Table) -> None:
        for name in self.dataset.natural_key:
            array = table[name]
            if array.null_count:
                for number, missing in enumerate(array.is_null().to_pylist()):
                    if missing:
                        self.reasons.setdefault(number, f"{name}: no value, and it is part of the key")

    def _repeated(self, table: pa.Table) -> set[int]:
        """Rows whose key came earlier in the body: equal ones are dropped, others quarantined."""
        columns = [_comparable(table[name]) for name in self.dataset.natural_key]
        keys: list[tuple[Any, ...]] = list(zip(*columns, strict=True))
        if len(set(keys)) == len(keys):
            return set()
        first: dict[tuple[Any, ...], int] = {}
        repeated: set[int] = set()
        for number, key in enumerate(keys):
            if number in self.reasons:
                continue
            earlier = first.setdefault(key, number)
            if earlier != number:
                repeated.add(number)
                if self.rows[earlier] != self.rows[number]:
                    self.reasons[number] = f"{', '.join(self.dataset.natural_key)}: a second row of the same key"
        return repeated

    def _reject_outside(self, table: pa.Table) -> None:
        """Reject rows of keys or times that were not asked for, and keys of which a character was lost."""
        for number, reason in outside(self.dataset, self.context, self.received_at, table).items():
            self.reasons.setdefault(number, reason)
        if self.opened.replaced:
            for name in self.dataset.natural_key:
                for number, value in enumerate(table[name].to_pylist()):
                    if isinstance(value, str) and LOST in value:
                        self.reasons.setdefault(number, f"{name}: a character of it could not be read")

    def _extras(self) -> pa.Array:
        """Values without a column of their own, and the exact ones that a column holds rounded, as JSON."""
        import pyarrow as pa

        declared = {name for column in self.dataset.columns if column.name != EXTRAS.name for name in column.names}
        new = [name for name in self.seen if name not in declared]
        if not new and not self.rounded:
            return pa.nulls(len(self.rows), pa.string())
        kept = (
            {name: row[name] for name in new if name in row} | self.rounded.get(number, {})
            for number, row in enumerate(self.rows)
        )
        return pa.array([written(extra) if extra else None for extra in kept], pa.string())

    def notes(self) -> tuple[str, ...]:
        """Notes on values that their columns can't hold; call it after `table`."""
        names = sorted({name for values in self.rounded.values() for name in values})
        return (f"more digits than a double has, exact in extras: {', '.join(names)}",) if names else ()

    def quarantine(self) -> tuple[QuarantinedRow, ...]:
        """Rejected rows in the body's order."""
        no_objects = set(range(len(self.body_rows))) - set(self.numbers)
        reasons = {self.numbers[number]: reason for number, reason in self.reasons.items()}
        reasons.update(dict.fromkeys(no_objects, "not a row of named values"))
        return tuple(
            QuarantinedRow(number, reasons[number], written(self.body_rows[number])) for number in sorted(reasons)
        )

    def drift(self) -> SchemaDrift:
        """Differences from the declared columns; call it after `table`."""
        declared = {name for column in self.dataset.columns for name in column.names}
        undeclared = [name for name in self.seen if name not in declared]
        new = {name: _kind(row[name] for row in self.rows if name in row) for name in undeclared}
        return SchemaDrift(new, tuple(self.vanished), self.changed)


def _comparable(array: pa.ChunkedArray) -> list[Any]:
    """Values to compare keys by; times as numbers, which convert much faster."""
    import pyarrow as pa

    if pa.types.is_date32(array.type):
        array = array.cast(pa.int32())
    elif pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    values: list[Any] = array.to_pylist()
    return values


def _kind(values: Iterable[Any]) -> str:
    """The JSON type of the first value that is not null."""
    words = {bool: "boolean", int: "integer", float: "float", Decimal: "float", str: "text", list: "list"}
    return next((words.get(type(value), "object") for value in values if value is not None), "null")


def empty_table(dataset: Dataset) -> pa.Table:
    """A table of the declared columns without rows."""
    return schema(dataset).empty_table()
