"""`tollbook doctor` and `probe`: is everything in place, what do sellers ask? Both pay nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cli.conftest import Command

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


def test_a_sound_set_up_passes_every_check_and_pays_nothing(tollbook: Command, world: World, buyer: Buyer) -> None:
    said = tollbook("doctor", "--json", PREFECT_API_URL=None)
    assert said.code == 0, said.out
    names = [check["check"] for check in said.document["checks"]]
    assert names[:7] == ["configuration", "disk", "ledger", "wallet", "chain", "balance", "prefect"]
    assert "seller tokenmetrics" in names[7:]
    assert world.transfers(buyer.address) == []


def test_one_failing_check_does_not_hide_the_next(tollbook: Command) -> None:
    said = tollbook("doctor", "--json", TOLLBOOK_PRIVATE_KEY=None)
    assert said.code == 2
    found = {check["check"]: check for check in said.document["checks"]}
    assert not found["wallet"]["ok"]
    assert "TOLLBOOK_PRIVATE_KEY" in found["wallet"]["fix"]
    assert found["chain"]["ok"]
    assert found["seller tokenmetrics"]["ok"]


def test_each_chain_server_is_shown_by_its_host_and_one_that_is_down_is_named(tollbook: Command, buyer: Buyer) -> None:
    """The addresses may hold keys (I10)."""
    text = Path(buyer.env["TOLLBOOK_POLICY"]).read_text()
    policy = buyer.home / "two-servers.toml"
    policy.parent.mkdir(parents=True, exist_ok=True)
    url = re.search(r'(?m)^rpc_url = "(.*)"', text)
    assert url is not None
    policy.write_text(text.replace(url[0], f'rpc_urls = ["http://127.0.0.1:1/s3cret", "{url[1]}"]'))
    said = tollbook("doctor", "--json", TOLLBOOK_POLICY=str(policy))
    [chain] = [check for check in said.document["checks"] if check["check"] == "chain"]
    assert (said.code, chain["ok"]) == (6, False)
    shown = r"127\.0\.0\.1:1: the chain's RPC server does not answer.*; 127\.0\.0\.1:\d+: block \d+"
    assert re.search(shown, chain["detail"])
    assert "two must agree before money is freed" in chain["fix"]
    assert "s3cret" not in said.out + said.err


def test_nothing_configured_is_one_failed_check_with_its_fix(bare: Command) -> None:
    said = bare("doctor")
    assert said.code == 2
    assert said.out.startswith("FAIL configuration")


def test_probe_reports_every_endpoints_terms(tollbook: Command, world: World, buyer: Buyer) -> None:
    said = tollbook("probe", "--json", TOLLBOOK_PRIVATE_KEY=None)
    found = {each["dataset"]: each for each in said.document["endpoints"]}
    assert found["tm-grade"]["price"] == "0.017"
    assert found["tm-grade"]["status"] == 402
    assert found["tm-grade"]["ok"]
    assert world.transfers(buyer.address) == []


def test_a_resource_that_is_not_the_endpoint_is_shown_and_payable(tollbook: Command, world: World) -> None:
    world.faults.add("swap_resource", times=None)
    said = tollbook("probe", "--json", TOLLBOOK_PRIVATE_KEY=None)
    found = {each["dataset"]: each for each in said.document["endpoints"]}["tm-grade"]
    assert (found["ok"], found["resource"]) == (True, f"{world.seller_url.removesuffix('/v2')}/v2/tokens")
    assert "its resource is" in found["what"]


def test_a_seller_that_may_name_any_payee_is_pointed_out(tollbook: Command, world: World, tmp_path: Path) -> None:
    text = world.policy_path.read_text().replace(f'pay_to = ["{world.pay_to}"]', 'pay_to = "any"', 1)
    policy = tmp_path / "any.toml"
    policy.write_text(text)
    said = tollbook("doctor", "--json", PREFECT_API_URL=None, TOLLBOOK_POLICY=str(policy))
    found = {check["check"]: check for check in said.document["checks"]}["seller tokenmetrics"]
    assert found["ok"]
    assert "nothing checks who is paid" in found["detail"]


def test_probe_of_a_seller_that_policy_does_not_name_says_so(tollbook: Command) -> None:
    said = tollbook("probe", "nobody")
    assert said.code == 2
    assert "nobody" in said.err


def test_a_token_with_other_decimals_fails_doctor_and_probe_and_signs_nothing(
    tollbook: Command, world: World, buyer: Buyer, tmp_path: Path
) -> None:
    policy = tmp_path / "wide.toml"
    policy.write_text(world.policy_path.read_text().replace("decimals = 6", "decimals = 18", 1))
    env = {"TOLLBOOK_POLICY": str(policy)}
    [token] = [c for c in tollbook("doctor", "--json", **env).document["checks"] if c["check"] == "token"]
    assert (token["ok"], "decimals() is 6" in token["detail"]) == (False, True)
    assert "write decimals = 6" in token["fix"]
    said = tollbook("probe", "--json", **env)
    assert said.code == 2
    assert all("decimals() is 6" in each["what"] for each in said.document["endpoints"])
    said = tollbook("run", "signals", "--json", **env)
    assert (said.code, "decimals() is 6" in said.out) == (2, True), said.out
    assert world.transfers(buyer.address) == []
