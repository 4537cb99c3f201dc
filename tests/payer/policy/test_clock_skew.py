"""Our clock beside the seller's and the chain's: by how much it is off, and when nothing may be signed by it."""

from __future__ import annotations

import pytest

from payer.policy.clock_skew import CHAIN_SERVER, ClockReadings, ClockWindow, seconds_off, window_of
from tests.payer.offers import POLICY_TOML, policy

NOW = 1_800_000_000.0
WINDOW = ClockWindow(ahead=600, behind=114)
LOCAL = ClockWindow(ahead=600, behind=114, head_counts=False)

OFF = {
    "alike": (0, 0.0, 0.0),
    "a Date without its fraction": (-0.9, 0.0, 0.0),
    "written when the request began": (-30, 30.0, 0.0),
    "ahead": (-500, 0.0, 499.0),
    "ahead, beyond the wait": (-130, 30.0, 99.0),
    "behind": (40, 0.0, -40.0),
    "behind, however long it took": (40, 30.0, -40.0),
}


@pytest.mark.parametrize(("date", "elapsed", "off"), OFF.values(), ids=OFF)
def test_only_what_the_wait_and_whole_seconds_do_not_explain_is_a_difference(
    date: float, elapsed: float, off: float
) -> None:
    assert seconds_off(NOW, NOW + date, elapsed) == off


VERDICTS = {
    "nothing known": (None, None, WINDOW, ""),
    "all agree": (0, -2, WINDOW, ""),
    "just inside, ahead": (-600, -602, WINDOW, ""),
    "ahead of the seller": (-601, -2, WINDOW, "600 s ahead of the seller's"),
    "just inside, behind": (113, -2, WINDOW, ""),
    "behind the seller": (114, None, WINDOW, "114 s behind the seller's"),
    "behind the newest block": (None, 114, WINDOW, "114 s behind the chain's newest block"),
    "behind the newest block, whatever the seller says": (0, 114, WINDOW, "behind the chain's newest block"),
    "ahead of the newest block, the seller unknown": (None, -600, WINDOW, "600 s ahead of the chain's newest block"),
    "an old block beside a seller that agrees": (0, -6000, WINDOW, ""),
    "a local chain that stands still": (None, -6000, LOCAL, ""),
    "a local chain that was moved": (None, 6000, LOCAL, ""),
    "a local chain, behind the seller": (114, 0, LOCAL, "114 s behind the seller's"),
}


@pytest.mark.parametrize(("date", "head", "window", "says"), VERDICTS.values(), ids=VERDICTS)
def test_nothing_is_signed_by_a_clock_that_the_window_does_not_cover(
    date: float | None, head: float | None, window: ClockWindow, says: str
) -> None:
    clocks = ClockReadings()
    clocks.saw("shop", NOW, None if date is None else NOW + date, 0.0)
    fault = clocks.fault("shop", window, None if head is None else -head)
    assert (says in fault, bool(fault)) == (True, bool(says))
    assert not fault or fault.startswith("this machine's clock is ")


def test_the_window_is_what_policy_signs_for_these_terms() -> None:
    assert window_of(policy(), 300) == ClockWindow(600, 114)
    assert window_of(policy(), 60) == ClockWindow(600, 54)
    wide = policy(POLICY_TOML.replace("[assets.USDC]", "[payment]\nclock_skew_seconds = 3600\n\n[assets.USDC]"))
    assert window_of(wide, 604_900) == ClockWindow(3600, 114)
    local = POLICY_TOML.replace("chain_id = 8453", "chain_id = 31337")
    assert not window_of(policy(local), 60).head_counts


def test_the_chain_servers_clock_stands_in_for_a_seller_that_has_told_none() -> None:
    clocks = ClockReadings()
    clocks.saw(CHAIN_SERVER, NOW, NOW - 700, 0.1)
    assert "699 s ahead of the chain server's" in clocks.fault("s", WINDOW)
    clocks.saw("s", NOW, None, 0.1)
    assert clocks.fault("s", WINDOW)
    clocks.saw("s", NOW, NOW, 0.1)
    assert clocks.fault("s", WINDOW) == ""


def test_a_run_tells_differences_of_more_than_a_few_seconds() -> None:
    clocks = ClockReadings({"near": 4.9, "s": -37.2, CHAIN_SERVER: 12.0})
    assert clocks.notes() == (
        "this machine's clock is 12 s ahead of the chain server's",
        "this machine's clock is 37 s behind that of s",
    )
