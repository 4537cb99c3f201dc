"""DuckDB's log beside a file: what a closing left in it is replayed, what anything else left or changed is not.

DuckDB adds up the words of an entry in any order: zeros over an even number of equal words pass its checksum, and are
replayed as data. Closing therefore notes length and CRC of the log. What lies behind that length was committed by a
process that died before it closed the file, and nobody has checked it; the ledger has it all.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from pathlib import Path

from payer.values.durable import close_to_others
from warehouse.errors import CacheDamaged


class WriteAheadLog:
    """The log of one file. Touch it only with the cache's lock, and while this process has the file closed: closing
    another handle on the log drops the lock that DuckDB has on it."""

    def __init__(self, file: Path) -> None:
        self.path = file.with_name(f"{file.name}.wal")
        self.note = file.with_name(f"{file.name}.closed")
        """Holds `length crc`, of the log as the last closing left it."""
        self._file = file

    def vouch(self) -> None:
        """Note what a closing left. Raises OSError."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            content = b""
        text = f"{len(content):020d} {zlib.crc32(content):08x}\n".encode()
        handle = os.open(self.note, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.read(handle, len(text) + 1) != text:
                os.pwrite(handle, text, 0)
        finally:
            os.close(handle)

    def noted(self) -> bytes:
        """The note of the last closing; empty where there is none."""
        try:
            return self.note.read_bytes()
        except FileNotFoundError:
            return b""

    def drop_unvouched(self) -> None:
        """Cut off what no closing left. Does nothing while another program has the log, and with a log from before
        there were notes. Raises CacheDamaged and OSError."""
        if not self.path.exists():
            self.vouch()
            return
        if not self.note.exists():
            return
        with self.path.open("r+b") as log:
            try:
                fcntl.lockf(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return
            length = self._vouched_length(log.read(), self.noted())
            log.truncate(length)
            if not length:
                self.path.unlink()

    def _vouched_length(self, content: bytes, note: bytes) -> int:
        try:
            length, crc = (int(number, base) for number, base in zip(note.split(), (10, 16), strict=True))
            intact = len(content) >= length and zlib.crc32(content[:length]) == crc
        except ValueError:
            intact = False
        if not intact:
            why = "the checksum of its log is not what the last closing noted"
            raise CacheDamaged(f"{self._file} can't be read ({why}): the next load rebuilds it")
        return length

    def remove(self) -> None:
        """Remove the log and the note."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def close_to_others(self) -> None:
        close_to_others(self.path, self.note)
