"""A connection that fails is named as what it is: DNS, a certificate, a refusal; never with a request in it (I10)."""

from __future__ import annotations

import socket
import ssl

import httpx
import pytest

from payer.http.pool import _WORDS, network_cause


class RemoteProtocolError(Exception):
    """By its name as httpx's own, which is imported late."""


def wrapped(inner: BaseException) -> Exception:
    outer = RuntimeError("X-PAYMENT: secret")
    middle = ConnectionError("https://rpc.example/key")
    middle.__cause__ = inner
    outer.__context__ = middle
    return outer


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("inner", "named"),
    [
        (untrusted(), "its certificate is not trusted: self-signed certificate"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "TLS failed"),
        (socket.gaierror(-2, "Name or service not known"), "DNS does not know its name: Name or service not known"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (OSError(101, "Network is unreachable"), "network is unreachable"),
        (ValueError("X-PAYMENT: secret"), "RuntimeError"),
        (ExceptionGroup("all failed", [OSError(113, "No route to host")]), "no route to host"),
    ],
    ids=["certificate", "tls", "dns", "refused", "network", "unknown", "several-addresses"],
)
def test_the_cause_is_found_below_the_librarys_own_error(inner: BaseException, named: str) -> None:
    said = network_cause(wrapped(inner))
    assert said.startswith(named)
    assert "secret" not in said
    assert "rpc.example" not in said


def test_an_answer_that_ends_early_is_told_from_one_that_is_no_http_and_neither_is_quoted() -> None:
    cut = RemoteProtocolError("peer closed connection without sending complete message body (received 4 bytes)")
    assert network_cause(cut) == "it was closed before the answer was whole"
    assert network_cause(RemoteProtocolError("illegal status line: b'secret'")) == "what came is not valid HTTP"


@pytest.mark.parametrize("name", [*_WORDS, "RemoteProtocolError"])
def test_the_libraries_own_names_are_said_in_words(name: str) -> None:
    error = getattr(httpx, name)("said by the library")
    assert name not in network_cause(error)
