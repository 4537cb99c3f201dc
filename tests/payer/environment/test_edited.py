"""Editing an environment file: what was asked changes, every other character stays, and no secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from payer.environment.env_file import edited, parse_env_file, without_secrets

TEXT = """\
# ours

export TOLLBOOK_HOME='/srv/a b'   # where it is
OTHER=1

TOLLBOOK_CLOCK_OFFSET=5
"""


def read(text: str) -> dict[str, str]:
    return dict(parse_env_file(Path("/.env"), text.encode()).variables)


def test_values_that_are_there_already_change_nothing() -> None:
    assert edited(TEXT, {"TOLLBOOK_HOME": "/srv/a b", "TOLLBOOK_CLOCK_OFFSET": "5", "TOLLBOOK_KEYSTORE": None}) == TEXT


def test_a_changed_value_changes_its_line_alone() -> None:
    assert edited(TEXT, {"TOLLBOOK_CLOCK_OFFSET": "6"}) == TEXT.replace("OFFSET=5", "OFFSET=6")
    assert edited(TEXT, {"TOLLBOOK_HOME": "/b"}) == TEXT.replace(
        "export TOLLBOOK_HOME='/srv/a b'   # where it is", "TOLLBOOK_HOME=/b"
    )


def test_a_removed_variable_leaves_the_others() -> None:
    assert read(edited(TEXT, {"TOLLBOOK_HOME": None})) == {"OTHER": "1", "TOLLBOOK_CLOCK_OFFSET": "5"}


@pytest.mark.parametrize("text", ["", "A=1", "A=1\n", "# only a comment"])
def test_a_new_variable_goes_to_the_end(text: str) -> None:
    found = edited(text, {"TOLLBOOK_HOME": "/a"})
    assert found.startswith(text)
    assert found.endswith("TOLLBOOK_HOME=/a\n")
    assert read(found)["TOLLBOOK_HOME"] == "/a"


@pytest.mark.parametrize("value", ["/srv/a b", "p'q", "a\\b", "#x", "a # b", "$HOME", "ä", "a=b", '"x"', " lead"])
def test_every_value_is_read_back_as_it_was(value: str) -> None:
    assert read(edited("", {"TOLLBOOK_HOME": value})) == {"TOLLBOOK_HOME": value}


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("+TOLLBOOK_PRIVATE_KEY=0x4c\n", "+TOLLBOOK_PRIVATE_KEY=…"),
        ("-export TOLLBOOK_LEDGER_URL='postgresql://u:p@h/d'", "-export TOLLBOOK_LEDGER_URL=…"),
        (" TOLLBOOK_HOME=/a\n", " TOLLBOOK_HOME=/a"),
    ],
)
def test_a_secret_is_hidden_where_a_line_is_shown(line: str, shown: str) -> None:
    assert without_secrets(line) == shown
