"""Send the local publication to object storage: contents, the version that names them, and last the pointer.

Readers go by the pointer, so they see the version before or this one, whole. Contents are named by their hash and sent
once: those that the newest versions name are there, those that a killed sender was at are asked for. The pointer is
written only if it still is as it was read (If-Match, If-None-Match), so that of two publishers one is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from payer.values.crashpoints import crash_point
from tollbook_bucket.documents import (
    CURRENT,
    Content,
    Current,
    Publisher,
    Version,
    content_name,
    digest_of,
    document_name,
    version_of,
)
from tollbook_bucket.errors import AnotherPublisher, BucketError, PublicationDamaged
from tollbook_bucket.store import BucketStore, Changed, Stored
from warehouse.bucket.expire import delete_expired, expire, read_version, unfinished
from warehouse.bucket.local_set import LocalSet, LocalSetChanged, open_local_set
from warehouse.bucket.memory import BucketMemory
from warehouse.snapshots.verify import sha256_of as sha256_of_file

CONNECTIONS = 8

_HASHED_AHEAD = 4
"""Segments that are in memory for it at most, of a megabyte each."""


class SendingStopped(Exception):
    """Raised when a stop was requested: what was sent stays, and the next sending goes on from there."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """The pointer as it was read; `current` None: nothing is published there yet."""

    current: Current | None
    stored: Stored | None


@dataclass(frozen=True, slots=True)
class SentPublication:
    """The result. `objects` and `bytes` were sent by this process; `unchanged`: all of it was there already."""

    url: str
    version: str
    sequence: int
    objects: int
    bytes: int
    total_bytes: int
    expired: int
    unchanged: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True)
class SendOptions:
    """`publisher` is this home; `may_replace` another home's publication; `verify` asks for every object by name
    instead of trusting what older versions say."""

    publisher: Publisher
    may_replace: bool = False
    verify: bool = False
    stopping: Callable[[], bool] = lambda: False


def read_pointer(bucket: BucketStore) -> Pointer:
    """Read the pointer. Raises BucketError."""
    stored = bucket.get(CURRENT)
    return Pointer(None if stored is None else Current.decode(stored.data, f"{bucket.url}/{CURRENT}"), stored)


def send(
    published: Path, bucket: BucketStore, pointer: Pointer, now: datetime, options: SendOptions
) -> SentPublication | None:
    """Send the local publication; None before the first one.

    Raises AnotherPublisher, other BucketErrors, SendingStopped, and LocalSetChanged where it has to be done again.
    """
    current = pointer.current
    is_ours = current is not None and current.publisher.home == options.publisher.home
    if current is not None and not is_ours and not options.may_replace:
        raise another_publisher(bucket, current)
    memory = BucketMemory(published, bucket.url)
    with open_local_set(published) as local:
        if local is None:
            return None
        manifest, state = digest_of(local.manifest), memory.state()
        shown = (state.version, state.identity, state.manifest)
        if (
            is_ours
            and current is not None
            and shown == (current.version, local.identity, manifest)
            and not options.verify
        ):
            memory.note(state.sent(current.version, current.sequence, local.identity, manifest, now))
            newest = read_version(bucket, memory, current.version)
            return SentPublication(
                bucket.url, current.version, current.sequence, 0, 0, newest.warehouse_bytes, 0, unchanged=True
            )
        return _send(bucket, memory, local, pointer, now, options)


def _send(
    bucket: BucketStore, memory: BucketMemory, local: LocalSet, pointer: Pointer, now: datetime, options: SendOptions
) -> SentPublication:
    older = _older_versions(bucket, memory, pointer.current)
    upload = _Upload(bucket, memory, options, {sha for version in older.values() for sha in version.contents()})
    warehouse, manifest, files = upload.everything(local)
    replaced = pointer.current.version if pointer.current else None
    left = unfinished(bucket, older.get(replaced or ""))
    kept, expired = expire(replaced, older, left, now)
    sequence = 1 + (pointer.current.sequence if pointer.current else 0)
    version = Version(sequence, now.isoformat(timespec="seconds"), warehouse, manifest, files, kept, expired)
    document = version.encode()
    name = version_of(sequence, document)
    crash_point("bucket.before_version")
    memory.keep_document(name, document)
    bucket.put(document_name(name), document)
    crash_point("bucket.before_pointer")
    current = Current(
        version=name,
        sha256=digest_of(document),
        sequence=sequence,
        published_at=version.published_at,
        publisher=options.publisher,
        ledger_seq=local.ledger_seq,
        ledger_mark=local.ledger_mark,
    )
    _replace_pointer(bucket, current, pointer.stored)
    crash_point("bucket.after_pointer")
    memory.note(memory.state().sent(name, sequence, local.identity, manifest.sha256, now))
    deleted, note = 0, None
    try:
        deleted = delete_expired(bucket, memory, name, version)
    except BucketError as error:
        note = f"older versions could not be deleted, which the next publication does: {error}"
    return SentPublication(
        bucket.url, name, sequence, upload.objects, upload.bytes, version.warehouse_bytes, deleted, note=note
    )


def _replace_pointer(bucket: BucketStore, current: Current, previous: Stored | None) -> None:
    """Write the pointer if it is as it was read. A write that was repeated after a lost answer finds itself there."""
    data = current.encode()
    try:
        bucket.put_if(CURRENT, data, previous)
    except Changed:
        present = read_pointer(bucket)
        if present.stored is not None and present.stored.data == data:
            return
        raise another_publisher(bucket, present.current) from None


def another_publisher(bucket: BucketStore, current: Current | None) -> AnotherPublisher:
    """The error for an address at which another home publishes, with whose it is and how to settle it."""
    who = f"the home {current.publisher.home[:8]} on {current.publisher.host}" if current else "another home"
    when = f", last at {current.published_at}" if current else ""
    return AnotherPublisher(
        f"{who} publishes at {bucket.url}{when}; nothing of it was replaced",
        "give each home an address of its own in TOLLBOOK_PUBLISH; if that home is gone and this one takes its place, "
        "run `tollbook publish --take-over` once",
    )


def _older_versions(bucket: BucketStore, memory: BucketMemory, current: Current | None) -> dict[str, Version]:
    """The newest version and those that it keeps, by name; one that can't be read is left out: its contents are sent
    again."""
    if current is None:
        return {}
    older: dict[str, Version] = {}
    try:
        older[current.version] = newest = read_version(bucket, memory, current.version)
    except PublicationDamaged:
        return {}
    for replaced in newest.kept:
        try:
            older[replaced.version] = read_version(bucket, memory, replaced.version)
        except PublicationDamaged:
            continue
    return older


class _Upload:
    """Contents on their way: several at once, each known one skipped. `objects` and `bytes` count what was sent."""

    def __init__(self, bucket: BucketStore, memory: BucketMemory, options: SendOptions, known: set[str]) -> None:
        self._bucket = bucket
        self._memory = memory
        self._stopping = options.stopping
        self._known = set[str]() if options.verify else known
        self._uncertain = memory.were_sending() | (known if options.verify else set())
        self._begun = set[str]()
        self.objects = 0
        self.bytes = 0

    def everything(self, local: LocalSet) -> tuple[tuple[Content, ...], Content, tuple[Content, ...]]:
        """Send the segments, the manifest and the Parquet files, and return them."""
        with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="bucket") as pool:
            running = set[Future[int | None]]()
            try:
                warehouse = tuple(self._all(pool, running, _hashed(local.segments())))
                [manifest] = self._all(
                    pool, running, [(digest_of(local.manifest), len(local.manifest), local.manifest)]
                )
                parquet = ((file.sha256, file.bytes, local.root / file.content) for file in local.files)
                files = tuple(self._all(pool, running, parquet))
                self._collect(wait(running).done)
            finally:
                for future in running:
                    future.cancel()
        return warehouse, manifest, files

    def _all(
        self,
        pool: ThreadPoolExecutor,
        running: set[Future[int | None]],
        contents: Iterable[tuple[str, int, bytes | Path]],
    ) -> Iterator[Content]:
        for sha256, size, data in contents:
            if self._stopping():
                raise SendingStopped
            if sha256 not in self._known and sha256 not in self._begun:
                self._begun.add(sha256)
                while len(running) >= CONNECTIONS:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    running -= done
                    self._collect(done)
                running.add(pool.submit(self._one, sha256, size, data))
            yield Content(sha256, size)

    def _collect(self, done: Iterable[Future[int | None]]) -> None:
        sizes = [size for future in done if (size := future.result()) is not None]
        self.objects += len(sizes)
        self.bytes += sum(sizes)

    def _one(self, sha256: str, size: int, data: bytes | Path) -> int | None:
        """Send one content and return its size; None where it is there already."""
        name = content_name(sha256)
        if sha256 in self._uncertain and self._bucket.size(name) == size:
            return None
        if isinstance(data, Path):
            _require(data, sha256)
        self._memory.sending(sha256)
        self._bucket.put(name, data)
        crash_point("bucket.content")
        return size


def _hashed(segments: Iterable[bytes]) -> Iterator[tuple[str, int, bytes]]:
    """Each segment with its hash and size. It is hashed while the next ones are read."""
    with ThreadPoolExecutor(1, thread_name_prefix="hash") as pool:
        ahead: deque[tuple[Future[str], bytes]] = deque()
        for segment in segments:
            ahead.append((pool.submit(digest_of, segment), segment))
            if len(ahead) > _HASHED_AHEAD:
                digest, data = ahead.popleft()
                yield digest.result(), len(data), data
        for digest, data in ahead:
            yield digest.result(), len(data), data


def _require(path: Path, sha256: str) -> None:
    """Raise LocalSetChanged for a Parquet file that is gone or damaged: the next publication replaces it."""
    try:
        intact = sha256_of_file(path) == sha256
    except FileNotFoundError:
        intact = False
    if not intact:
        raise LocalSetChanged(path.name)
