"""Progress of a long scan of the chain, or search in it: lines on stderr, with the time that is left."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Command
from tollbook.cli.terminal import progress
from tollbook.cli.terminal.progress import Blocks


def test_a_long_scan_says_how_far_it_is_and_how_long_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter([0.0, 0.0, 1.0, 60.0, 61.0, 120.0])
    shown = Blocks(lambda: next(seconds))
    for read in (0, 50_000, 1_000_000, 1_050_000, 2_000_000):
        shown(read, 4_000_000)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "reading the chain: 1,000,000 of 4,000,000 blocks, about 3 min left; what was read is kept",
        "reading the chain: 2,000,000 of 4,000,000 blocks, about 2 min left; what was read is kept",
    ]


def test_a_scan_that_is_read_at_once_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter([0.0, 0.0, 0.3])
    shown = Blocks(lambda: next(seconds))
    shown(0, 100)
    shown(100, 100)
    assert capsys.readouterr().err == ""


def test_a_long_search_for_payments_names_its_server(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter([0.0, 0.0, 30.0, 60.0])
    shown = Blocks(lambda: next(seconds), server="rpc.example:8545")
    for read in (0, 9_000, 18_000):
        shown(read, 90_000)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "rpc.example:8545: searching for payments: 9,000 of at most 90,000 blocks, about 4 min left",
        "rpc.example:8545: searching for payments: 18,000 of at most 90,000 blocks, about 4 min left",
    ]


def test_a_recovery_shows_the_search_of_its_chain_server(tollbook: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is settled in a block that is not final yet; a line is due after no time at all here."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    assert tollbook("run", "grades", "--json").code == 0
    recovered = tollbook("recover", "--json")
    lines = [line for line in recovered.err.splitlines() if "searching for payments" in line]
    assert lines
    assert lines[-1].startswith("127.0.0.1:")
