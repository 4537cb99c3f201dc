"""Addresses of publications: what is one, and what is said of what is none. No credential is ever repeated."""

from __future__ import annotations

import pytest

from tollbook_bucket.address import parse_address
from tollbook_bucket.errors import BadAddress


@pytest.mark.parametrize(
    ("given", "url", "bucket"),
    [
        ("s3://bucket/prefix", "s3://bucket/prefix", "bucket"),
        (" s3://bucket/a//b/ ", "s3://bucket/a/b", "bucket"),
        ("s3://bucket", "s3://bucket", "bucket"),
        ("S3://bucket/x", "s3://bucket/x", "bucket"),
        ("gs://bucket/x", "gs://bucket/x", "bucket"),
        ("az://container/x", "az://container/x", "container"),
        ("abfss://c@account.dfs.core.windows.net/x", "abfss://c@account.dfs.core.windows.net/x", None),
        ("file:///srv/data", "file:///srv/data", ""),
    ],
)
def test_an_address_is_read_and_written_in_one_way(given: str, url: str, bucket: str | None) -> None:
    address = parse_address(given)
    assert address.url == url
    assert bucket is None or address.bucket == bucket


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("s4://bucket/x", "did you mean s3://?"),
        ("s3a://bucket/x", "did you mean s3://?"),
        ("gcs://bucket/x", "did you mean gs://?"),
        ("bucket/prefix", "no scheme"),
        ("", "no scheme"),
        ("s3:/bucket/x", "names no bucket; it has one slash where two belong, as a Path makes of it: give it as text"),
        ("s3:///x", "names no bucket"),
        ("file:///", "names no folder"),
        ("file://host/x", "three slashes"),
        ("https://bucket.example/x", "AWS_ENDPOINT_URL"),
        ("memory:///x", "ends with the process"),
        ("s3://bucket/../other", "a dot or two"),
        ("s3://bucket/%2e%2e/other", "a dot or two"),
        ("s3://bucket/a b", "a blank"),
        ("s3://[bucket/x", "can't be read"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(given: str, said: str) -> None:
    with pytest.raises(BadAddress, match=r"write|did you mean|set ") as refused:
        parse_address(given)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        "s3://AKIAKEY:hunter2secret@bucket/x",
        "s3://hunter2secret@bucket/x",
        "az://container/x?sig=hunter2secret",
        "gs://bucket/x#hunter2secret",
        "s4://k:hunter2secret@bucket/x",
        "abfss://c:hunter2secret@account.dfs.core.windows.net/x",
    ],
)
def test_credentials_in_an_address_are_refused_and_never_repeated(given: str) -> None:
    with pytest.raises(BadAddress) as refused:
        parse_address(given)
    assert "hunter2secret" not in str(refused.value) + repr(refused.value)
