"""`tollbook status`: money, open purchases and caps."""

from __future__ import annotations

from tests.cli.conftest import Command


def test_an_empty_home_has_spent_nothing_and_needs_no_key(tollbook: Command) -> None:
    said = tollbook("status", "--json", TOLLBOOK_PRIVATE_KEY=None)
    assert said.code == 0
    assert said.document["spent"] == {"USDC": "0"}
    assert said.document["published"] is None


def test_after_a_run_it_shows_the_money_the_caps_and_the_file(tollbook: Command) -> None:
    tollbook("run", "grades", "--json")
    document = tollbook("status", "--json").document
    assert document["spent"] == {"USDC": "0.051"}
    assert document["delivered"] == 3
    assert {cap["cap"]: cap["committed"] for cap in document["caps"]} == {
        "caps.USDC.per_day": "0.051",
        "caps.USDC.per_month": "0.051",
    }
    assert document["published"].endswith("published/warehouse.duckdb")
    assert "0.051 USDC" in tollbook("status").out
