"""A string type for secrets that are sent and never displayed."""

from __future__ import annotations


class SecretStr(str):
    """Text to send and never to show: signatures, payment headers (I10). Its repr hides it, in tracebacks too."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"
