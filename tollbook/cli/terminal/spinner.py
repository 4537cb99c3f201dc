"""A word on what a command is doing, shown at once. Imports nothing slow: it is there before what is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self


class Spinner:
    """Shows on stderr what a command is doing while nothing else is shown there; nothing where it is no terminal."""

    def __init__(self, console: Any = None) -> None:
        self._console = console
        self._status: Any = None

    def __call__(self, words: str) -> None:
        if self._console is None:
            if not sys.stderr.isatty():
                return
            from rich.console import Console

            self._console = Console(stderr=True)
        self.end()
        self._status = self._console.status(f"{words} …", spinner="dots")
        self._status.start()

    @contextmanager
    def saying(self, words: str) -> Iterator[Self]:
        """Show the words until the block ends, or `end` is called."""
        self(words)
        try:
            yield self
        finally:
            self.end()

    def end(self) -> None:
        """Clear it, for what is printed next."""
        if self._status is not None:
            self._status.stop()
            self._status = None
