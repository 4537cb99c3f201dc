"""The command line as people type it and read it: any order of options, any width, any reader."""

from __future__ import annotations

import io
import os

import pytest

from tests.cli.conftest import Command
from tollbook.cli.app import VERBS, verb_first
from tollbook.cli.output import GAP, too_wide
from tollbook.cli.terminal.pipes import LeavableStream


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_the_short_form_of_help(bare: Command, verb: str) -> None:
    assert bare(verb, "-h").out == bare(verb, "--help").out


def test_the_version_has_a_short_form(bare: Command) -> None:
    assert bare("-V").out == bare("--version").out


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["--json", "status"], ["status", "--json"]),
        (["--tokens", "BTC", "plan", "grades"], ["plan", "--tokens", "BTC", "grades"]),
        (["plan", "--json", "grades"], ["plan", "--json", "grades"]),
        (["-h"], ["-h"]),
        (["--nonsense"], ["--nonsense"]),
        (["statsu", "run"], ["statsu", "run"]),
        ([], []),
    ],
)
def test_options_stand_before_or_after_the_verb(typed: list[str], meant: list[str]) -> None:
    assert verb_first(typed) == meant


def test_json_before_the_verb_is_json(bare: Command) -> None:
    assert bare("--json", "status").document["error"]["exit_code"] == 2


def test_completion_can_be_shown(bare: Command) -> None:
    assert "--show-completion" in bare("--help").out


LINES = (("flow", "amount", "saved"), ("grades", "0.119", "0.017"))


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (80, frozenset()),
        (sum((6, 6, 5)) + 3 * GAP, frozenset()),
        (sum((6, 6, 5)) + 3 * GAP - 1, frozenset({"saved"})),
        (5, frozenset({"saved", "amount"})),
    ],
)
def test_columns_are_left_out_until_the_rest_fits(width: int, left_out: frozenset[str]) -> None:
    assert too_wide(LINES, width, ("saved", "amount")) == left_out


def test_what_is_written_after_the_reader_left_is_dropped() -> None:
    """I11: a run whose output nobody reads any more goes on, and keeps its exit code."""
    reader, writer = os.pipe()
    stream = LeavableStream(io.TextIOWrapper(io.FileIO(writer, "w"), write_through=True))
    stream.write("read")
    assert os.read(reader, 10) == b"read"
    os.close(reader)
    assert stream.write("dropped") == len("dropped")
    stream.write("dropped, too")
    stream.flush()
    stream.close()
