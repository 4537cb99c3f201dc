"""Progress of a long scan of the chain: lines on stderr, with the time that is left."""

from __future__ import annotations

import pytest

from tollbook.cli.progress import Blocks


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
