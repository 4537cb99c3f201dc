"""A ledger URL that names no ledger: said in plain words, and nothing is written to what it names."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import stat
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from payer.ledger import Ledger
from payer.ledger.backup import backup
from payer.ledger.database import recognize
from payer.values.errors import DamagedFile, LedgerUnavailable, NotALedger
from tests.payer import purchases as p
from tests.payer.purchases import bought
from tests.stores import new_ledger_url

NOT_FOR_PEOPLE = re.compile(
    r"SELECT|INSERT|CREATE|alembic|sqlalchemy|psycopg|MySQLdb|Error\b|module|invalid literal|keyword argument|secret",
    re.IGNORECASE,
)


def refusal(url: str) -> NotALedger:
    with pytest.raises(NotALedger) as raised:
        Ledger.open(url)
    error = raised.value
    said = f"{error.what} {error.fix}".replace(url.partition(":")[0], "")
    assert not NOT_FOR_PEOPLE.search(said), said
    assert error.exit_code == 2
    assert error.fix
    return error


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:secret-word@host/db",
        "mysql+pymysql://user:secret-word@host/db",
        "http://127.0.0.1:80/ledger",
        "mssql://host/db",
        "postgresql+asyncpg://user:secret-word@host/db",
        "postgresql+psycopg2://user:secret-word@host/db",
        "sqlite+aiosqlite:////tmp/ledger.db",
        "duckdb:////tmp/ledger.db",
        "nonsense",
        "/tmp/ledger.db",
        "postgresql://user:secret-word@host:port/db",
    ],
)
def test_a_url_of_an_unknown_kind_is_refused_without_quoting_its_password(url: str) -> None:
    assert "TOLLBOOK_LEDGER_URL" in refusal(url).what


def test_an_option_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "option" in refusal(f"sqlite:///{tmp_path}/ledger.db?timeout=long").what


def test_a_ledger_that_another_process_closes_meanwhile_is_not_taken_for_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file had few pages and the log the rest when it was looked at first; then the log goes into the file."""
    path = tmp_path / "ledger.db"
    writer = Ledger.open(f"sqlite:///{path}")
    small = path.stat().st_size
    check_tables = recognize.check_tables

    def closed_by_then(tables: Collection[str], name: str) -> None:
        check_tables(tables, name)
        writer.close()

    monkeypatch.setattr(recognize, "check_tables", closed_by_then)
    recognize.check_file(path)
    assert path.stat().st_size > small, "the log held pages that the file had not"
    assert not path.with_name("ledger.db-wal").exists()


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
@pytest.mark.parametrize("tables", [["customers"], ["alembic_version", "flow_run"], ["events", "runs"]])
def test_another_programs_sqlite_file_is_left_as_it_is(tmp_path: Path, journal: str, tables: list[str]) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA journal_mode={journal}")
        for table in tables:
            other.execute(f"CREATE TABLE {table} (version_num TEXT)")
        other.execute(f"INSERT INTO {tables[0]} VALUES ('f00')")
        other.commit()
    path.chmod(0o644)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    error = refusal(f"sqlite:///{path}")
    assert "is the database of another program; nothing was written to it" in error.what
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_the_log_of_another_program_that_died_is_left_as_it_is(tmp_path: Path) -> None:
    """Closing it as a writer would fold the log into its file."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE customers (name TEXT)")
        left = tmp_path / "left"
        left.mkdir()
        for name in ("other.db", "other.db-wal"):
            (left / name).write_bytes((tmp_path / name).read_bytes())
    before = [(left / name).read_bytes() for name in ("other.db", "other.db-wal")]
    assert "another program" in refusal(f"sqlite:///{left}/other.db").what
    assert [(left / name).read_bytes() for name in ("other.db", "other.db-wal")] == before


def test_another_programs_postgresql_database_is_left_as_it_is(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = new_ledger_url(request, "postgresql", tmp_path)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("CREATE TABLE customers (id int)")
        other.execute("CREATE TABLE alembic_version (version_num text)")
    assert "another program" in refusal(url).what
    with psycopg.connect(url) as other:
        tables = other.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert sorted(tables) == [("alembic_version",), ("customers",)]


def test_a_file_that_is_no_database_is_damaged_and_to_be_restored(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("a shopping list, longer than a header of a hundred bytes" * 9)
    before = path.read_bytes()
    error = refusal(f"sqlite:///{path}")
    assert "is damaged, or no database" in error.what
    assert "tollbook restore" in error.fix
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_ledger_that_was_cut_short_is_damaged_and_to_be_restored(tmp_path: Path, share: float) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(f"sqlite:///{path}") as ledger:
        for number in range(8):
            bought(ledger, number, os.urandom(9_000))
    os.truncate(path, int(path.stat().st_size * share))
    error = refusal(f"sqlite:///{path}")
    assert "damaged" in error.what
    assert "tollbook restore" in error.fix


def test_pages_that_were_overwritten_are_damage_too_when_they_are_read(tmp_path: Path) -> None:
    """Nothing but reading them tells: the schema is whole."""
    path = tmp_path / "ledger.db"
    with Ledger.open(f"sqlite:///{path}") as ledger:
        for number in range(8):
            bought(ledger, number, os.urandom(9_000))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size - size // 2))
    with Ledger.open(f"sqlite:///{path}") as ledger, pytest.raises(LedgerUnavailable) as raised:
        list(ledger.deliveries())
    assert "damaged" in raised.value.what
    assert "tollbook restore" in raised.value.fix
    assert not NOT_FOR_PEOPLE.search(raised.value.what)


def test_a_ledger_and_its_backup_are_for_this_user_only(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(f"sqlite:///{path}") as ledger:
        bought(ledger)
        files = [path, tmp_path / "ledger.db-wal", tmp_path / "ledger.db-shm"]
        assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3
        backup(f"sqlite:///{path}", tmp_path / "copy.db")
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600


def test_a_ledger_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(f"sqlite:///{path}").close()
    path.chmod(0o664)
    Ledger.open(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_page_that_is_damaged_is_found_before_the_books_are_trusted(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        for number in range(20):
            p.bought(ledger, number)
        assert ledger.verify_projection() == []
    path = tmp_path / "ledger.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xaa" * 4096 + whole[12288:])
    with Ledger.open(f"sqlite:///{path}") as ledger, pytest.raises(DamagedFile, match="the ledger is damaged"):
        ledger.verify_projection()
