"""Statements that SQLAlchemy compiles once per database and the driver's own cursor executes.

Executing through SQLAlchemy each time costs more than the disk does (measured: 8.4 ms of CPU per purchase, and 0.7 ms
this way); the ledger is written several times per paid call, so the compiled text is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from payer.ledger.database.engine import check_in_place, is_watched, unavailable
from payer.ledger.database.recognize import is_damage
from payer.ledger.database.schema import AtomicUnits, Moment
from payer.values.crashpoints import crash_point

Converter = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement for one database: its text, its parameters in order (`pick`; None: by their names), converters for
    parameters and results."""

    text: str
    pick: Callable[[dict[str, Any]], Any] | None
    binds: tuple[tuple[str, Converter], ...]
    results: tuple[tuple[int, Converter], ...]

    def parameters(self, values: dict[str, Any]) -> Any:
        """The driver's parameters. Changes `values` in place, which spares a copy."""
        for name, convert in self.binds:
            values[name] = convert(values[name])
        return values if self.pick is None else self.pick(values)

    def rows(self, fetched: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The driver's rows with their values converted."""
        if not self.results:
            return fetched
        rows = [list(row) for row in fetched]
        for row in rows:
            for position, convert in self.results:
                row[position] = convert(row[position])
        return [tuple(row) for row in rows]


class Statement:
    """One SQL statement; every value in it is a named parameter."""

    __slots__ = ("_clause", "_compiled")

    def __init__(self, clause: sa.Executable) -> None:
        self._clause = clause
        self._compiled: dict[str, _Compiled] = {}

    def on(self, dialect: sa.Dialect) -> _Compiled:
        """The statement compiled for a database, once."""
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _compile(self._clause, dialect)
        return compiled


def _compile(clause: Any, dialect: sa.Dialect) -> _Compiled:
    compiled = clause.compile(dialect=dialect)
    names = tuple(compiled.binds if compiled.positiontup is None else compiled.positiontup)
    binds = {name: _bind_converter(compiled.binds[name].type, dialect) for name in names}
    columns = list(clause.selected_columns) if isinstance(clause, sa.Select) else []
    results = [(position, _result_converter(column.type, dialect)) for position, column in enumerate(columns)]
    return _Compiled(
        text=str(compiled),
        pick=None if compiled.positiontup is None else _in_order(names),
        binds=tuple((name, convert) for name, convert in binds.items() if convert is not None),
        results=tuple((position, convert) for position, convert in results if convert is not None),
    )


def _in_order(names: tuple[str, ...]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """Pick the values of these names. `itemgetter` takes at least one name, and returns a single value bare."""
    return itemgetter(*names) if len(names) > 1 else lambda values: tuple(values[name] for name in names)


def _bind_converter(column_type: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Converter | None:
    """The type's conversion for parameters, None where the driver needs none; drivers take bytes and booleans as they
    are. The schema's own types stand over types without a conversion: SQLAlchemy's call around theirs is left out."""
    if isinstance(column_type, sa.LargeBinary | sa.Boolean):
        return None
    if isinstance(column_type, AtomicUnits | Moment):
        return partial(column_type.process_bind_param, dialect=dialect)
    return column_type.dialect_impl(dialect).bind_processor(dialect)


def _result_converter(column_type: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Converter | None:
    if isinstance(column_type, sa.LargeBinary):
        return None
    return column_type.dialect_impl(dialect).result_processor(dialect, None)


class Transaction:
    """An open transaction on a connection of the engine's pool; every value of a statement is a keyword."""

    __slots__ = ("_cursor", "_dialect", "on_postgresql")

    def __init__(self, cursor: Any, dialect: sa.Dialect) -> None:
        self._cursor = cursor
        self._dialect = dialect
        self.on_postgresql = dialect.name == "postgresql"
        """There rows are locked one by one; SQLite has one write lock for all."""

    def run(self, statement: Statement, **values: Any) -> None:
        """Execute a statement and fetch nothing."""
        compiled = statement.on(self._dialect)
        self._cursor.execute(compiled.text, compiled.parameters(values))

    def run_many(self, statement: Statement, rows: Iterable[dict[str, Any]]) -> None:
        """Execute a statement once per row of parameters, which are changed in place."""
        compiled = statement.on(self._dialect)
        self._cursor.executemany(compiled.text, [compiled.parameters(values) for values in rows])

    def rows(self, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
        """Execute a statement and fetch every row."""
        compiled = statement.on(self._dialect)
        self._cursor.execute(compiled.text, compiled.parameters(values))
        return compiled.rows(self._cursor.fetchall())

    def scalar(self, statement: Statement, **values: Any) -> Any:
        """Execute a statement; the first column of its first row, None when it has none."""
        rows = self.rows(statement, **values)
        return rows[0][0] if rows else None

    def new_key(self, insert: Statement, insert_returning: Statement, **values: Any) -> int:
        """Execute an insert and return the key that the database gave it (PostgreSQL: by RETURNING)."""
        if self.on_postgresql:
            self.run(insert_returning, **values)
            return int(self._cursor.fetchall()[0][0])
        self.run(insert, **values)
        return int(self._cursor.lastrowid)


class _KeptConnection:
    """A connection to a SQLite file that is kept out of the pool between transactions, for one of them at a time.

    To take one from the pool and give it back costs as much as an append's statements do. A second thread takes one
    from the pool, as PostgreSQL's transactions do: the pool finds out whether the server is still there.
    """

    __slots__ = ("_busy", "_pooled")

    def __init__(self, engine: sa.Engine) -> None:
        self._busy = threading.Lock()
        self._pooled: Any = None
        sa.event.listen(engine, "engine_disposed", self._dispose)

    def take(self, engine: sa.Engine) -> Any:
        """The connection, None while a transaction has it. Raises LedgerReplaced."""
        if not self._busy.acquire(blocking=False):
            return None
        try:
            if self._pooled is None:
                self._pooled = engine.raw_connection()
            else:
                check_in_place(engine)
        except BaseException:
            self._busy.release()
            raise
        return self._pooled

    def give_back(self, *, ended: bool) -> None:
        """Let the next transaction have it; one whose transaction has not ended goes to the pool, which resets it."""
        try:
            if not ended:
                pooled, self._pooled = self._pooled, None
                pooled.close()
        finally:
            self._busy.release()

    def _dispose(self, _engine: sa.Engine) -> None:
        if self._busy.acquire(blocking=False):
            pooled, self._pooled = self._pooled, None
            self._busy.release()
            if pooled is not None:
                pooled.detach()
                pooled.close()


_kept: WeakKeyDictionary[sa.Engine, _KeptConnection] = WeakKeyDictionary()


def _kept_connection(engine: sa.Engine) -> _KeptConnection | None:
    """The engine's own, None for one that is not on a SQLite file."""
    kept = _kept.get(engine)
    if kept is None and is_watched(engine):
        kept = _kept.setdefault(engine, _KeptConnection(engine))
    return kept


@contextmanager
def transaction(engine: sa.Engine, *, write: bool) -> Iterator[Transaction]:
    """Open one transaction; a `write` is durable when its block ends.

    Raises LedgerUnavailable for the database's errors, and rolls back on any exception.
    """
    dialect, kept, ended = engine.dialect, _kept_connection(engine), False
    pooled: Any = None
    try:
        if kept is not None:
            pooled = kept.take(engine)
        if pooled is None:
            kept, pooled = None, engine.raw_connection()
        try:
            cursor: Any = pooled.cursor()
            if dialect.name == "sqlite":
                # A deferred transaction that turns to writing fails at once when another writer got in between.
                cursor.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield Transaction(cursor, dialect)
            except BaseException:
                pooled.rollback()
                ended = True
                raise
            try:
                if write:
                    crash_point("commit")
                if dialect.name == "sqlite":
                    # The driver's own commit() compiles the statement each time.
                    cursor.execute("COMMIT")
                else:
                    pooled.commit()
            except BaseException:
                # When the connection is lost, the database rolls back by itself and the pool drops the connection.
                pooled.rollback()
                raise
            if write:
                crash_point("committed")
            ended = True
        finally:
            if kept is not None:
                kept.give_back(ended=ended)
            else:
                pooled.close()
    except BaseException as error:
        driver: Any = dialect.loaded_dbapi
        broken = (driver.OperationalError, driver.InternalError, driver.InterfaceError, driver.ProgrammingError)
        pool = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError, sa.exc.DatabaseError)
        if isinstance(error, (*broken, *pool)) or is_damage(error):
            raise unavailable(error, "written" if write else "read") from None
        raise
