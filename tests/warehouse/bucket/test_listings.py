"""A store whose listings lag: nothing here asks for one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from moto.s3.models import S3Backend

from tests.warehouse.bucket.conftest import move_on
from tests.warehouse.bucket.publisher import OPTIONS, send_from
from tollbook_bucket.address import parse_address
from tollbook_bucket.fetch import fetch
from tollbook_bucket.store import open_bucket

DAY = timedelta(days=1)


@pytest.fixture
def no_listings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The S3 server, which runs in this process, fails the test that asks it for one."""
    for name in ("list_objects", "list_objects_v2", "list_object_versions"):
        monkeypatch.setattr(S3Backend, name, lambda *_, **__: pytest.fail("the store was listed"))


@pytest.mark.usefixtures("no_listings")
def test_a_listing_that_lags_shows_in_nothing(home: Path, homes: list[Path], s3_url: str) -> None:
    """Versions are sent, read, continued, expired and verified by name alone."""
    bucket = open_bucket(parse_address(s3_url))
    for number in range(3):
        send_from(move_on(home, homes[number]), bucket, later=DAY * 2 * number)
        assert fetch(bucket.url).read_bytes() == (home / "published" / "warehouse.duckdb").read_bytes()
    assert send_from(home, bucket, later=DAY * 4).objects == 0
    assert send_from(home, bucket, replace(OPTIONS, verify=True), later=DAY * 4).objects == 0
