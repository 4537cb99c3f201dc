"""Keep older versions for a while, then delete what only they name.

The pointer's version lists the versions that it keeps, and those that are to be deleted. Deleting begins once the
pointer names that version, so nobody is sent to what goes; a deletion that was killed is begun again by the next one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from payer.values.crashpoints import crash_point
from tollbook_bucket.documents import Replaced, Version, content_name, document_name
from tollbook_bucket.errors import PublicationDamaged
from tollbook_bucket.store import BucketStore
from warehouse.bucket.memory import BucketMemory

KEPT_FOR = timedelta(days=1)
"""Time for which a version can be read after it was replaced."""
KEPT_AT_LEAST = 2
"""Versions before the newest that are kept however old: the next one is most like one of them."""


def expire(
    replaced: str | None, older: Mapping[str, Version], unfinished: Sequence[str], now: datetime
) -> tuple[tuple[Replaced, ...], tuple[str, ...]]:
    """Return the versions to keep when `replaced` is no longer the newest, newest first, and those to delete, with the
    `unfinished`."""
    if replaced is None or replaced not in older:
        return (), tuple(unfinished)
    candidates = [Replaced(replaced, now.isoformat(timespec="seconds")), *older[replaced].kept]
    kept = tuple(
        each
        for place, each in enumerate(candidates)
        if each.version in older
        and (place < KEPT_AT_LEAST or now - datetime.fromisoformat(each.replaced_at) <= KEPT_FOR)
    )
    names = {each.version for each in kept}
    gone = [each.version for each in candidates if each.version not in names]
    return kept, tuple(dict.fromkeys([*gone, *unfinished]))


def unfinished(bucket: BucketStore, version: Version | None) -> tuple[str, ...]:
    """The versions whose deletion `version` ordered and nobody finished: their documents go last."""
    names = version.expired if version is not None else ()
    return tuple(name for name in names if bucket.size(document_name(name)) is not None)


def delete_expired(bucket: BucketStore, memory: BucketMemory, name: str, version: Version) -> int:
    """Delete what only expired versions name, and what killed senders left. Returns the number of objects deleted.

    `version` is what the pointer names. Nothing that it or a kept version names is deleted. Raises BucketError.
    """
    kept_names = [each.version for each in version.kept]
    wanted = {*version.contents()}
    for kept in kept_names:
        wanted |= {*read_version(bucket, memory, kept).contents()}
    deleted = 0
    for gone in version.expired:
        deleted += _delete_version(bucket, memory, gone, wanted)
    left_behind = memory.were_sending() - wanted
    for sha256 in sorted(left_behind):
        bucket.delete(content_name(sha256))
    memory.settled()
    memory.keep_only([name, *kept_names])
    return deleted + len(left_behind)


def _delete_version(bucket: BucketStore, memory: BucketMemory, gone: str, wanted: set[str]) -> int:
    try:
        contents = {*read_version(bucket, memory, gone).contents()} - wanted
    except PublicationDamaged:
        contents = set()
    for sha256 in sorted(contents):
        bucket.delete(content_name(sha256))
        crash_point("bucket.expired_content")
    bucket.delete(document_name(gone))
    return len(contents) + 1


def read_version(bucket: BucketStore, memory: BucketMemory, name: str) -> Version:
    """Read a version's document, from memory where it was seen before. Raises PublicationDamaged, BucketError."""
    where = f"{bucket.url}/{document_name(name)}"
    data = memory.document(name)
    if data is None:
        stored = bucket.get(document_name(name))
        if stored is None:
            raise PublicationDamaged(f"{where} is gone", "run `tollbook publish --verify` on the publisher's machine")
        data = stored.data
        memory.keep_document(name, data)
    return Version.decode(data, where)
