"""Symbols of tokens by their ids, as published, for people who read calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sources import registry
from warehouse.query import query, update_errors

TOKEN_ID = "token_id"
"""The key column of datasets that are sold by token."""

_READ_AGAIN_SECONDS = 60.0


class KeyNames:
    """A token's symbol where the published file knows it; else the key itself. Reads that file when it must, rarely."""

    def __init__(self, home: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._home, self._clock = home, clock
        self._symbols: dict[str, str] = {}
        self._read_at: float | None = None

    def __call__(self, dataset: str, key: str) -> str:
        if not _is_token(dataset):
            return key
        if key not in self._symbols and (self._read_at is None or self._clock() - self._read_at > _READ_AGAIN_SECONDS):
            self._read_at = self._clock()
            self._symbols = self._read()
        return self._symbols.get(key, key)

    def _read(self) -> dict[str, str]:
        """Symbols by id; what was known where nothing can be read now: names are a courtesy."""
        try:
            _, rows = query(self._home, "SELECT token_id::VARCHAR, token_symbol FROM tokens WHERE token_symbol <> ''")
        except update_errors():
            return self._symbols
        return dict(rows)


def _is_token(dataset: str) -> bool:
    try:
        return registry.dataset(dataset).key_column == TOKEN_ID
    except registry.UnknownName:
        return False
