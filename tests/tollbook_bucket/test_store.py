"""Errors of a store in plain words: what it means, what to do, and nothing of what the store said itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from tests.object_storage import SECRET_KEY, S3Server
from tollbook_bucket import store
from tollbook_bucket.address import parse_address
from tollbook_bucket.errors import (
    AccessRefused,
    BucketError,
    BucketMissing,
    LibraryMissing,
    StoreUnreachable,
)
from tollbook_bucket.store import BucketStore, Changed, Stored, open_bucket

ADDRESS = parse_address("s3://bucket/prefix")


def stores(tmp_path: Path) -> list[BucketStore]:
    return [BucketStore(MemoryStore(), ADDRESS), open_bucket(parse_address(f"file://{tmp_path}"))]


def test_an_object_is_written_only_while_it_is_what_was_read(tmp_path: Path, s3_url: str) -> None:
    for bucket in (*stores(tmp_path), open_bucket(parse_address(s3_url))):
        assert bucket.get("current.json") is None
        bucket.put_if("current.json", b"one", None)
        first = bucket.get("current.json")
        assert first is not None
        with pytest.raises(Changed):
            bucket.put_if("current.json", b"other", None)
        bucket.put_if("current.json", b"two", first)
        with pytest.raises(Changed):
            bucket.put_if("current.json", b"three", first)
        assert (second := bucket.get("current.json")) is not None
        assert second.data == b"two"


def test_without_a_tag_the_bytes_are_compared() -> None:
    bucket = BucketStore(MemoryStore(), ADDRESS)
    bucket.put("current.json", b"one")
    with pytest.raises(Changed):
        bucket.put_if("current.json", b"two", Stored(b"zero", None))
    bucket.put_if("current.json", b"two", Stored(b"one", None))


def test_what_is_not_there_has_no_size_and_is_deleted_without_complaint(tmp_path: Path, s3_url: str) -> None:
    for bucket in (*stores(tmp_path), open_bucket(parse_address(s3_url))):
        assert bucket.size("content/x") is None
        bucket.delete("content/x")
        bucket.put("content/x", b"four")
        assert bucket.size("content/x") == 4
        bucket.delete("content/x")
        assert bucket.get("content/x") is None


@contextmanager
def refused_port() -> Iterator[int]:
    """A port of this machine at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RETRIES", 0)
    monkeypatch.setattr(store, "REQUEST_SECONDS", 0.3)


@pytest.mark.usefixtures("hasty")
def test_a_store_that_is_down_or_hangs_is_unreachable(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with refused_port() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        with pytest.raises(StoreUnreachable, match="can't be reached: see that the store is up"):
            open_bucket(parse_address(s3_url)).get("current.json")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(StoreUnreachable, match="doesn't answer in time"):
            open_bucket(parse_address(s3_url)).put("current.json", b"1")


@pytest.mark.usefixtures("s3_url")
def test_a_bucket_that_is_not_there_is_named() -> None:
    bucket = open_bucket(parse_address("s3://no-such-bucket/x"))
    for ask in (lambda: bucket.get("current.json"), lambda: bucket.put("a", b"1"), lambda: bucket.delete("a")):
        with pytest.raises(BucketMissing, match="there is no bucket 'no-such-bucket': create it, or correct"):
            ask()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BucketMissing, match="gone is no folder: make it, or mount"):
        open_bucket(parse_address(f"file://{tmp_path}/gone"))


@pytest.mark.usefixtures("hasty")
def test_an_environment_without_credentials_is_told_which_to_set(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with refused_port() as port:
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{port}")
        with pytest.raises(AccessRefused, match="there are no credentials for s3://") as refused:
            open_bucket(parse_address(s3_url)).get("current.json")
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in str(refused.value)


def test_credentials_that_are_refused_are_never_repeated(
    s3_url: str, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-the-tests")
    with s3_server.checking_credentials(), pytest.raises(AccessRefused, match="refuses the credentials") as refused:
        open_bucket(parse_address(s3_url)).put("current.json", b"1")
    text = f"{refused.value} {refused.value!r} {refused.value.__cause__!r}"
    assert SECRET_KEY not in text
    assert "token-of-the-tests" not in text


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("Generic S3 error: … status code: 301 Moved", AccessRefused, "set AWS_REGION"),
        ("builder error … BadScheme", AccessRefused, "AWS_ALLOW_HTTP"),
        ("Generic MicrosoftAzure error: Account must be specified", AccessRefused, "no credentials"),
        ("status code: 503 Slow Down", StoreUnreachable, "status 503"),
        ("No space left on device (os error 28)", StoreUnreachable, "no space left"),
        ("dns error: failed to lookup", StoreUnreachable, "name is not known"),
        ("something else ?sig=hunter2secret", StoreUnreachable, "failed"),
    ],
)
def test_each_error_says_what_to_do(text: str, kind: type[BucketError], said: str) -> None:
    words = store.in_words(RuntimeError(text), ADDRESS)
    assert type(words) is kind
    assert said in str(words)
    assert "hunter2secret" not in str(words)


@pytest.mark.parametrize(
    ("url", "variables", "said"),
    [
        ("s3://bucket/x", {"AWS_ACCESS_KEY_ID": "hunter2secret"}, "no credentials"),
        ("az://container/x", {}, "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"),
        (
            "az://container/x",
            {"AZURE_STORAGE_ACCOUNT_NAME": "a", "AZURE_STORAGE_ACCOUNT_KEY": "hunter2secret"},
            "can't be used: correct AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        ),
        (
            "gs://bucket/x",
            {"GOOGLE_APPLICATION_CREDENTIALS": "/hunter2secret"},
            "can't be used: correct GOOGLE_APPLICATION_CREDENTIALS",
        ),
    ],
)
def test_variables_that_are_incomplete_or_wrong_are_named(
    url: str, variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(AccessRefused) as refused:
        open_bucket(parse_address(url), variables)
    assert said in str(refused.value)
    assert "hunter2secret" not in str(refused.value)


def test_variables_of_a_file_are_taken_where_the_environment_has_none(
    s3_url: str, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in s3_server.environment():
        monkeypatch.delenv(name)
    bucket = open_bucket(parse_address(s3_url), s3_server.environment())
    bucket.put("current.json", b"1")
    assert bucket.size("current.json") == 1


def test_without_the_library_the_command_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore.store", None)
    with pytest.raises(LibraryMissing, match=r"pip install 'tollbook\[objects\]'"):
        open_bucket(ADDRESS)
