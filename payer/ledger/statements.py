"""Statements that SQLAlchemy writes once per store and the driver's own cursor runs.

Going through SQLAlchemy's execution each time costs more than the disk does (measured: 8.4 ms of CPU per purchase, and
0.7 ms this way); so the books, which are written several times per paid call, keep the compiled text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import sqlalchemy as sa

from payer.ledger.engine import cause
from payer.values.crashpoints import crash_point
from payer.values.errors import LedgerUnavailable

Converter = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One statement on one store: its text, its parameters in order, how values go in and come out."""

    text: str
    names: tuple[str, ...]
    binds: tuple[tuple[str, Converter], ...]
    named: bool
    results: tuple[tuple[int, Converter], ...]

    def parameters(self, values: dict[str, Any]) -> Any:
        """`values` is the caller's to give: it is changed here."""
        for name, to in self.binds:
            values[name] = to(values[name])
        return values if self.named else [values[name] for name in self.names]

    def rows(self, found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        if not self.results:
            return found
        rows = [list(row) for row in found]
        for row in rows:
            for place, of in self.results:
                row[place] = of(row[place])
        return [tuple(row) for row in rows]


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
    names = tuple(compiled.binds) if named else tuple(compiled.positiontup)
    binds = {name: _convert(compiled.binds[name].type, dialect, "bind") for name in names}
    columns = list(clause.selected_columns) if isinstance(clause, sa.Select) else []
    results = [(place, _convert(column.type, dialect, "result")) for place, column in enumerate(columns)]
    return _Compiled(
        text=str(compiled),
        names=names,
        binds=tuple((name, to) for name, to in binds.items() if to is not None),
        named=named,
        results=tuple((place, of) for place, of in results if of is not None),
    )


def _convert(kind: sa.types.TypeEngine[Any], dialect: sa.Dialect, way: str) -> Converter | None:
    if isinstance(kind, sa.LargeBinary):
        return None
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
        return statement.on(self._dialect).rows(self._cursor.fetchall())

    def scalar(self, statement: Statement, **values: Any) -> Any:
        """The first column of the first row, None without one."""
        found = self.rows(statement, **values)
        return found[0][0] if found else None

    def new_key(self, insert: Statement, insert_returning: Statement, **values: Any) -> int:
        """Run an insert, on the store that needs it the one that returns the key it was given."""
        if self.on_postgresql:
            self.run(insert_returning, **values)
            return int(self._cursor.fetchall()[0][0])
        self.run(insert, **values)
        return int(self._cursor.lastrowid)


class _Opening:
    """The life of one transaction: begin, commit or roll back, and the store's errors put in our words."""

    __slots__ = ("_cursor", "_dialect", "_engine", "_pooled", "_write")

    def __init__(self, engine: sa.Engine, write: bool) -> None:
        self._engine = engine
        self._dialect = engine.dialect
        self._write = write
        self._pooled: Any = None
        self._cursor: Any = None

    def __enter__(self) -> Transaction:
        try:
            self._pooled = self._engine.raw_connection()
            self._cursor = self._pooled.cursor()
            if self._dialect.name == "sqlite":
                # A deferred transaction that turns to writing fails at once when another writer got in between.
                self._cursor.execute("BEGIN IMMEDIATE" if self._write else "BEGIN")
        except BaseException as error:
            self._end()
            self._translate(error)
            raise
        return Transaction(self._cursor, self._dialect)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if error is None:
                self._commit()
            else:
                self._pooled.rollback()
        except BaseException as late:
            self._end()
            self._translate(late)
            raise
        self._end()
        if error is not None:
            self._translate(error)

    def _commit(self) -> None:
        try:
            if self._write:
                crash_point("commit")
            self._pooled.commit()
        except BaseException:
            # Where the connection itself is gone the store has rolled back by itself, and the pool drops it.
            self._pooled.rollback()
            raise
        if self._write:
            crash_point("committed")

    def _end(self) -> None:
        if self._pooled is not None:
            self._pooled.close()

    def _translate(self, error: BaseException) -> None:
        driver: Any = self._dialect.loaded_dbapi
        store = (driver.OperationalError, driver.InternalError, driver.InterfaceError, driver.ProgrammingError)
        if isinstance(error, (*store, sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError)):
            doing = "written" if self._write else "read"
            raise LedgerUnavailable(f"the ledger can't be {doing}: {cause(error)}") from None


def transaction(engine: sa.Engine, *, write: bool) -> AbstractContextManager[Transaction]:
    """One transaction, durable when the block of a `write` ends. Store errors become LedgerUnavailable."""
    return _Opening(engine, write)
