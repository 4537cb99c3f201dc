"""A program's transport finds home and wallet in the environment file beside its policy, as every verb does."""

from __future__ import annotations

from pathlib import Path

import pytest

from payer import PaidTransport
from payer.paid_transport.purchase import open_context
from payer.policy.file import load_policy
from payer.values.errors import Misconfigured
from tasks.workspace.workspace import Workspace
from tests.paths import ROOT


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped policy in a folder with an environment file, and nothing in the environment."""
    monkeypatch.delenv("TOLLBOOK_HOME", raising=False)
    (tmp_path / ".env").write_text("TOLLBOOK_HOME=books\n")
    (tmp_path / "policy.toml").write_text((ROOT / "policy.toml").read_text())
    return tmp_path / "policy.toml"


def test_the_file_beside_the_policy_is_read_below_the_environment(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PaidTransport(policy)._environ["TOLLBOOK_HOME"] == str(policy.parent / "books")
    monkeypatch.setenv("TOLLBOOK_HOME", "/elsewhere")
    assert PaidTransport(policy)._environ["TOLLBOOK_HOME"] == "/elsewhere"


def test_an_environment_that_is_given_is_all(policy: Path) -> None:
    assert "TOLLBOOK_HOME" not in PaidTransport(policy, environ={})._environ


def test_a_moved_clock_is_for_a_sandbox_only(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever pays with it: a program's transport and every verb say the same."""
    monkeypatch.chdir(policy.parent)
    environ = {"TOLLBOOK_HOME": str(policy.parent / "books"), "TOLLBOOK_CLOCK_OFFSET": "3600"}
    with pytest.raises(Misconfigured, match="is set on chain 8453") as by_program:
        open_context(load_policy(policy), environ, None)
    with pytest.raises(Misconfigured, match="is set on chain 8453") as by_verb:
        Workspace.open(environ)
    assert by_program.value.fix == by_verb.value.fix
    assert "31337" in by_verb.value.fix


def test_a_file_that_shows_a_key_to_others_is_refused(policy: Path) -> None:
    (policy.parent / ".env").write_text("TOLLBOOK_PRIVATE_KEY=0x" + "4c" * 32)
    (policy.parent / ".env").chmod(0o644)
    with pytest.raises(Misconfigured, match="other users may read"):
        PaidTransport(policy)
