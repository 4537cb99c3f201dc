"""The command line as people type it and read it: any order of options, any width, any reader."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tollbook.cli.app import VERBS, verb_first
from tollbook.cli.terminal.output import GAP, LeavableStream, _rich_table, column_widths, folded, too_wide
from tollbook.cli.terminal.progress import with_stages


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


def shown(width: int, columns: Sequence[str], rows: Sequence[Sequence[str]], optional: Sequence[str] = ()) -> list[str]:
    """The lines of a table on a terminal that is so wide."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width, color_system=None)
    left_out = too_wide([columns, *rows], width, optional)
    _rich_table(console, columns, rows, frozenset(), (), left_out)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_no_name_and_no_heading_is_folded_at_eighty_columns() -> None:
    columns = ("column", "type", "unit", "time", "source", "meaning")
    meaning = "change of the trader grade in 24 hours; unknown: in percent or in points, as the seller states it"
    rows = [("tm_trader_grade_24h_change", "DOUBLE", "unknown", "24 hours up to the row's time", "documented", meaning)]
    lines = shown(80, columns, rows, ("source", "time", "type"))
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["column", "type", "unit", "meaning"]
    assert any("tm_trader_grade_24h_change" in line for line in lines)


def test_no_character_of_a_sentence_is_cut_off_beside_a_long_name() -> None:
    """A view's name of 41 characters took room that its meaning was printed in."""
    name = "fundamental_grades_snapshots_observations"
    meaning = "Long texts about a token. They change irregularly: bought once a week at most. Current rows"
    lines = shown(80, ("table", "meaning"), [(name, meaning)])
    assert max(map(len, lines)) <= 80
    assert name in lines[2]
    assert " ".join(line[len(name) :].strip() for line in lines[2:]) == meaning


@pytest.mark.parametrize("width", [200, 80, 40, 12])
def test_columns_never_take_more_than_the_terminal_has(width: int) -> None:
    widths = column_widths([("a name that is long", "x" * 30, "sentence " * 10)], width)
    assert sum(widths) + GAP * 3 <= max(width, 3 * (1 + GAP))


def test_a_sentence_is_folded_between_words_under_its_first_one() -> None:
    assert folded("  note        one two three", 22, 7) == "  note        one two\n       three"
    assert folded("first\nsecond", 80, 4) == "first\nsecond"
    path = "/a/path/that-is-longer-than/the-line"
    assert folded(f"see {path}", 20, 2).splitlines() == ["see", f"  {path}"]


def test_a_table_is_as_wide_as_it_was_counted_to_be() -> None:
    columns, rows = ("flow", "amount"), [("top-market-cap-tokens", "0.051 USDC")]
    width = len("top-market-cap-tokens") + len("0.051 USDC") + 2 * GAP
    assert any("top-market-cap-tokens  0.051 USDC" in line for line in shown(width, columns, rows))


def test_stages_are_shown_between_purchases_and_end_with_the_run() -> None:
    from rich.console import Console

    from tests.cli.test_progress import listing, paid
    from tollbook.cli.terminal.progress import Bar

    console = Console(record=True, force_terminal=True, file=io.StringIO(), width=80)
    bar = Bar(console)
    bar.stage("planning")
    bar.bill(listing(1))
    bar.buying(1, 1)
    bar.stage("never shown while buying")
    bar.bought(paid(1), 3, None)
    bar.stage("publishing")
    bar.ended()
    said = console.export_text()
    assert "planning" in said
    assert "publishing" in said
    assert "never shown" not in said


def test_each_step_says_what_it_is_about_to_do() -> None:
    said: list[str] = []

    async def publish(_ws: object) -> None:
        said.append("published")

    asyncio.run(with_stages(said.append)(publish)(None))
    assert said == ["publishing", "published"]


@pytest.mark.parametrize("verb", [("plan", "grades"), ("run", "grades"), ("backfill", "grades")])
def test_a_terminal_is_told_at_once_what_a_bill_waits_for(verb: tuple[str, ...], tmp_path: Path) -> None:
    """Before anything is imported that takes long: here even before the error that nothing is set up."""
    command = [sys.executable, "-m", "tollbook.cli.main", *verb]
    env = {name: value for name, value in os.environ.items() if not name.startswith("TOLLBOOK_")}
    master, slave = pty.openpty()
    with subprocess.Popen(command, stdout=slave, stderr=slave, cwd=tmp_path, env=env) as child:
        os.close(slave)
        said = b"".join(iter(lambda: _read(master), b""))
        child.wait(60)
    os.close(master)
    assert 0 <= said.index(b"opening the ledger") < said.index(b"TOLLBOOK_HOME is not set"), said


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:
        return b""
