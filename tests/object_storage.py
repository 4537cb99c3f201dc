"""An S3 server on loopback (moto), one per session, a bucket of its own for each test."""

from __future__ import annotations

import logging
import secrets
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.paths import ROOT

ACCESS_KEY, SECRET_KEY = "AKIATOLLBOOKTESTKEY0", "s3-secret-of-the-tests"


@dataclass(frozen=True)
class S3Server:
    """The server's address."""

    endpoint: str

    def request(self, method: str, path: str, data: bytes | None = None) -> bytes:
        """Send a request that needs no signature."""
        headers = {"Content-Type": "text/plain"}
        request = urllib.request.Request(f"{self.endpoint}/{path}", data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())

    def environment(self) -> dict[str, str]:
        """The variables with which a client finds it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
        }

    @contextmanager
    def checking_credentials(self) -> Iterator[None]:
        """Know nobody, so that every signature is refused."""
        self.request("POST", "moto-api/reset-auth", b"0")
        try:
            yield
        finally:
            self.request("POST", "moto-api/reset-auth", b"Infinity")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server that lives as long as the tests."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Server(f"http://{host}:{port}")
    server.stop()


S3RVER = ROOT / ".cache" / "s3rver-3.7.1" / "node_modules" / "s3rver" / "bin" / "s3rver.js"


@contextmanager
def s3rver(folder: Path) -> Iterator[S3Server]:
    """A second server, of another make: one that knows no conditional write. Has the bucket `bucket`."""
    if not S3RVER.exists() or shutil.which("node") is None:
        pytest.skip("s3rver is not installed: `make .venv/dev.stamp` fetches it where there is npm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["node", str(S3RVER), "-d", str(folder), "-a", "127.0.0.1", "-p", str(port)]
    command += ["--configure-bucket", "bucket"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            while b"listening" not in (line := process.stdout.readline()):
                assert line, "s3rver ended"
            yield S3Server(f"http://127.0.0.1:{port}")
        finally:
            process.kill()


@pytest.fixture
def s3_url(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address in an empty bucket; the environment has the credentials."""
    bucket = f"bucket-{secrets.token_hex(4)}"
    s3_server.request("PUT", bucket)
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://{bucket}/published"
