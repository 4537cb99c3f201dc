"""Send what is published here to object storage (TOLLBOOK_PUBLISH). No trouble there reaches payments or local files.

What keeps it from being sent is returned and remembered, never raised: `health` finds it, and the next publication
sends all that is missing.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from tollbook_bucket.address import parse_address
from tollbook_bucket.documents import Publisher
from tollbook_bucket.errors import BadAddress, BucketError
from tollbook_bucket.store import BucketStore, open_bucket
from warehouse.bucket.local_set import LocalSetChanged, identity_of
from warehouse.bucket.memory import BucketMemory
from warehouse.bucket.send import (
    Pointer,
    SendingStopped,
    SendOptions,
    SentPublication,
    another_publisher,
    read_pointer,
    send,
)

if TYPE_CHECKING:
    from tasks.workspace.workspace import Workspace
    from warehouse.publish.publication import Publication

ROUNDS = 3
"""Times that one call sends: once more for each publication that came while it was sending."""

WAIT_SECONDS = 30.0
"""Longest wait for another process of this home that is sending: it, or the next one, sends what is new."""


@dataclass(frozen=True, slots=True)
class RemotePublication:
    """The result of sending to `url`. `sent` is None where nothing could be, or there is nothing yet; `problem` and
    `advice` then say why. `exit_code` is that of sending by hand: a run's is not changed by it."""

    url: str
    sent: SentPublication | None = None
    problem: str | None = None
    advice: str | None = None
    exit_code: int = 0

    @property
    def text(self) -> str:
        """One line for people."""
        if self.problem is not None:
            return f"not published at {self.url}: {self.problem}; {self.advice}"
        if self.sent is None:
            return f"nothing is published here yet that could be sent to {self.url}"
        if self.sent.unchanged:
            return f"{self.url} has all of it already"
        note = f"; {self.sent.note}" if self.sent.note else ""
        return f"published at {self.url}: {self.sent.objects} objects, {self.sent.bytes / 1e6:,.1f} MB{note}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for a run: trouble only."""
        if self.problem is not None:
            return (f"{self.text}. Payments and local files are not affected, the next publication sends it",)
        return (self.sent.note,) if self.sent is not None and self.sent.note else ()

    def document(self) -> dict[str, Any]:
        sent = self.sent
        return {
            "url": self.url,
            "ok": self.problem is None,
            "version": sent.version if sent else None,
            "unchanged": sent.unchanged if sent else None,
            "objects": sent.objects if sent else 0,
            "bytes": sent.bytes if sent else 0,
            "expired": sent.expired if sent else 0,
            "problem": self.problem,
            "advice": self.advice,
        }


async def publish_remote(
    ws: Workspace, *, elected: bool = False, take_over: bool = False, verify: bool = False
) -> RemotePublication | None:
    """Send the local publication where TOLLBOOK_PUBLISH says; None where it says nothing. Raises nothing of the store.

    `elected`: this process is the one publisher of its ledger, and may follow another that published for the same one.
    `take_over`: an operator says that this home takes the place of the one that published there before. `verify`: ask
    the store for every object instead of trusting what older versions name.
    """
    given = ws.settings.publish_url
    if given is None:
        return None
    shown = "the address in TOLLBOOK_PUBLISH"
    try:
        shown = parse_address(given).url
        bucket = await asyncio.to_thread(open_bucket, parse_address(given), ws.store_variables)
        sent = await _send_locked(ws, bucket, elected=elected, take_over=take_over, verify=verify)
        return RemotePublication(shown, sent)
    except BucketError as error:
        what = f"TOLLBOOK_PUBLISH: {error.what}" if isinstance(error, BadAddress) else error.what
        return _remembered(ws, RemotePublication(shown, None, what, error.advice, error.exit_code))
    except _NotNow as reason:
        return RemotePublication(shown, None, str(reason), "run `tollbook publish` to send it now", 4)


async def with_remote(ws: Workspace, done: Publication) -> Publication:
    """Send what was just published here; trouble becomes a note of it."""
    remote = await publish_remote(ws)
    notes = remote.notes if remote is not None else ()
    return replace(done, note="; ".join(filter(None, [done.note, *notes])) or None)


class _NotNow(Exception):
    """Raised where sending is left to another process, or to later."""


async def _send_locked(
    ws: Workspace, bucket: BucketStore, *, elected: bool, take_over: bool, verify: bool
) -> SentPublication | None:
    publisher = Publisher(home_id(ws.home), socket.gethostname())
    lock = FileLock(BucketMemory(ws.home / "published", bucket.url).lock, thread_local=False)
    try:
        await asyncio.to_thread(lock.acquire, WAIT_SECONDS)
    except Timeout:
        raise _NotNow("another process of this home is sending") from None
    try:
        pointer = await asyncio.to_thread(read_pointer, bucket)
        current, may_replace = pointer.current, take_over
        if current is not None and current.publisher.home != publisher.home and elected and not take_over:
            mark = await ws.in_thread(ws.ledger.mark, current.ledger_seq)
            may_replace = current.ledger_mark is not None and mark == current.ledger_mark
            if not may_replace:
                raise another_publisher(bucket, current)
        options = SendOptions(publisher, may_replace, verify, lambda: ws.stop.requested)
        return await asyncio.to_thread(_rounds, ws.home / "published", bucket, pointer, ws.clock.now, options)
    finally:
        lock.release()


def _rounds(
    published: Path, bucket: BucketStore, pointer: Pointer, now: Callable[[], datetime], options: SendOptions
) -> SentPublication | None:
    """Send until the local publication is the one that was sent."""
    sent = None
    for _ in range(ROUNDS):
        before = identity_of(published)
        try:
            sent = send(published, bucket, pointer, now(), options)
        except LocalSetChanged:
            before = None
        except SendingStopped:
            raise _NotNow("a stop was requested while it was being sent") from None
        if before == identity_of(published):
            return sent
        pointer = read_pointer(bucket)
    if sent is None:
        raise _NotNow("what is published here was being replaced")
    return sent


def _remembered(ws: Workspace, failed: RemotePublication) -> RemotePublication:
    """Keep a failure for `health`."""
    memory = BucketMemory(ws.home / "published", failed.url)
    memory.note(memory.state().failed(failed.problem or "", failed.advice or "", ws.clock.now()))
    return failed


def home_id(home: Path) -> str:
    """Return the id of this home, which tells its publications from another's; made at first use."""
    path = home / "state" / "publisher"
    try:
        known = path.read_text("ascii").strip()
    except FileNotFoundError:
        known = ""
    if len(known) == 32:
        return known
    path.parent.mkdir(parents=True, exist_ok=True)
    made = secrets.token_hex(16)
    path.write_text(f"{made}\n", "ascii")
    return made
