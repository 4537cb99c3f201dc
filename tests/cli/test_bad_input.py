"""Wrong input: the error names it and its fix, the exit code is 2, and nothing was signed."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Command

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


def policy_with(buyer: Buyer, tmp_path: Path, old: str, new: str) -> str:
    """The buyer's policy file with one change; its path."""
    text = Path(buyer.env["TOLLBOOK_POLICY"]).read_text()
    assert old in text
    path = tmp_path / "policy.toml"
    path.write_text(text.replace(old, new))
    return str(path)


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_nothing_configured_names_the_first_thing_to_set(bare: Command) -> None:
    said = bare("status")
    assert said.code == 2
    assert said.err.startswith("error: TOLLBOOK_HOME is not set")
    assert "Money: none was sent." in said.err
    assert "tollbook demo" in said.err


def test_a_missing_key_is_named_with_both_ways_to_give_one(tollbook: Command, world: World, buyer: Buyer) -> None:
    said = tollbook("run", "grades", TOLLBOOK_PRIVATE_KEY=None)
    assert said.code == 2
    assert "TOLLBOOK_PRIVATE_KEY" in said.err
    assert "TOLLBOOK_KEYSTORE" in said.err
    assert world.transfers(buyer.address) == []


def test_a_bad_key_is_refused_and_never_quoted(tollbook: Command) -> None:
    """I10: what was mistaken for a key may be one."""
    said = tollbook("run", "grades", TOLLBOOK_PRIVATE_KEY="0xnot-a-key-but-secret")
    assert said.code == 2
    assert "TOLLBOOK_PRIVATE_KEY is not a private key" in said.err
    assert "not-a-key-but-secret" not in said.out + said.err


def test_a_missing_policy_names_the_file_and_the_variable(tollbook: Command, tmp_path: Path) -> None:
    said = tollbook("plan", "grades", TOLLBOOK_POLICY=str(tmp_path / "none.toml"))
    assert said.code == 2
    assert str(tmp_path / "none.toml") in said.err


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ('per_run = "50.00"', "per_run = 50.0", "caps.USDC.per_run"),
        ('per_run = "50.00"', 'per_rum = "50.00"', "did you mean per_run"),
        ("[network]", "[network", "policy"),
        ('finality = "safe"', 'finality = "soon"', "network.finality"),
    ],
)
def test_a_malformed_policy_names_the_key_and_the_fix(
    tollbook: Command, buyer: Buyer, tmp_path: Path, old: str, new: str, names: str
) -> None:
    said = tollbook("plan", "grades", TOLLBOOK_POLICY=policy_with(buyer, tmp_path, old, new))
    assert said.code == 2
    assert names in said.err
    assert "What to do:" in said.err


@pytest.mark.parametrize(("name", "near"), [("grade", "grades"), ("trading-signal", "trading-signals")])
def test_an_unknown_dataset_lists_its_near_matches(tollbook: Command, name: str, near: str) -> None:
    said = tollbook("plan", name)
    assert said.code == 2
    assert repr(name) in said.err
    assert f"did you mean {near}" in said.err


def test_an_unknown_token_lists_its_near_matches(tollbook: Command) -> None:
    said = tollbook("plan", "grades", "--tokens", "Bitcoim")
    assert said.code == 2
    assert "BTC (3375 Bitcoin)" in said.err


def test_an_unknown_token_id_is_refused_before_anybody_is_asked_for_terms(tollbook: Command) -> None:
    said = tollbook("plan", "grades", "--tokens", "99999999")
    assert said.code == 2
    assert "99999999" in said.err


def test_a_symbol_of_several_tokens_is_asked_back_by_id(tollbook: Command) -> None:
    said = tollbook("plan", "grades", "--tokens", "BTC")
    assert said.code == 2
    assert "'BTC' fits" in said.err
    assert "3375 Bitcoin" in said.err
    assert "by its id" in said.err


def test_an_unreachable_seller_spends_nothing_and_exits_6(tollbook: Command, buyer: Buyer, tmp_path: Path) -> None:
    text = Path(buyer.env["TOLLBOOK_POLICY"]).read_text()
    base = next(line for line in text.splitlines() if line.startswith("base_url"))
    path = policy_with(buyer, tmp_path, base, f'base_url = "http://127.0.0.1:{closed_port()}/v2"')
    said = tollbook("run", "grades", TOLLBOOK_POLICY=path)
    assert said.code == 6
    assert "tokenmetrics did not answer" in said.err
    assert "Money: none was spent by this run." in said.err


