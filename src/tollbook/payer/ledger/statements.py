"""Statements that SQLAlchemy writes once per store and the driver's own cursor runs.

Going through SQLAlchemy's execution each time costs more than the disk does (measured: 8.4 ms of CPU per purchase, and
0.7 ms this way); so the books, which are written several times per paid call, keep the compiled text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tollbook.crashpoints import crash_point
from tollbook.payer.errors import LedgerUnavailable
from tollbook.payer.ledger.engine import cause

Convert = Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One statement on one store: its text, its parameters in order, how values go in and come out."""

    text: str
    binds: tuple[tuple[str, Convert], ...]
    named: bool
    results: tuple[Convert, ...]

    def parameters(self, values: dict[str, Any]) -> Any:
        if self.named:
            return {name: values[name] if to is None else to(values[name]) for name, to in self.binds}
        return [values[name] if to is None else to(values[name]) for name, to in self.binds]

    def row(self, raw: Any) -> tuple[Any, ...]:
        return tuple(value if of is None else of(value) for value, of in zip(raw, self.results, strict=True))


class Statement:
    """One SQL statement; every value in it is a named parameter."""

    __slots__ = ("_clause", "_compiled")

    def __init__(self, clause: sa.Executable) -> None:
        self._clause = clause
        self._compiled: dict[str, _Compiled] = {}

    def on(self, dialect: sa.Dialect) -> _Compiled:
        """Compiled for a store, once."""
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = _compile(self._clause, dialect)
        return found


def _compile(clause: Any, dialect: sa.Dialect) -> _Compiled:
    compiled = clause.compile(dialect=dialect)
    named = compiled.positiontup is None
    names = list(compiled.binds) if named else compiled.positiontup
    columns = clause.selected_columns if isinstance(clause, sa.Select) else ()
    return _Compiled(
        text=str(compiled),
        binds=tuple((name, _convert(compiled.binds[name].type, dialect, "bind")) for name in names),
        named=named,
        results=tuple(_convert(column.type, dialect, "result") for column in columns),
    )


def _convert(kind: sa.types.TypeEngine[Any], dialect: sa.Dialect, way: str) -> Convert:
    own = kind.dialect_impl(dialect)
    return own.bind_processor(dialect) if way == "bind" else own.result_processor(dialect, None)


class Transaction:
    """One open transaction on a connection of the store's pool."""

    __slots__ = ("_cursor", "_dialect")

    def __init__(self, cursor: Any, dialect: sa.Dialect) -> None:
        self._cursor = cursor
        self._dialect = dialect

    @property
    def on_postgresql(self) -> bool:
        return self._dialect.name == "postgresql"

    def run(self, statement: Statement, **values: Any) -> None:
        compiled = statement.on(self._dialect)
        self._cursor.execute(compiled.text, compiled.parameters(values))

    def run_many(self, statement: Statement, rows: Iterable[dict[str, Any]]) -> None:
        compiled = statement.on(self._dialect)
        self._cursor.executemany(compiled.text, [compiled.parameters(values) for values in rows])

    def rows(self, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
        self.run(statement, **values)
        row = statement.on(self._dialect).row
        return [row(raw) for raw in self._cursor.fetchall()]

    def scalar(self, statement: Statement, **values: Any) -> Any:
        """The first column of the first row, None without one."""
        found = self.rows(statement, **values)
        return found[0][0] if found else None

    def new_key(self, statement: Statement, **values: Any) -> int:
        """Run an insert that returns the key it was given."""
        self.run(statement, **values)
        return int(self._cursor.fetchall()[0][0])


@contextmanager
def transaction(engine: sa.Engine, *, write: bool) -> Iterator[Transaction]:
    """One transaction, durable when the block of a `write` ends. Store errors become LedgerUnavailable."""
    driver: Any = engine.dialect.loaded_dbapi
    failures = (driver.OperationalError, driver.InternalError, driver.InterfaceError)
    doing = "written" if write else "read"
    try:
        pooled = engine.raw_connection()
    except (*failures, sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
        raise LedgerUnavailable(f"the ledger can't be {doing}: {cause(error)}") from None
    try:
        yield from _within(pooled, engine.dialect, write)
    except failures as error:
        raise LedgerUnavailable(f"the ledger can't be {doing}: {cause(error)}") from None
    finally:
        pooled.close()


def _within(pooled: Any, dialect: sa.Dialect, write: bool) -> Iterator[Transaction]:
    cursor = pooled.cursor()
    try:
        if dialect.name == "sqlite":
            # A deferred transaction that upgrades from read to write fails at once when another writer got in between.
            cursor.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        yield Transaction(cursor, dialect)
        if write:
            crash_point("commit")
        pooled.commit()
        if write:
            crash_point("committed")
    except BaseException:
        # Where the connection itself is gone the store has rolled back by itself, and the pool drops it.
        pooled.rollback()
        raise
    finally:
        cursor.close()
