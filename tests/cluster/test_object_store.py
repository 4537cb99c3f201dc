"""The S3 server of the proof keeps its word through a SIGKILL: what it acknowledged is there, nothing is half there."""

from __future__ import annotations

import hashlib
import random
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.cluster.servers import ObjectStore
from tollbook_bucket.address import parse_address
from tollbook_bucket.errors import BucketError
from tollbook_bucket.store import BucketStore, Changed, open_bucket

KILLS, WRITERS = 4, 3
SIZES = (200, 40_000, 9_000_000)
"""The last is more than obstore sends in one piece."""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    made = ObjectStore(tmp_path / "store")
    for name, value in made.server.environment().items():
        monkeypatch.setenv(name, value)
    return made


def bucket_at(url: str) -> BucketStore:
    return open_bucket(parse_address(url))


def content(name: str, size: int) -> bytes:
    return random.Random(name).randbytes(size)


def test_what_a_killed_server_acknowledged_is_there_and_no_object_is_half_written(store: ObjectStore) -> None:
    kept: dict[str, bytes] = {}
    sent: dict[str, bytes] = {}
    over = threading.Event()

    def write(number: int) -> None:
        bucket, turn = bucket_at("s3://cluster/kept"), 0
        while not over.is_set():
            name, turn = f"{number}/{turn}", turn + 1
            sent[name] = content(name, SIZES[turn % len(SIZES)])
            try:
                bucket.put(name, sent[name])
            except BucketError:
                continue
            kept[name] = sent[name]

    with store:
        writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        dice = random.Random(4)
        for strike in range(KILLS):
            before = len(kept)
            while len(kept) < before + WRITERS * (1 + strike % 2):
                time.sleep(0.01)
            time.sleep(dice.uniform(0, 0.1))
            store.kill()
            store.start()
        over.set()
        for writer in writers:
            writer.join()
        bucket = bucket_at("s3://cluster/kept")
        for name, data in sent.items():
            found = bucket.get(name)
            assert found is None or hashlib.sha256(found.data).digest() == hashlib.sha256(data).digest(), name
            assert found is not None or name not in kept, f"{name} was acknowledged, and is gone"


def test_of_a_writer_that_dies_in_the_middle_of_an_object_nothing_is_seen(store: ObjectStore) -> None:
    with store:
        bucket = bucket_at("s3://cluster/published")
        bucket.put("pointer", b"the first version")
        port = int(store.server.endpoint.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"PUT /cluster/published/pointer HTTP/1.1\r\nHost: s3\r\nContent-Length: 100\r\n\r\nthe sec")
            client.shutdown(socket.SHUT_WR)
            assert b"400" in client.recv(1000)
        found = bucket.get("pointer")
        assert found is not None
        assert found.data == b"the first version"


def test_of_two_that_replace_an_object_one_is_told_after_a_kill_too(store: ObjectStore) -> None:
    with store:
        one, other = bucket_at("s3://cluster/published"), bucket_at("s3://cluster/published")
        one.put_if("pointer", b"1", None)
        with pytest.raises(Changed):
            other.put_if("pointer", b"1", None)
        seen = other.get("pointer")
        store.kill()
        store.start()
        one.put_if("pointer", b"2", one.get("pointer"))
        with pytest.raises(Changed):
            other.put_if("pointer", b"3", seen)
        other.put_if("pointer", b"3", other.get("pointer"))
        other.delete("pointer")
        assert one.get("pointer") is None
        with pytest.raises(Changed):
            one.put_if("pointer", b"4", seen)
