"""`tollbook lake` says what it lacks, and that no money was involved. What it writes: tests/warehouse/lake."""

from __future__ import annotations

from tests.cli.conftest import Command


def test_without_an_address_it_says_what_to_set(tollbook: Command) -> None:
    done = tollbook("lake")
    assert done.code == 2
    assert "TOLLBOOK_LAKE is not set" in done.err
    assert "Money: none was sent" in done.err


def test_an_address_that_names_no_lake_is_refused_without_its_password(tollbook: Command) -> None:
    done = tollbook("lake", TOLLBOOK_LAKE="mysql://me:secret@db/lake", TOLLBOOK_LAKE_DATA="s3://bucket")
    assert done.code == 2
    assert "names no database on PostgreSQL" in done.err
    assert "secret" not in done.err
