"""Sending: what lies there afterwards, what is sent again, who may publish, and a sender that is killed anywhere."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import tollbook
from tests.object_storage import s3rver
from tests.warehouse.bucket.conftest import move_on
from tests.warehouse.bucket.publisher import (
    NOW,
    OPTIONS,
    document,
    killed_at,
    newest,
    of_home,
    send_from,
    store_in,
    unnamed,
)
from tollbook_bucket.address import parse_address
from tollbook_bucket.errors import AnotherPublisher, NewerLayout, StoreUnreachable
from tollbook_bucket.fetch import fetch
from tollbook_bucket.store import open_bucket
from warehouse.bucket.local_set import LocalSetChanged
from warehouse.bucket.send import SendingStopped, read_pointer, send
from warehouse.snapshots.manifest import read_manifest

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def bytes_of(home: Path) -> bytes:
    return (home / "published" / "warehouse.duckdb").read_bytes()


def test_the_file_the_manifest_and_every_parquet_file_are_there_byte_for_byte(home: Path, tmp_path: Path) -> None:
    bucket = store_in(tmp_path / "store")
    sent = send_from(home, bucket)
    version = newest(bucket)
    contents = {content.sha256: bucket.get(content.name) for content in version.contents().values()}
    assert b"".join(found.data for segment in version.warehouse if (found := contents[segment.sha256])) == bytes_of(
        home
    )
    manifest = contents[version.manifest.sha256]
    assert manifest is not None
    assert manifest.data == (home / "published" / "snapshots.json").read_bytes()
    root = home / "published" / "snapshots"
    for file, entry in zip(read_manifest(root).files, json.loads(manifest.data)["files"], strict=True):
        found = contents[entry["sha256"]]
        assert found is not None
        assert found.data == (root / file.content).read_bytes()
    assert sent.objects == len(contents)
    assert fetch(bucket.url).read_bytes() == bytes_of(home)


def test_a_second_time_nothing_is_sent(home: Path, tmp_path: Path) -> None:
    bucket = store_in(tmp_path / "store")
    first = send_from(home, bucket)
    again = send_from(home, bucket)
    assert again.unchanged
    assert (again.version, again.objects, again.bytes) == (first.version, 0, 0)


def test_a_home_that_lost_its_notes_sends_no_content_twice(home: Path, homes: list[Path], tmp_path: Path) -> None:
    bucket = store_in(tmp_path / "store")
    send_from(home, bucket)
    copy = move_on(tmp_path / "elsewhere", homes[0])
    assert (sent := send_from(copy, bucket)).objects == 0
    assert sent.sequence == 2


def test_the_next_publication_sends_only_what_is_new(home: Path, homes: list[Path], tmp_path: Path) -> None:
    bucket = store_in(tmp_path / "store")
    send_from(home, bucket)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "store" / "content").iterdir()}
    sent = send_from(move_on(home, homes[1]), bucket)
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "store" / "content").iterdir()}
    assert before.items() <= after.items()
    assert sent.objects == len(after) - len(before) < len(newest(bucket).contents())
    assert fetch(bucket.url).read_bytes() == bytes_of(home)


POINTS = (
    "bucket.opened",
    "bucket.content",
    "bucket.content:3",
    "bucket.before_version",
    "bucket.before_pointer",
    "bucket.after_pointer",
)


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_sender_leaves_a_whole_publication_and_the_next_goes_on_from_there(
    point: str, home: Path, homes: list[Path], tmp_path: Path
) -> None:
    bucket = store_in(tmp_path / "store")
    send_from(home, bucket)
    first = bytes_of(home)
    killed_at(point, move_on(home, homes[1]), bucket)
    there = {path.name for path in (tmp_path / "store" / "content").iterdir()}
    assert fetch(bucket.url).read_bytes() == (bytes_of(home) if point == "bucket.after_pointer" else first)
    sent = send_from(home, bucket)
    assert fetch(bucket.url).read_bytes() == bytes_of(home)
    missing = {*newest(bucket).contents()} - there
    assert sent.objects == len(missing)
    assert not any((tmp_path / "store" / "content" / sha256).stat().st_size == 0 for sha256 in missing)


def test_what_a_killed_sender_left_for_nothing_is_deleted(home: Path, homes: list[Path], tmp_path: Path) -> None:
    bucket = store_in(tmp_path / "store")
    send_from(home, bucket)
    killed_at("bucket.before_version", move_on(home, homes[1]), bucket)
    assert unnamed(tmp_path / "store")
    send_from(move_on(home, homes[2]), bucket)
    assert unnamed(tmp_path / "store") == set()


@pytest.mark.parametrize("point", ["bucket.expired_content", "bucket.after_pointer"])
def test_a_killed_deletion_is_finished_by_the_next(point: str, home: Path, homes: list[Path], tmp_path: Path) -> None:
    bucket = store_in(tmp_path / "store")
    for number, days in ((0, 0), (1, 2), (2, 4)):
        send_from(move_on(home, homes[number]), bucket, later=DAY * days)
    (home / "published" / "snapshots.json").write_text(
        (home / "published" / "snapshots.json").read_text().replace('"version": 2', '"version":  2')
    )
    killed_at(point, home, bucket, days=6)
    assert fetch(bucket.url).read_bytes() == bytes_of(home)
    send_from(move_on(home, homes[1]), bucket, later=DAY * 8)
    assert unnamed(tmp_path / "store") == set()


def test_older_versions_can_be_read_for_a_day_and_the_last_two_for_longer(
    home: Path, homes: list[Path], tmp_path: Path
) -> None:
    bucket = store_in(tmp_path / "store")
    versions = []
    for number in range(6):
        sent = send_from(move_on(home, homes[number % 3]), bucket, later=HOUR * number)
        versions.append(sent.version)
    assert [kept.version for kept in newest(bucket).kept] == versions[-2::-1]
    assert unnamed(tmp_path / "store") == set()
    last = send_from(move_on(home, homes[0]), bucket, later=DAY * 30)
    assert [kept.version for kept in newest(bucket).kept] == [versions[5], versions[4]]
    assert last.expired > 0
    assert unnamed(tmp_path / "store") == set()
    for version in versions[4:]:
        assert all(bucket.size(content.name) is not None for content in document(bucket, version).contents().values())


def test_a_store_that_refuses_to_delete_is_a_note_and_asked_again(
    home: Path, homes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tollbook_bucket.errors import AccessRefused

    bucket = store_in(tmp_path / "store")
    for number in range(3):
        send_from(move_on(home, homes[number]), bucket, later=DAY * 2 * number)

    def refuse(_name: str) -> None:
        raise AccessRefused("it refuses", "allow it")

    with monkeypatch.context() as patch:
        patch.setattr(bucket, "delete", refuse)
        sent = send_from(move_on(home, homes[0]), bucket, later=DAY * 6)
    assert sent.note is not None
    assert "could not be deleted" in sent.note
    assert unnamed(tmp_path / "store")
    send_from(move_on(home, homes[1]), bucket, later=DAY * 8)
    assert unnamed(tmp_path / "store") == set()


def test_another_home_replaces_nothing_until_a_person_says_so(home: Path, homes: list[Path], tmp_path: Path) -> None:
    bucket = store_in(tmp_path / "store")
    first = send_from(home, bucket)
    other = move_on(tmp_path / "other", homes[1])
    with pytest.raises(AnotherPublisher, match=r"on host-a publishes at .*nothing of it was replaced.*--take-over"):
        send_from(other, bucket, of_home("b"))
    assert send_from(home, bucket).version == first.version
    taken = send_from(other, bucket, replace(of_home("b"), may_replace=True))
    assert taken.sequence == 2
    with pytest.raises(AnotherPublisher, match="on host-b"):
        send_from(home, bucket)


def test_of_two_that_publish_at_the_same_time_one_is_told(home: Path, homes: list[Path], tmp_path: Path) -> None:
    bucket = store_in(tmp_path / "store")
    nothing = read_pointer(bucket)
    other = move_on(tmp_path / "other", homes[1])
    send(other / "published", bucket, nothing, NOW, of_home("b"))
    with pytest.raises(AnotherPublisher, match="on host-b"):
        send(home / "published", bucket, nothing, NOW, OPTIONS)
    assert fetch(bucket.url).read_bytes() == bytes_of(other)


def test_a_server_of_another_make_without_conditional_writes_serves_as_well(
    home: Path, homes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    with s3rver(tmp_path / "data") as server:
        for name, value in {**server.environment(), "AWS_ACCESS_KEY_ID": "S3RVER"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "S3RVER")
        bucket = open_bucket(parse_address("s3://bucket/published"))
        send_from(home, bucket)
        before = read_pointer(bucket)
        sent = send_from(move_on(home, homes[1]), bucket)
        assert fetch(bucket.url).read_bytes() == bytes_of(home)
        assert sent.objects < len(newest(bucket).contents())
        with pytest.raises(AnotherPublisher):
            send(home / "published", bucket, before, NOW + HOUR, replace(OPTIONS, verify=True))


def test_a_pointer_that_was_written_without_an_answer_is_ours(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tollbook_bucket.store import Changed, Stored

    bucket = store_in(tmp_path / "store")
    real = bucket.put_if

    def twice(name: str, data: bytes, previous: Stored | None) -> None:
        real(name, data, previous)
        raise Changed(name)

    monkeypatch.setattr(bucket, "put_if", twice)
    assert send_from(home, bucket).sequence == 1


def test_a_publication_of_a_newer_tollbook_is_left_alone(home: Path, tmp_path: Path) -> None:
    bucket = store_in(tmp_path / "store")
    bucket.put("current.json", b'{"layout":2}')
    with pytest.raises(NewerLayout, match="upgrade"):
        send_from(home, bucket)


def test_a_stop_ends_the_sending_and_what_was_sent_stays(home: Path, tmp_path: Path) -> None:
    bucket = store_in(tmp_path / "store")
    asked = iter([False, False, True])

    def stopping() -> bool:
        if not next(asked):
            return False
        deadline = time.monotonic() + 60
        while sum("#" not in path.name for path in (tmp_path / "store").glob("content/*")) < 2:
            assert time.monotonic() < deadline, "the two that were begun are not there"
            time.sleep(0.01)
        return True

    with pytest.raises(SendingStopped):
        send_from(home, bucket, replace(OPTIONS, stopping=stopping))
    assert read_pointer(bucket).current is None
    assert send_from(home, bucket).objects == len(newest(bucket).contents()) - 2


def test_a_parquet_file_that_is_damaged_here_is_not_sent(home: Path, tmp_path: Path) -> None:
    root = home / "published" / "snapshots"
    content = root / read_manifest(root).files[0].content
    content.chmod(0o644)
    content.write_bytes(b"damaged")
    with pytest.raises(LocalSetChanged):
        send_from(home, store_in(tmp_path / "store"))


def test_an_object_that_somebody_deleted_is_sent_again_by_verify(home: Path, tmp_path: Path) -> None:
    bucket = store_in(tmp_path / "store")
    send_from(home, bucket)
    bucket.delete(newest(bucket).warehouse[1].name)
    assert send_from(home, bucket).unchanged
    assert send_from(home, bucket, replace(OPTIONS, verify=True)).objects == 1
    assert fetch(bucket.url).read_bytes() == bytes_of(home)


def test_before_the_first_publication_there_is_nothing_to_send(tmp_path: Path) -> None:
    bucket = store_in(tmp_path / "store")
    assert send(tmp_path / "published", bucket, read_pointer(bucket), NOW, OPTIONS) is None


def test_a_store_that_dies_while_it_is_sent_to_keeps_what_it_has_and_the_next_goes_on(
    home: Path, homes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = store_in(tmp_path / "store")
    send_from(home, bucket)
    first, real, left = bytes_of(home), bucket.put, iter(range(3))

    def dying(name: str, data: bytes | memoryview | Path) -> None:
        if next(left, None) is None:
            raise StoreUnreachable("it is down", "wait")
        real(name, data)

    with monkeypatch.context() as patch:
        patch.setattr(bucket, "put", dying)
        with pytest.raises(StoreUnreachable):
            send_from(move_on(home, homes[1]), bucket)
    assert fetch(bucket.url).read_bytes() == first
    there = {path.name for path in (tmp_path / "store" / "content").iterdir()}
    assert send_from(home, bucket).objects == len({*newest(bucket).contents()} - there)
    assert fetch(bucket.url).read_bytes() == bytes_of(home)


def test_readers_of_a_bucket_that_changes_see_one_publication_or_the_other(
    home: Path, homes: list[Path], s3_url: str
) -> None:
    """On S3, with versions expiring all the while: pandas, polars and SQL, each time of one whole publication."""
    bucket = open_bucket(parse_address(s3_url))
    send_from(home, bucket)
    rows = [20 * (number + 1) for number in range(len(homes))]
    over = threading.Event()

    def publish() -> None:
        try:
            for turn in range(1, 7):
                send_from(move_on(home, homes[turn % 3]), bucket, later=DAY * 2 * turn)
        finally:
            over.set()

    seen = set[int]()
    publisher = threading.Thread(target=publish)
    publisher.start()
    while not over.is_set():
        seen.add(len(tollbook.read("grades", home=s3_url)))
        seen.add(tollbook.read("grades", home=s3_url, format="polars").height)
        with tollbook.connect(s3_url) as con:
            [(current, versions)] = con.sql(
                "SELECT count(*), (SELECT count(*) FROM grades_versions) FROM grades"
            ).fetchall()
        assert versions >= current
        seen.add(current)
    publisher.join()
    assert seen <= set(rows)
    assert len(tollbook.read("grades", home=s3_url)) == rows[0]
