"""Configuration by environment: read once, whole, and nothing unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from payer.values.errors import Misconfigured
from tasks.workspace.settings import Settings


def test_defaults_lie_under_the_home(tmp_path: Path) -> None:
    found = Settings.read({"TOLLBOOK_HOME": str(tmp_path)})
    assert found.ledger_url == f"sqlite:///{tmp_path}/state/ledger.db"
    assert found.policy == Path("policy.toml").absolute()
    assert found.clock_offset == 0


def test_secrets_are_not_among_the_settings(tmp_path: Path) -> None:
    """I10."""
    found = Settings.read({"TOLLBOOK_HOME": str(tmp_path), "TOLLBOOK_PRIVATE_KEY": "0xhidden"})
    assert "hidden" not in repr(found)


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, "TOLLBOOK_HOME is not set"),
        ({"TOLLBOOK_HOME": "/etc/hostname"}, "not a directory"),
        ({"TOLLBOOK_HOME": "/tmp", "TOLLBOOK_CLOCK_OFFSET": "soon"}, "TOLLBOOK_CLOCK_OFFSET"),
        ({"TOLLBOOK_HOME": "/tmp", "TOLLBOOK_CLOCK_OFFSET": "nan"}, "TOLLBOOK_CLOCK_OFFSET"),
        ({"TOLLBOOK_HOME": "/tmp", "TOLLBOOK_HOMES": "x"}, "TOLLBOOK_HOMES"),
    ],
)
def test_a_bad_value_names_the_variable_and_the_fix(environ: dict[str, str], names: str) -> None:
    with pytest.raises(Misconfigured, match=names) as caught:
        Settings.read(environ)
    assert caught.value.fix


@pytest.mark.parametrize("name", ["TOLLBOOK_KEYSTORE", "TOLLBOOK_SIGNER_ADDRESS", "TOLLBOOK_KEYSTORE_PASSWORD_FILE"])
def test_a_key_in_a_variable_of_another_kind_is_refused_and_not_quoted(name: str, tmp_path: Path) -> None:
    """I10: the messages about these variables quote their values."""
    with pytest.raises(Misconfigured, match=f"{name} holds a private key") as caught:
        Settings.read({"TOLLBOOK_HOME": str(tmp_path), name: "0x" + "4c" * 32})
    assert "4c4c" not in f"{caught.value} {caught.value.fix}"
