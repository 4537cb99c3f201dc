"""Trouble that keeps a lake from being opened is said with what to do, and no password is in it (I10)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.warehouse.lake.conftest import Scenario
from warehouse.errors import LakeMisconfigured
from warehouse.lake.connect import read_address


def test_an_address_is_a_database_and_a_place() -> None:
    found = read_address(
        {
            "TOLLBOOK_LAKE": "postgresql+psycopg://me:secret@db/lake",
            "TOLLBOOK_LAKE_DATA": "s3://bucket/prefix/",
        }
    )
    assert (found.catalog, found.data) == ("postgresql://me:secret@db/lake", "s3://bucket/prefix/")
    assert found.shown == "postgresql://me:***@db/lake"
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("catalog", "data", "names"),
    [
        ("", "s3://bucket", "TOLLBOOK_LAKE is not set"),
        ("postgresql://me:secret@db/lake", "", "TOLLBOOK_LAKE_DATA is not set"),
        ("mysql://me:secret@db/lake", "s3://bucket", "names no database on PostgreSQL"),
        ("sqlite:////tmp/lake.db", "s3://bucket", "names no database on PostgreSQL"),
        ("lake.ducklake", "s3://bucket", "names no database on PostgreSQL"),
        ("postgresql://me:secret@db", "s3://bucket", "names no database on PostgreSQL"),
        ("postgresql://me:secret@db/", "s3://bucket", "names no database on PostgreSQL"),
        ("postgresql://me:secret@db/lake", "s3:///prefix", "neither a folder nor s3://"),
        ("postgresql://me:secret@db/lake", "ftp://host/lake", "neither a folder nor s3://"),
    ],
)
def test_what_is_no_address_is_named(catalog: str, data: str, names: str) -> None:
    with pytest.raises(LakeMisconfigured, match=names) as refused:
        read_address({"TOLLBOOK_LAKE": catalog, "TOLLBOOK_LAKE_DATA": data})
    assert "secret" not in str(refused.value) + refused.value.advice
    assert refused.value.advice


def test_a_missing_extension_is_named_with_the_command(scenario: Scenario, tmp_path: Path) -> None:
    said = scenario("first_write", HOME=str(tmp_path))
    assert said["error"] == "LakeMisconfigured"
    assert "extension ducklake is not installed" in said["said"]
    assert "tollbook lake --install" in said["advice"]


def test_an_install_without_access_says_where_the_files_go(scenario: Scenario, tmp_path: Path) -> None:
    said = scenario("installed", HOME=str(tmp_path), http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9")
    assert said["error"] == "LakeMisconfigured"
    assert "~/.duckdb/extensions" in said["advice"]


def test_a_catalog_that_does_not_answer_is_named_without_its_password(scenario: Scenario) -> None:
    said = scenario("first_write", TOLLBOOK_LAKE="postgresql://me:secret@127.0.0.1:9/lake?connect_timeout=2")
    assert said["error"] == "LakeUnreachable"
    assert "secret" not in said["said"] + said["advice"]
    assert "me:***@127.0.0.1:9" in said["said"]


def test_a_lake_of_a_newer_tollbook_is_left_alone(scenario: Scenario) -> None:
    said = scenario("newer")
    assert said["error"] == "LakeTooNew"
    assert "run the newer tollbook" in said["advice"]


def test_a_bucket_without_credentials_is_refused_before_anything_is_written(scenario: Scenario) -> None:
    said = scenario("first_write", TOLLBOOK_LAKE_DATA="s3://bucket/lake")
    assert said["error"] == "LakeMisconfigured"
    assert "AWS_ACCESS_KEY_ID" in said["advice"]
