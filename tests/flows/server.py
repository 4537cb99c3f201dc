"""A Prefect server, its deployments and a worker, started by the very commands of docs/operating.md."""

from __future__ import annotations

import contextlib
import http
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.docs.page import PROJECT, commands
from tests.flows.blank_database import begin_with_one

DOCUMENTED_PORT = "4200"
BIN = Path(sys.executable).parent


def quiet_environment(home: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Return a child's environment: no telemetry, its own Prefect home, and only the TOLLBOOK_* variables given. The
    home begins with a database.

    Bytecode may be written: a dozen children that each compile Prefect take minutes. The worker polls often.
    """
    left_out = ("TOLLBOOK_", "PREFECT_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    quiet = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_HOME": str(home)}
    quiet["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "180"
    quiet["PREFECT_WORKER_QUERY_SECONDS"] = "2"
    made = {**kept, **quiet, "PATH": f"{BIN}{os.pathsep}{kept.get('PATH', '')}", **env}
    begin_with_one(home, made)
    return made


class Prefect:
    """`with Prefect(home, env) as prefect:` serves and deploys everything until the block ends. The worker is the
    caller's to start. A command of the page has `patience` seconds."""

    def __init__(
        self,
        home: Path,
        env: Mapping[str, str],
        *,
        before_deploying: Callable[[Prefect], None] = lambda _: None,
        patience: float = 200,
    ) -> None:
        self.home, self._before_deploying, self._patience = home, before_deploying, patience
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.env = {**quiet_environment(home, env), "PREFECT_API_URL": self.api}
        self.said: dict[str, str] = {}
        self._children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Prefect:
        try:
            for command in commands("sh prefect"):
                self._obey(command)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _obey(self, command: list[str]) -> None:
        """One line of the page. Those that run a deployment are left to the tests."""
        match command:
            case ["export", assignment]:
                assert assignment == f"PREFECT_API_URL=http://127.0.0.1:{DOCUMENTED_PORT}/api"
            case ["prefect", "server", "start", *_]:
                self.server = self._start(
                    [word if word != DOCUMENTED_PORT else self.port for word in command], "server.log"
                )
                self.wait("the server is up", lambda: self.get("/health"), seconds=180)
                self._before_deploying(self)
            case ["prefect", "worker", "start", *_]:
                self._work = command
            case ["prefect", "deployment", *_]:
                pass
            case _:
                self.run(*command)

    def start_worker(self) -> None:
        self.worker = self._start(self._work, "worker.log", "ab")

    def runs_of_worker(self) -> list[str]:
        """Ids of the processes that the worker has started and that have not ended."""
        threads = Path(f"/proc/{self.worker.pid}/task").iterdir()
        return [child for thread in threads for child in (thread / "children").read_text().split()]

    def stop_worker(self) -> bool:
        """Send the worker SIGTERM, wait for its end, and start another; tell whether it obeyed the first signal.

        Prefect 3.9.1 sometimes says that it has the signal and goes on; a person would send it again, and by the second
        one the worker kills itself.
        """
        for meant in (0, -signal.SIGKILL):
            self.worker.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                assert self.worker.wait(60) == meant
                break
        self.worker.wait(1)
        self.start_worker()
        return meant == 0

    def run(self, *command: str) -> str:
        """A command of the page, to its end; what it printed."""
        done = subprocess.run(
            command, env=self.env, cwd=PROJECT, capture_output=True, text=True, timeout=self._patience
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        self.said[" ".join(command)] = done.stdout
        return done.stdout

    def get(self, path: str) -> Any:
        return self._ask(urllib.request.Request(self.api + path))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        headers = {"content-type": "application/json"}
        return self._ask(urllib.request.Request(self.api + path, json.dumps(body).encode(), headers))

    def automation(self, name: str) -> dict[str, Any]:
        """The parts that an automation is made of; the server has one of the name."""
        [found] = [each for each in self.post("/automations/filter", {}) if each["name"] == name]
        parts = ("description", "enabled", "tags", "trigger", "actions", "actions_on_trigger", "actions_on_resolve")
        return {"name": name, **{part: found[part] for part in parts if part in found}}

    def patch(self, path: str, body: Mapping[str, Any]) -> None:
        self.put(path, body, method="PATCH")

    def put(self, path: str, body: Mapping[str, Any], *, method: str = "PUT") -> None:
        headers = {"content-type": "application/json"}
        self._ask(urllib.request.Request(self.api + path, json.dumps(body).encode(), headers, method=method))

    def delete(self, path: str) -> None:
        self._ask(urllib.request.Request(self.api + path, method="DELETE"))

    def wait(self, what: str, condition: Callable[[], Any], *, seconds: float = 180) -> Any:
        """Poll until the condition gives something."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if found := condition():
                    return found
            except OSError:
                pass
            time.sleep(0.5)
        raise TimeoutError(f"{what}: not within {seconds} s\n{self.log('server')}\n{self.log('worker')}")

    def log(self, name: str) -> str:
        path = self.home / f"{name}.log"
        return path.read_text()[-6000:] if path.exists() else ""

    def _ask(self, request: urllib.request.Request) -> Any:
        """Prefect says 503 while its database is busy with another's write: nothing was done, ask again."""
        for pause in (0.2, 0.5, 1, 2, 4, 8):
            try:
                return self._ask_once(request)
            except urllib.error.HTTPError as busy:
                busy.close()
                if busy.code != http.HTTPStatus.SERVICE_UNAVAILABLE:
                    raise
            time.sleep(pause)
        return self._ask_once(request)

    def _ask_once(self, request: urllib.request.Request) -> Any:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def _start(self, command: list[str], log: str, mode: str = "wb") -> subprocess.Popen[bytes]:
        with (self.home / log).open(mode) as out:
            child = subprocess.Popen(command, env=self.env, cwd=PROJECT, stdout=out, stderr=out)
        self._children.append(child)
        return child

    def _stop(self) -> None:
        for child in reversed(self._children):
            child.send_signal(signal.SIGTERM)
        for child in self._children:
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
