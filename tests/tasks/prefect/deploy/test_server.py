"""The server of PREFECT_API_URL: set or not, there or not, Prefect or a stranger, or still starting."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from payer.values.errors import Misconfigured


class Stranger(BaseHTTPRequestHandler):
    """Answers every request with the server's `body`."""

    server: Listening

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


class Listening(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, body: bytes, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Stranger)
        self.body = body


@contextmanager
def listening(body: bytes, port: int = 0) -> Iterator[str]:
    server = Listening(body, port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/api"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait(url: str, seconds: float = 0) -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    from tasks.prefect.deploy.deploy import wait_for_server

    with temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}):
        asyncio.run(wait_for_server(url, seconds))


VERSION = b'"3.8.8"'


def test_without_a_url_there_is_nothing_to_deploy_to() -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from tasks.prefect.deploy.deploy import api_url

    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(Misconfigured, match="PREFECT_API_URL is not set") as error,
    ):
        api_url()
    assert "export PREFECT_API_URL=" in error.value.fix


def test_a_server_that_is_not_there_ends_with_exit_6_naming_the_variable() -> None:
    from tasks.prefect.deploy.deploy import PrefectUnreachable

    url = f"http://127.0.0.1:{free_port()}/api"
    with pytest.raises(PrefectUnreachable, match=f"PREFECT_API_URL: no Prefect server answers at {url}") as error:
        wait(url)
    assert error.value.exit_code == 6
    assert "none was sent" in error.value.money


@pytest.mark.parametrize("body", [b"<html>a captive portal</html>", b"true", b'{"version": 3}'])
def test_a_stranger_at_its_address_is_no_prefect_server(body: bytes) -> None:
    from tasks.prefect.deploy.deploy import PrefectUnreachable

    with listening(body) as url, pytest.raises(PrefectUnreachable):
        wait(url)


def test_one_that_is_starting_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.prefect.deploy import deploy as deploying

    monkeypatch.setattr(deploying, "PAUSE_SECONDS", 0.05)
    port, started = free_port(), []

    def start() -> None:
        started.append(listening(VERSION, port))
        started[0].__enter__()

    later = threading.Timer(0.3, start)
    later.start()
    try:
        wait(f"http://127.0.0.1:{port}/api", 30)
    finally:
        later.join()
        started[0].__exit__(None, None, None)


def test_a_password_in_the_url_is_not_shown() -> None:
    from tasks.prefect.deploy.deploy import shown

    assert shown("https://user:secret@prefect.example:4200/api") == "https://prefect.example:4200/api"
    assert shown("https://user:secret@prefect.example/api") == "https://prefect.example/api"
