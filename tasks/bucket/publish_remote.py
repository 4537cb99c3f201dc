"""Send what is published here, and the report's page beside it, to object storage (TOLLBOOK_PUBLISH).

No trouble there reaches payments or local files. What keeps a publication from being sent is returned and remembered,
never raised: `health` finds it, and the next publication sends all that is missing.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from tasks.workspace.workspace import Workspace
from tollbook_bucket.address import parse_address
from tollbook_bucket.documents import REPORT, Publisher
from tollbook_bucket.errors import BadAddress, BucketError, StoreUnreachable
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
from warehouse.publish.publication import RemotePublication

ROUNDS = 3
"""Times that one call sends: once more for each publication that came while it was sending."""

MOST_SECONDS = 600.0
"""Longest that one call sends: over a slow connection each publication goes on where the one before stopped."""

WAIT_SECONDS = 30.0
"""Longest wait for another process of this home that is sending: it, or the next one, sends what is new."""


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
    except BucketError as error:
        what = f"TOLLBOOK_PUBLISH: {error.what}" if isinstance(error, BadAddress) else error.what
        return _remembered(ws, RemotePublication(shown, problem=what, advice=error.advice, exit_code=error.exit_code))
    except _NotNow as reason:
        advice = "run `tollbook publish` to send it now"
        return RemotePublication(shown, problem=str(reason), advice=advice, exit_code=4)
    except Exception as error:  # noqa: BLE001 - whatever it is, a run that paid and published ends as it would without
        disk = error.strerror if isinstance(error, OSError) else None
        words = disk or f"an unexpected {type(error).__name__}"
        advice = "see free space and permissions under TOLLBOOK_HOME (`tollbook doctor`)"
        return _remembered(ws, RemotePublication(shown, problem=words, advice=advice, exit_code=6))
    if sent is None:
        return RemotePublication(shown)
    return RemotePublication(shown, sent.version, sent.unchanged, sent.objects, sent.bytes, sent.expired, sent.note)


async def send_rewritten(ws: Workspace) -> RemotePublication | None:
    """Send what was rewritten here without being bought: compacted, or rebuilt.

    Workers of one ledger leave that to the one whose home the published set is in.
    """
    given = ws.settings.publish_url
    if given is None or (await ws.in_thread(lambda: ws.ledger.workers.share) and not _was_sent(ws.home, given)):
        return None
    return await publish_remote(ws)


def _was_sent(home: Path, given: str) -> bool:
    """True when this home has published at the address before."""
    with suppress(BadAddress):
        return BucketMemory(home / "published", parse_address(given).url).state().version is not None
    return False


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
        until = time.monotonic() + MOST_SECONDS
        options = SendOptions(publisher, may_replace, verify, lambda: ws.stop.requested or time.monotonic() > until)
        return await asyncio.to_thread(_rounds, ws.home / "published", bucket, pointer, ws.clock.now, options)
    except SendingStopped:
        if ws.stop.requested:
            raise _NotNow("a stop was requested while it was being sent") from None
        slow = f"sending to {bucket.url} takes longer than {MOST_SECONDS / 60:.0f} minutes"
        raise StoreUnreachable(slow, "what was sent stays; run `tollbook publish` to go on from there") from None
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
        if before == identity_of(published):
            return sent
        pointer = read_pointer(bucket)
    if sent is None:
        raise _NotNow("what is published here was being replaced")
    return sent


def _remembered(ws: Workspace, failed: RemotePublication) -> RemotePublication:
    """Keep a failure for `health`, where the disk takes it."""
    with suppress(OSError):
        memory = BucketMemory(ws.home / "published", failed.url)
        memory.note(memory.state().failed(failed.problem or "", failed.advice or "", ws.clock.now()))
    return failed


def home_id(home: Path) -> str:
    """Return the id of this home, which tells its publications from another's; made at first use."""
    known = known_home_id(home)
    if known is not None:
        return known
    made = secrets.token_hex(16)
    (home / "state").mkdir(parents=True, exist_ok=True)
    (home / "state" / "publisher").write_text(f"{made}\n", "ascii")
    return made


def known_home_id(home: Path) -> str | None:
    """Return the id of this home, None before its first publication at an address."""
    try:
        known = (home / "state" / "publisher").read_text("ascii").strip()
    except FileNotFoundError:
        return None
    return known if len(known) == 32 else None


HTML = "text/html; charset=utf-8"


async def send_page(ws: Workspace, page: Path) -> str:
    """Send the page where TOLLBOOK_PUBLISH says; return where it is, or why it is not there. "" where it says nothing.

    Only the home that publishes at an address sends its page there: another home's shows other books.
    """
    given = ws.settings.publish_url
    if given is None:
        return ""
    try:
        bucket = await asyncio.to_thread(open_bucket, parse_address(given), ws.store_variables)
        return await asyncio.to_thread(_sent, bucket, known_home_id(ws.home), page)
    except BucketError as error:
        return f"not sent: {error.what}"


def _sent(bucket: BucketStore, home: str | None, page: Path) -> str:
    current = read_pointer(bucket).current
    if current is None:
        return f"not sent: nothing is published at {bucket.url} yet"
    if current.publisher.home != home:
        return f"not sent: the home {current.publisher.home[:8]} on {current.publisher.host} publishes at {bucket.url}"
    bucket.put(REPORT, page, HTML)
    return f"{bucket.url}/{REPORT}"
