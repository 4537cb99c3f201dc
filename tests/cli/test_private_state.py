"""Files under state/ are this user's alone: 0600 in a 0700 folder, also those that an older tollbook left open."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Command

if TYPE_CHECKING:
    from sandbox.world import Buyer


def open_ones(home: Path) -> list[str]:
    """Files and folders under state/, and state/ itself, that are neither a folder of 0700 nor a file of 0600."""
    state = home / "state"
    paths = [state, *state.rglob("*")]
    assert len(paths) > 3
    return [
        f"{path.name} {stat.S_IMODE(path.stat().st_mode):o}"
        for path in paths
        if stat.S_IMODE(path.stat().st_mode) != (0o700 if path.is_dir() else 0o600)
    ]


def test_a_run_leaves_nothing_that_other_users_may_read_and_published_files_that_they_may(
    tollbook: Command, buyer: Buyer
) -> None:
    before = os.umask(0o022)
    try:
        assert tollbook("run", "signals", "--json").code == 0
        assert open_ones(buyer.home) == []
        assert stat.S_IMODE((buyer.home / "published" / "warehouse.duckdb").stat().st_mode) & 0o044 == 0o044
        tollbook("rebuild", "--json")
        assert open_ones(buyer.home) == []
    finally:
        os.umask(before)


def test_what_was_left_open_is_closed_by_the_next_command_or_named_by_doctor(
    tollbook: Command, buyer: Buyer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tollbook("run", "signals", "--json")
    state = buyer.home / "state"
    for path in (state, *state.rglob("*")):
        path.chmod(0o775 if path.is_dir() else 0o644)
    tollbook("status", "--json")
    assert open_ones(buyer.home) == []
    (state / "ledger.db").chmod(0o644)
    with monkeypatch.context() as anothers:
        anothers.setattr(Path, "chmod", _not_permitted)
        disk = {check["check"]: check for check in tollbook("doctor", "--json").document["checks"]}["disk"]
    assert (disk["ok"], "state/ledger.db" in disk["detail"], "chmod" in disk["fix"]) == (False, True, True)


def _not_permitted(*_: object, **__: object) -> None:
    raise PermissionError("Operation not permitted")


@pytest.mark.parametrize(
    "url", ["mysql://user:secret-word@host/db", "sqlite://", "sqlite:///:memory:", "nonsense", "http://127.0.0.1/db"]
)
def test_a_ledger_url_that_can_hold_no_ledger_is_a_configuration_error(tollbook: Command, url: str) -> None:
    said = tollbook("status", "--json", TOLLBOOK_LEDGER_URL=url)
    assert said.code == 2
    error = said.document["error"]
    assert "TOLLBOOK_LEDGER_URL" in error["what"]
    assert "sqlite:////absolute/path" in error["advice"]
    assert "secret-word" not in said.out + said.err
