"""Name why a connection failed: DNS, a certificate, a refusal. Never quotes a request, a header or a URL (I10)."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator


def network_cause(error: BaseException) -> str:
    """Describe the first known cause under a library's exception; its class name where none is known."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {getattr(cause, 'reason', None) or 'unknown reason'}"
        if isinstance(cause, socket.gaierror):
            return f"DNS does not know its name: {cause.strerror}"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
    return type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    waiting = [error]
    while waiting and len(seen) < 20:
        one = waiting.pop(0)
        seen.append(one)
        yield one
        inner = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        waiting += [each for each in (one.__cause__, one.__context__, *inner) if each and each not in seen]
