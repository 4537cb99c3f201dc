"""A reader's copy: whole, checked, fetched once; and what it says when it can't be had. No store is ever listed."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tollbook_bucket import fetch as module
from tollbook_bucket.documents import (
    CURRENT,
    HEADER_BYTES,
    SEGMENT_BYTES,
    Content,
    Current,
    Publisher,
    Version,
    digest_of,
    document_name,
    version_of,
)
from tollbook_bucket.errors import NewerLayout, NothingPublished, PublicationDamaged, StoreUnreachable
from tollbook_bucket.fetch import Copies, OldCopy, fetch, fetch_newest
from tollbook_bucket.store import Stored

URL = "s3://bucket/prefix"


@dataclass
class ReadOnlyStore:
    """Objects in memory that can be read by name, which is all that a reader does. `asked` are the names, in order."""

    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda name: None
    url: str = URL

    def get(self, name: str) -> Stored | None:
        self.before(name)
        self.asked.append(name)
        data = self.objects.get(name)
        return None if data is None else Stored(data, None)

    def publish(self, sequence: int, data: bytes) -> str:
        """Put a file there as a publisher does; return its version."""
        ends = [0, *range(HEADER_BYTES, len(data), SEGMENT_BYTES), len(data)]
        parts = [data[start:end] for start, end in itertools.pairwise(ends)]
        contents = tuple(Content(digest_of(part), len(part)) for part in parts)
        self.objects |= {content.name: part for content, part in zip(contents, parts, strict=True)}
        document = Version(sequence, "2026-11-29T12:00:00+00:00", contents, contents[0], ()).encode()
        name = version_of(sequence, document)
        self.objects[document_name(name)] = document
        current = Current(name, digest_of(document), sequence, "2026-11-29", Publisher("a", "b"), 1, None)
        self.objects[CURRENT] = current.encode()
        return name


def noise(seed: int, segments: int = 4) -> bytes:
    """A file of that many segments behind its header, each of its own bytes."""
    parts = [f"{seed}".encode() * HEADER_BYTES]
    parts += [bytes([number + 1]) * SEGMENT_BYTES for number in range(segments)]
    return parts[0][:HEADER_BYTES] + b"".join(parts[1:])


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    return Copies(tmp_path)


def contents_asked(bucket: ReadOnlyStore) -> int:
    return sum(name.startswith("content/") for name in bucket.asked)


def test_a_version_is_fetched_once_and_only_the_pointer_asked_again(copies: Copies) -> None:
    bucket = ReadOnlyStore()
    bucket.publish(1, noise(1))
    path = fetch_newest(bucket, copies)
    assert path.read_bytes() == noise(1)
    bucket.asked.clear()
    assert fetch_newest(bucket, copies) == path
    assert bucket.asked == [CURRENT]


def test_of_the_next_version_only_new_segments_are_fetched(copies: Copies) -> None:
    bucket = ReadOnlyStore()
    bucket.publish(1, noise(1))
    fetch_newest(bucket, copies)
    bucket.asked.clear()
    bucket.publish(2, noise(2, 5))
    assert fetch_newest(bucket, copies).read_bytes() == noise(2, 5)
    assert contents_asked(bucket) == 2


def test_two_copies_are_kept_and_nothing_else(copies: Copies) -> None:
    bucket = ReadOnlyStore()
    names = [bucket.publish(number, noise(number)) for number in (1, 2, 3)]
    for number in (1, 2, 3):
        bucket.publish(number, noise(number))
        fetch_newest(bucket, copies)
    assert {path.stem for path in copies.folder.glob("*.duckdb")} == set(names[1:])
    assert {path.name.split(".")[0] for path in copies.folder.iterdir()} == set(names[1:])


def test_a_copy_that_somebody_wrote_to_is_fetched_again(copies: Copies) -> None:
    bucket = ReadOnlyStore()
    bucket.publish(1, noise(1))
    path = fetch_newest(bucket, copies)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(HEADER_BYTES + 5)
        file.write(b"x")
    os.utime(path, ns=(1, 1))
    bucket.asked.clear()
    assert fetch_newest(bucket, copies).read_bytes() == noise(1)
    assert contents_asked(bucket) == 1


def test_what_was_being_fetched_when_a_reader_died_is_no_copy(copies: Copies) -> None:
    (copies.folder / "fetching.tmp").write_bytes(b"half")
    bucket = ReadOnlyStore()
    bucket.publish(1, noise(1))
    assert fetch_newest(bucket, copies).read_bytes() == noise(1)
    assert not (copies.folder / "fetching.tmp").exists()


def test_a_version_that_expires_while_it_is_fetched_gives_way_to_the_newest(copies: Copies) -> None:
    bucket = ReadOnlyStore()
    old = bucket.publish(1, noise(1))
    gone = [name for name in bucket.objects if name.startswith("content/")]

    def replace(name: str) -> None:
        if name == document_name(old):
            for each in gone:
                del bucket.objects[each]
            bucket.before = lambda name: None
            bucket.publish(2, noise(7, 6))

    bucket.before = replace
    assert fetch_newest(bucket, copies).read_bytes() == noise(7, 6)


@pytest.mark.parametrize("spoil", ["gone", "changed"])
def test_an_object_that_is_gone_or_changed_is_named_with_what_repairs_it(spoil: str, copies: Copies) -> None:
    bucket = ReadOnlyStore()
    bucket.publish(1, noise(1))
    name = next(name for name in bucket.objects if name.startswith("content/"))
    bucket.objects[name] = b"other"
    if spoil == "gone":
        del bucket.objects[name]
    with pytest.raises(PublicationDamaged, match=r"content/.*tollbook publish --verify"):
        fetch_newest(bucket, copies)
    assert list(copies.folder.iterdir()) == []


def test_a_document_that_the_pointer_does_not_mean_is_refused(copies: Copies) -> None:
    bucket = ReadOnlyStore()
    name = bucket.publish(1, noise(1))
    bucket.objects[document_name(name)] += b" "
    with pytest.raises(PublicationDamaged, match="is not what the pointer names"):
        fetch_newest(bucket, copies)


@pytest.mark.parametrize(
    ("pointer", "error", "said"),
    [
        (None, NothingPublished, "nothing is published at s3://bucket/prefix: check the address"),
        (b"<html>", PublicationDamaged, "is no document of tollbook"),
        (b'{"layout":1}', PublicationDamaged, "is no document of tollbook"),
        (b'{"layout":9}', NewerLayout, "upgrade tollbook"),
    ],
)
def test_a_pointer_that_leads_nowhere_says_why(
    pointer: bytes | None, error: type[Exception], said: str, copies: Copies
) -> None:
    bucket = ReadOnlyStore({} if pointer is None else {CURRENT: pointer})
    with pytest.raises(error) as raised:
        fetch_newest(bucket, copies)
    assert said in str(raised.value)


def test_what_is_not_published_is_a_file_not_found_as_for_a_folder() -> None:
    assert issubclass(NothingPublished, FileNotFoundError)


def test_while_the_store_is_down_the_newest_copy_is_read_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    bucket = ReadOnlyStore()
    monkeypatch.setattr(module, "open_bucket", lambda address: bucket)

    def down(_name: str) -> None:
        raise StoreUnreachable("it is down", "wait")

    bucket.before = down
    with pytest.raises(StoreUnreachable):
        fetch(URL)
    bucket.before = lambda name: None
    version = bucket.publish(1, noise(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = fetch(URL)
    bucket.before = down
    with pytest.warns(OldCopy, match=f"it is down: wait. Read instead: {version}"):
        assert fetch(URL) == path
