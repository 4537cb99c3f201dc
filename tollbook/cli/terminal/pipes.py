"""Output whose reader may leave: `tollbook costs | head` ends quietly, and a run goes on paying and booking."""

from __future__ import annotations

import os
import select
import sys
import time
from typing import Any, TextIO


class LeavableStream:
    """A text stream that drops what is written once nobody reads it; everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._leave()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._leave()

    def _leave(self) -> None:
        """Point the descriptor elsewhere: the interpreter flushes it once more at its end."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def let_readers_leave() -> None:
    """Make stdout and stderr leavable. The exit code stays the verb's, whoever reads."""
    sys.stdout, sys.stderr = LeavableStream(sys.stdout), LeavableStream(sys.stderr)


def reader_left(stream: Any, seconds: float) -> bool:
    """Wait, and return True as soon as nobody reads the stream any more: a pipe whose reader ended, a closed terminal.

    A program that writes rarely would else notice it at its next line only.
    """
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
    except (AttributeError, OSError, ValueError):
        time.sleep(seconds)
        return False
    return bool(poll.poll(seconds * 1000))
