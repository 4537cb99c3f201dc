"""`tollbook watch`: calls as they happen, for people at 80 columns and for programs as lines of JSON."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from payer.ledger import Ledger
from payer.values.errors import LedgerDamaged, LedgerUnavailable
from tasks.calls.call import WatchedCall
from tasks.calls.stream import CallStream
from tasks.calls.subject import AskedFor
from tests.cli.conftest import Command
from tests.payer import purchases as p
from tests.payer.ledger.test_avoided import entry
from tests.tasks.calls.test_call import STATES, told
from tollbook.cli.tables.calls import TerminalLines, TextLines, asked_for, column_widths, window_text
from tollbook.cli.terminal import output
from tollbook.cli.verbs import watch


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose ledger has a call that was paid for, and one that the cache saved."""
    (tmp_path / "state").mkdir()
    with Ledger.open(f"sqlite:///{tmp_path}/state/ledger.db") as ledger:
        ledger.start_run(p.run())
        p.bought(ledger)
        ledger.note_avoided([entry()], p.run())
    return tmp_path


@pytest.fixture
def tollbook(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command({"TOLLBOOK_HOME": str(home)}, monkeypatch, capsys)


def test_each_line_of_json_is_one_call(tollbook: Command) -> None:
    said = tollbook("watch", "--no-follow", "--json")
    cached, paid = map(json.loads, said.out.splitlines())
    assert said.code == 0
    assert set(cached) == set(paid)
    assert (cached["bought"], paid["bought"], paid["amount"], paid["state"]) == ("cached", "paid", "0.02", "delivered")


def test_a_pipe_gets_whole_values_on_one_line(tollbook: Command, home: Path) -> None:
    with Ledger.open(f"sqlite:///{home}/state/ledger.db") as ledger:
        [bought] = ledger.purchases()
    cached, paid = tollbook("watch", "--no-follow").out.splitlines()
    assert paid.split() == [
        *("2026-11-22", "12:00:00", "grades", "tm-grade", "0", "0.02", "USDC", "delivered", bought.purchase_id)
    ]
    assert "cached" in cached


def test_a_flow_that_never_ran_is_named(tollbook: Command) -> None:
    said = tollbook("watch", "--no-follow", "--flow", "gradez")
    assert (said.code, said.out) == (0, "")
    assert "no flow 'gradez' has run yet; those that have: grades" in said.err


def test_a_ledger_without_calls_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = Command({"TOLLBOOK_HOME": str(tmp_path)}, monkeypatch, capsys)
    assert empty("watch", "--no-follow").err == "no call yet\n"
    assert empty("watch", "--no-follow", "--json").err == ""


def test_an_error_among_lines_of_json_is_one_line(tollbook: Command) -> None:
    said = tollbook("watch", "--since", "soon", "--json")
    [line] = said.out.splitlines()
    assert json.loads(line)["error"]["exit_code"] == said.code == 2


def test_it_follows_until_ctrl_c_and_ends_well(tollbook: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of another process are shown at the next look; Ctrl-C is the ordinary end."""
    looks = iter(["a call", "nothing", "Ctrl-C"])

    def wait(_stream: object, _seconds: float) -> bool:
        match next(looks):
            case "a call":
                with Ledger.open(f"sqlite:///{home}/state/ledger.db") as other:
                    p.bought(other, 1)
            case "Ctrl-C":
                raise KeyboardInterrupt
        return False

    monkeypatch.setattr(output, "reader_left", wait)
    said = tollbook("watch", "--since", "2000-01-01")
    assert (said.code, said.err) == (0, "")
    assert len(said.out.splitlines()) == 3


def test_a_database_that_is_away_is_waited_for_and_said_once(
    tollbook: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([LedgerUnavailable("the ledger can't be read: away")] * 2 + [None])

    def look(_stream: CallStream) -> list[WatchedCall]:
        if error := next(answers):
            raise error
        return [told(STATES["settled"])]

    looks = iter([False] * 3 + [True])
    monkeypatch.setattr(output, "reader_left", lambda *_: next(looks))
    monkeypatch.setattr(CallStream, "look", look)
    said = tollbook("watch")
    assert (said.code, said.err.count("waiting for it")) == (0, 1)
    assert "settled" in said.out


def test_a_damaged_ledger_is_not_waited_for(tollbook: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(_stream: CallStream) -> list[WatchedCall]:
        raise LedgerDamaged("a purchase can't be read")

    monkeypatch.setattr(output, "reader_left", lambda *_: False)
    monkeypatch.setattr(CallStream, "look", look)
    assert tollbook("watch").code == 4


def test_a_reader_that_leaves_ends_the_wait() -> None:
    reader, writer = os.pipe()
    with io.TextIOWrapper(io.FileIO(writer, "w")) as stream:
        assert not output.reader_left(stream, 0.0)
        os.close(reader)
        assert output.reader_left(stream, 60.0)
    assert not output.reader_left(io.StringIO(), 0.0)


@pytest.mark.parametrize("width", [80, 81, 100, 104, 132, 200])
@pytest.mark.parametrize("state", STATES)
def test_every_call_fits_the_terminal(width: int, state: str) -> None:
    from rich.console import Console

    out = io.StringIO()
    long = replace(
        told(STATES[state]),
        flow="hourly-trading-signals",
        dataset="hourly-trading-signals",
        subject=AskedFor(tuple(map(str, range(3000, 3030))), "2026-11-21T12", "2026-11-22T12", 12),
        why="500: out of order" * 20 if told(STATES[state]).why else None,
    )
    console = Console(file=out, width=width, color_system=None, legacy_windows=False)
    TerminalLines(console=console).show([long, told(STATES[state])])
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert all(long.amount in line and state in line for line in lines if line.startswith("12:"))
    assert out.getvalue().count("0xccc") == (2 if long.tx_hash else 0)


def test_a_day_has_one_heading_in_words() -> None:
    from rich.console import Console

    out = io.StringIO()
    lines = TerminalLines(console=Console(file=out, width=80))
    call = told(STATES["settled"])
    lines.show([call, call])
    lines.show([replace(call, at=call.at + timedelta(days=1))])
    assert [line for line in out.getvalue().splitlines() if "UTC" in line] == ["2026-11-22 (UTC)", "2026-11-23 (UTC)"]
    assert "state, transaction" in out.getvalue()


def test_a_transaction_is_a_link_where_the_chain_has_an_explorer() -> None:
    from rich.console import Console

    out = io.StringIO()
    call = replace(told(STATES["settled"]), network="eip155:8453")
    TerminalLines(console=Console(file=out, width=80, force_terminal=True, color_system="standard")).show([call])
    assert f"https://basescan.org/tx/{call.tx_hash}" in out.getvalue()


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        (AskedFor(), ""),
        (AskedFor((), "2026-11-22", "2026-11-22"), "11-22"),
        (AskedFor((), "2026-11-01", "2026-11-22"), "11-01…22"),
        (AskedFor((), "2026-10-01", "2026-11-22"), "10-01…11-22"),
        (AskedFor((), "2025-12-01", "2026-11-22"), "2025-12-01…2026-11-22"),
        (AskedFor((), "2026-11-22T12", "2026-11-22T12", 2), "11-22T12 page 2"),
        (AskedFor((), None, None, 4), "page 4"),
    ],
)
def test_a_window_says_no_more_than_it_must(subject: AskedFor, text: str) -> None:
    assert window_text(subject, 2026) == text


@pytest.mark.parametrize(
    ("keys", "room", "text"),
    [
        (["BTC", "ETH"], 16, "11-22 BTC,ETH"),
        (["BTC", "ETH", "LTC"], 14, "11-22 BTC +2"),
        (["BTC", "ETH", "LTC"], 12, "11-22 BTC +2"),
        (["BTC", "ETH", "LTC"], 11, "11-22"),
        (["a long question"], 12, "11-22 1 key"),
        ([], 12, "11-22"),
    ],
)
def test_as_many_keys_are_shown_as_there_is_room_for(keys: list[str], room: int, text: str) -> None:
    assert asked_for(AskedFor(tuple(keys), "2026-11-22", "2026-11-22"), keys, room, 2026) == text


def test_columns_leave_room_for_the_state_and_the_beginning_of_its_transaction() -> None:
    widths, gap = column_widths(80)
    assert 80 - sum(widths[:-1]) - gap * (len(widths) - 1) >= len("state, transaction")


def test_lines_of_a_pipe_stand_in_columns(capsys: pytest.CaptureFixture[str]) -> None:
    TextLines().show([told(STATES["settled"]), replace(told(STATES["void"]), dataset="hourly-trading-signals")])
    first, second = capsys.readouterr().out.splitlines()
    assert first.index("settled") == second.index("void")
    assert watch.NEWEST == 10