def test_an_unreachable_chain_signs_nothing_and_exits_6(
    tollbook: Command, world: World, buyer: Buyer, tmp_path: Path
) -> None:
    text = Path(buyer.env["TOLLBOOK_POLICY"]).read_text()
    rpc = next(line for line in text.splitlines() if line.startswith("rpc_url"))
    path = policy_with(buyer, tmp_path, rpc, f'rpc_url = "http://127.0.0.1:{closed_port()}"')
    said = tollbook("run", "grades", TOLLBOOK_POLICY=path)
    assert said.code == 6
    assert "rpc_url" in said.err
    assert world.transfers(buyer.address) == []


def test_terms_outside_policy_are_refused_naming_the_field(
    tollbook: Command, world: World, buyer: Buyer, tmp_path: Path
) -> None:
    """I6."""
    stranger = "0x000000000000000000000000000000000000dEaD"
    text = Path(buyer.env["TOLLBOOK_POLICY"]).read_text()
    pay_to = next(line for line in text.splitlines() if line.startswith("pay_to"))
    said = tollbook("run", "grades", TOLLBOOK_POLICY=policy_with(buyer, tmp_path, pay_to, f'pay_to = ["{stranger}"]'))
    assert said.code == 3
    assert "payTo" in said.err
    assert "Money: none was sent." in said.err
    assert world.transfers(buyer.address) == []


def test_an_unknown_variable_is_an_error_that_names_the_right_one(tollbook: Command) -> None:
    said = tollbook("status", TOLLBOOK_PRIVAT_KEY="x")
    assert said.code == 2
    assert "unknown environment variable TOLLBOOK_PRIVAT_KEY" in said.err
    assert "did you mean TOLLBOOK_PRIVATE_KEY?" in said.err


def test_a_clock_offset_is_refused_outside_a_sandbox(tollbook: Command, buyer: Buyer, tmp_path: Path) -> None:
    path = policy_with(buyer, tmp_path, "chain_id = 31337", "chain_id = 8453")
    said = tollbook("plan", "grades", TOLLBOOK_POLICY=path, TOLLBOOK_CLOCK_OFFSET="60")
    assert said.code == 2
    assert "TOLLBOOK_CLOCK_OFFSET" in said.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("backfill", "signals", "--from", "2026-02-01", "--to", "2026-01-01"), "reversed"),
        (("backfill", "signals", "--from", "2026-01-01", "--to", "2999-01-01"), "in the future"),
        (("backfill", "signals", "--from", "1915-01-01", "--to", "2026-01-01"), "nothing before 2017-01-01 (inferred)"),
        (("backfill", "trader-grades", "--from", "2020-12-31", "--to", "2021-02-01"), "before 2021-01-01 (observed)"),
        (("backfill", "signals", "--from", "yesterday", "--to", "2026-01-01"), "YYYY-MM-DD"),
        (("backfill", "signals", "--to", "2026-01-01"), "--from is missing"),
        (("backfill", "moonshots", "--from", "2026-01-01", "--to", "2026-01-02"), "no history"),
        (("run",), "no flow is named"),
        (("run", "grades", "--all"), "give one of them"),
        (("costs", "--by", "year"), "'year'"),
        (("status", "--colour"), "--colour"),
        (("accept-loss", "nothing"), "there is no purchase 'nothing'"),
    ],
)
def test_a_bad_command_line_is_answered_before_any_payment(
    tollbook: Command, arguments: tuple[str, ...], says: str
) -> None:
    said = tollbook(*arguments)
    assert said.code == 2
    assert says in said.err
    assert "Money: none was sent." in said.err
    assert said.out == ""


def test_errors_with_json_are_one_document_on_stdout(tollbook: Command) -> None:
    said = tollbook("plan", "grade", "--json")
    assert said.err == ""
    error = said.document["error"]
    assert error["exit_code"] == said.code == 2
    assert error["money"] == "none was sent"
    assert set(error) == {"kind", "what", "money", "repeat", "advice", "exit_code"}
