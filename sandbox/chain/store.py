"""The chain's file: one SQLite database with EVM state, canonical blocks, transactions and logs.

A block and the state it made are one commit, so a SIGKILL loses at most the block under way. Not fsynced: a sandbox
survives its process, not the machine.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from eth.db.backends.base import BaseDB

_CACHED = 200_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS kv(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks(
  number INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, time INTEGER NOT NULL, header BLOB NOT NULL,
  json TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS blocks_time ON blocks(time);
CREATE TABLE IF NOT EXISTS txs(
  hash BLOB PRIMARY KEY, number INTEGER NOT NULL, position INTEGER NOT NULL, raw BLOB NOT NULL,
  json TEXT NOT NULL, receipt TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS txs_number ON txs(number, position);
CREATE TABLE IF NOT EXISTS logs(
  number INTEGER NOT NULL, position INTEGER NOT NULL, address BLOB NOT NULL,
  topic0 BLOB, topic1 BLOB, topic2 BLOB, topic3 BLOB, json TEXT NOT NULL, PRIMARY KEY(number, position));
CREATE INDEX IF NOT EXISTS logs_topics ON logs(topic0, topic1, number);
"""


@dataclass(frozen=True, slots=True)
class BlockRow:
    number: int
    hash: bytes
    time: int
    header: bytes
    json: str


@dataclass(frozen=True, slots=True)
class TxRow:
    hash: bytes
    position: int
    raw: bytes
    json: str
    receipt: str


@dataclass(frozen=True, slots=True)
class LogRow:
    position: int
    address: bytes
    topics: tuple[bytes, ...]
    json: str


class StateDB(BaseDB):
    """EVM state for py-evm: what this process wrote or read stays in memory, the rest is read from the file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cache: dict[bytes, bytes] = {}
        self._unsaved: dict[bytes, bytes] = {}

    def __getitem__(self, key: bytes) -> bytes:
        value = self._cache.get(key)
        if value is None:
            row = self._connection.execute("SELECT value FROM kv WHERE key = ?", (key,)).fetchone()
            if row is None:
                raise KeyError(key)
            value = self._cache[key] = row[0]
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        if self._cache.get(key) != value:
            self._cache[key] = self._unsaved[key] = value

    def _exists(self, key: bytes) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def __delitem__(self, key: bytes) -> None:
        """Keep it: keys are hashes of their values, and an old block's state may still need them."""

    def take_unsaved(self) -> list[tuple[bytes, bytes]]:
        """The values to write now. A cache that has grown large is emptied: the file holds all of it afterwards."""
        rows, self._unsaved = list(self._unsaved.items()), {}
        if len(self._cache) > _CACHED:
            self._cache = dict(rows)
        return rows


class ChainStore:
    """Reads and writes of one chain file. The node's lock serialises all calls."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)
        self.state = StateDB(self._db)

    def close(self) -> None:
        self._db.close()

    def get_meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def append(self, block: BlockRow, txs: Sequence[TxRow], logs: Sequence[LogRow]) -> None:
        """One commit: the block, what is in it, and every piece of EVM state not saved yet."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT OR REPLACE INTO kv VALUES (?, ?)", self.state.take_unsaved())
        self._db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?)", astuple(block))
        self._db.executemany(
            "INSERT OR REPLACE INTO txs VALUES (?, ?, ?, ?, ?, ?)",
            [(tx.hash, block.number, tx.position, tx.raw, tx.json, tx.receipt) for tx in txs],
        )
        self._db.executemany(
            "INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (block.number, log.position, log.address, *(*log.topics, None, None, None, None)[:4], log.json)
                for log in logs
            ],
        )
        self._db.execute("COMMIT")

    def truncate(self, head: int) -> None:
        """Delete every block above `head`."""
        self._db.execute("BEGIN IMMEDIATE")
        for table in ("blocks", "txs", "logs"):
            self._db.execute(f"DELETE FROM {table} WHERE number > ?", (head,))
        self._db.execute("COMMIT")

    def head(self) -> BlockRow | None:
        return self._block("ORDER BY number DESC LIMIT 1", ())

    def block(self, number: int) -> BlockRow | None:
        return self._block("WHERE number = ?", (number,))

    def block_by_hash(self, block_hash: bytes) -> BlockRow | None:
        return self._block("WHERE hash = ?", (block_hash,))

    def newest_until(self, time: int) -> BlockRow | None:
        """The highest block whose time is not after `time`."""
        return self._block("WHERE time <= ? ORDER BY number DESC LIMIT 1", (time,))

    def _block(self, clause: str, values: tuple[object, ...]) -> BlockRow | None:
        row = self._db.execute(f"SELECT number, hash, time, header, json FROM blocks {clause}", values).fetchone()
        return None if row is None else BlockRow(*row)

    def tx(self, tx_hash: bytes) -> tuple[int, TxRow] | None:
        row = self._db.execute(
            "SELECT number, hash, position, raw, json, receipt FROM txs WHERE hash = ?", (tx_hash,)
        ).fetchone()
        return None if row is None else (row[0], TxRow(*row[1:]))

    def txs_above(self, number: int) -> list[TxRow]:
        """Transactions of blocks above `number`, in chain order."""
        rows = self._db.execute(
            "SELECT hash, position, raw, json, receipt FROM txs WHERE number > ? ORDER BY number, position", (number,)
        )
        return [TxRow(*row) for row in rows.fetchall()]

    def logs(
        self, first: int, last: int, addresses: Sequence[bytes], topics: Sequence[Sequence[bytes] | None]
    ) -> Iterable[str]:
        """JSON of the logs in blocks first..last that match: any address when none is given, None matches any topic."""
        columns = [("address", addresses or None), *((f"topic{i}", wanted) for i, wanted in enumerate(topics))]
        where, values = "number BETWEEN ? AND ?", [first, last, *(one for _, wanted in columns for one in wanted or ())]
        for column, wanted in columns:
            where += "" if wanted is None else f" AND {column} IN ({','.join('?' * len(wanted))})"
        rows = self._db.execute(f"SELECT json FROM logs WHERE {where} ORDER BY number, position", values)
        return [row[0] for row in rows.fetchall()]
