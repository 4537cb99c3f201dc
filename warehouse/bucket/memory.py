"""A home's notes on one address, under published/.private/bucket: advice that saves requests, never truth.

versions/<name>.json  documents of versions there, which never change
sending.log           hashes that were being sent when a sender died
state.json            the last success and the last failure, for `health`
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from tollbook_bucket.documents import digest_of


@dataclass(frozen=True, slots=True)
class SendingState:
    """The last look at an address. `identity` and `manifest` tell the local publication that `version` is.

    `problem` is what kept the newest publication from being sent since `since`; None when all is there.
    """

    url: str
    version: str | None = None
    sequence: int = 0
    sent_at: str | None = None
    identity: tuple[int, int] | None = None
    manifest: str | None = None
    problem: str | None = None
    advice: str | None = None
    since: str | None = None

    def sent(self, version: str, sequence: int, identity: tuple[int, int], manifest: str, at: datetime) -> SendingState:
        now = at.isoformat(timespec="seconds")
        return SendingState(self.url, version, sequence, now, identity, manifest)

    def failed(self, problem: str, advice: str, at: datetime) -> SendingState:
        since = self.since or at.isoformat(timespec="seconds")
        return replace(self, problem=problem, advice=advice, since=since)


class BucketMemory:
    """The folder for one address."""

    def __init__(self, published: Path, url: str) -> None:
        self._folder = published / ".private" / "bucket" / digest_of(url.encode())[:16]
        self._folder.joinpath("versions").mkdir(parents=True, exist_ok=True)
        self._url = url
        self._log = self._folder / "sending.log"

    @property
    def lock(self) -> Path:
        """The lock that a sender of this home holds."""
        return self._folder / "sender.lock"

    def state(self) -> SendingState:
        """Read the state; an empty one where there is none or it can't be read."""
        try:
            fields = json.loads((self._folder / "state.json").read_text("utf-8"))
            identity = fields.pop("identity")
            return SendingState(**fields, identity=None if identity is None else (int(identity[0]), int(identity[1])))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return SendingState(self._url)

    def note(self, state: SendingState) -> None:
        _write(self._folder / "state.json", json.dumps(asdict(state)).encode())

    def document(self, version: str) -> bytes | None:
        try:
            return (self._folder / "versions" / f"{version}.json").read_bytes()
        except FileNotFoundError:
            return None

    def keep_document(self, version: str, data: bytes) -> None:
        _write(self._folder / "versions" / f"{version}.json", data)

    def keep_only(self, versions: Iterable[str]) -> None:
        """Forget the documents of all other versions."""
        kept = {f"{version}.json" for version in versions}
        for path in (self._folder / "versions").glob("*.json"):
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def sending(self, sha256: str) -> None:
        """Note a hash before it is sent."""
        with self._log.open("a", encoding="ascii") as log:
            log.write(f"{sha256}\n")

    def were_sending(self) -> set[str]:
        """Hashes that a sender noted and no later one has settled."""
        try:
            lines = self._log.read_text("ascii", "replace").splitlines()
        except FileNotFoundError:
            return set()
        return {line for line in lines if len(line) == 64}

    def settled(self) -> None:
        self._log.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".draft")
    draft.write_bytes(data)
    os.replace(draft, path)
