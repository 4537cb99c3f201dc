"""A world in a child process, for tests that kill it or that need its time on another core."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any


class WorldProcess:
    """Runs `tollbook sandbox`; `urls` are read from its ready line."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home, self._options = home, options
        self.urls: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> WorldProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        command = [sys.executable, "-m", "tollbook.cli.main", "sandbox", "--home", str(self.home), *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("ready "):
            self._process.wait(60)
            raise RuntimeError(f"the sandbox did not start: {line!r}")
        self.urls = dict(pair.split("=", 1) for pair in line.split()[1:])

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int:
        """SIGTERM and wait; the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL and wait."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(number)
        code = self._process.wait(60)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    @property
    def env(self) -> dict[str, str]:
        """The variables that sandbox.env exports."""
        lines = (self.home / "sandbox.env").read_text().splitlines()
        pairs = [shlex.split(line)[1].split("=", 1) for line in lines]
        return dict(pairs)

    def control(self, path: str, /, *, post: bool = False, **body: Any) -> Any:
        """POST to the control address with fields, GET without: control("/faults", name="slow"), control("/state")."""
        data = json.dumps(body).encode() if body or post else None
        request = urllib.request.Request(self.urls["control"] + path, data)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def rpc(self, method: str, /, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
        request = urllib.request.Request(self.urls["rpc"], body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())["result"]
