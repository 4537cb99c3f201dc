"""Keep bodies that arrived while the ledger could not be written, one private file each, until a recovery books them.

If the process dies before the file has its name, the body is lost as if it had never been read, and the purchase is
still exposed. Once it has its name, a recovery books it (I4). A recovery that dies between booking and removing finds
it booked.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from payer.http.exchange import Answer
from payer.values.durable import fsync_path, make_private_folder, unfinished_name, write_new_file

_KEPT_HEADERS = ("content-type", "content-encoding", "payment-response", "x-payment-response")


@dataclass(frozen=True, slots=True)
class Spooled:
    """One answer as it arrived, with the purchase it belongs to."""

    purchase_id: str
    at: datetime
    answer: Answer
    path: Path


class _Label(msgspec.Struct, frozen=True):
    """The first line of a file; the body follows it."""

    purchase_id: str
    at: datetime
    status: int
    headers: Mapping[str, str]
    elapsed: float
    note: str
    sha256: str


class Spool:
    """The spool files of one folder, which is made on the first `put`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, purchase_id: str, answer: Answer, at: datetime) -> Path:
        """Write an answer durably and return its path. A purchase's first body stays. Raises OSError."""
        path = self._folder / f"{purchase_id}.body"
        if path.exists():
            return path
        make_private_folder(self._folder)
        headers = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
        sha256 = hashlib.sha256(answer.body).hexdigest()
        label = _Label(purchase_id, at, answer.status, headers, answer.elapsed, answer.note, sha256)
        unfinished = unfinished_name(path)
        try:
            write_new_file(unfinished, msgspec.json.encode(label) + b"\n" + answer.body)
            unfinished.rename(path)
        except OSError:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise
        fsync_path(self._folder)
        return path

    def waiting(self) -> list[Spooled]:
        """Read the answers that are to be booked. A damaged file is left in place and not returned."""
        answers = [_read(path) for path in sorted(self._folder.glob("*.body"))]
        return [answer for answer in answers if answer is not None]


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
