"""Bodies that came while the ledger could not be written: a private file each, until a recovery books them (I4).

Whatever dies on the way: before the file has its name, the body is lost as if it had never been read, and the purchase
is still exposed; once it has, a recovery books it; one that dies between booking and removing finds it booked.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from payer.http.outcome import Answer

_KEPT_HEADERS = ("content-type", "content-encoding", "payment-response", "x-payment-response")


@dataclass(frozen=True, slots=True)
class Spooled:
    """One answer as it came, and whose it is."""

    purchase_id: str
    at: datetime
    answer: Answer
    path: Path


class _Label(msgspec.Struct, frozen=True):
    """The first line of a file; what follows it is the body."""

    purchase_id: str
    at: datetime
    status: int
    headers: Mapping[str, str]
    elapsed: float
    note: str
    sha256: str


class Spool:
    """The files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, purchase_id: str, answer: Answer, at: datetime) -> Path:
        """Keep an answer, durable when this returns. Raises OSError. A purchase's first body stays."""
        path = self._folder / f"{purchase_id}.body"
        if path.exists():
            return path
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        headers = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
        sha256 = hashlib.sha256(answer.body).hexdigest()
        label = _Label(purchase_id, at, answer.status, headers, answer.elapsed, answer.note, sha256)
        unfinished = path.with_suffix(f".{os.getpid()}")
        try:
            _write(unfinished, msgspec.json.encode(label) + b"\n" + answer.body)
            unfinished.rename(path)
        except OSError:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise
        _sync(self._folder)
        return path

    def waiting(self) -> list[Spooled]:
        """What is to be booked. A file that is not as it was written is left where it lies."""
        found = [_read(path) for path in sorted(self._folder.glob("*.body"))]
        return [one for one in found if one is not None]


def _read(path: Path) -> Spooled | None:
    head, _, body = path.read_bytes().partition(b"\n")
    try:
        label = msgspec.json.decode(head, type=_Label)
    except msgspec.DecodeError:
        return None
    if hashlib.sha256(body).hexdigest() != label.sha256:
        return None
    answer = Answer(label.status, label.headers, body, label.elapsed, note=label.note)
    return Spooled(label.purchase_id, label.at, answer, path)


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
