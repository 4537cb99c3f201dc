"""docs/operating.md is true: generated parts are current, its commands run, its examples have the documents' shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from payer.policy import file as policy_file
from payer.wallet.keystore import FEW_ROUNDS
from tasks.request.schedules import read_schedules
from tasks.setup.policy_text import Listed
from tasks.workspace.settings import VARIABLES
from tests.cli.conftest import Command
from tests.docs.generate import PAGE, generated, operating
from tests.docs.page import PROJECT, commands, examples
from tollbook.cli.app import VERBS
from tollbook.cli.init import collect, watch_list

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

POLICY_KEYS = (
    *policy_file.NETWORK_KEYS,
    *policy_file.PAYMENT_KEYS,
    *policy_file.ASSET_KEYS,
    *policy_file.CAP_KEYS,
    *policy_file.SELLER_KEYS,
)


def shape(value: Any) -> Any:
    """The keys of a document, all the way down; of a list, its first entry's."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "…"


def fits(example: Any, found: Any, where: str = "$") -> None:
    """Same keys everywhere; an empty list or null on either side says nothing about its entries."""
    if isinstance(example, dict) and isinstance(found, dict):
        assert set(example) == set(found), where
        for key in example:
            fits(example[key], found[key], f"{where}.{key}")
    elif isinstance(example, list) and isinstance(found, list) and example and found:
        fits(example[0], found[0], f"{where}[0]")


def test_generated_parts_are_current() -> None:
    page = PAGE.read_text()
    assert generated(page, operating()) == page, "run: python -m tests.docs.generate"


def test_every_variable_and_every_verb_is_on_the_page() -> None:
    page = PAGE.read_text()
    for name in (*VARIABLES, *(f"### {verb}\n" for verb in VERBS)):
        assert name in page, name


@pytest.mark.parametrize("key", dict.fromkeys(POLICY_KEYS))
def test_every_policy_key_is_documented(key: str) -> None:
    assert key in (PROJECT / "docs" / "policy.md").read_text()


def test_the_worlds_commands_run_as_written(tollbook: Command) -> None:
    """The first block, after the two lines that start a world and read its variables."""
    lines = [line for line in commands("sh") if line[0] == "tollbook"]
    assert [line[1] for line in lines] == [
        "sandbox",
        "doctor",
        "plan",
        "run",
        "costs",
        "plan",
        "run",
        "backfill",
        "backfill",
    ]
    for line in lines[1:]:
        said = tollbook(*line[1:], PREFECT_API_URL=None)
        assert said.code == 0, (line, said.err)


def test_every_example_has_the_shape_of_the_real_document(
    tollbook: Command,
    world: World,
    buyer: Buyer,
) -> None:
    shown = examples()
    fits(shown["error"], tollbook("run", "grades", "--max-cost", "0.02", "--json").document)
    fits(shown["plan"], tollbook("plan", "grades", "--json").document)
    schedules = str(PROJECT / "prefect.yaml")
    fits(shown["month"], tollbook("plan", "grades", "--month", "--schedules", schedules, "--json").document)
    fits(shown["run"], tollbook("run", "grades", "--json").document)
    for verb in ("status", "costs", "recover", "reconcile", "publish", "rebuild", "doctor", "health", "probe"):
        fits(shown[verb], tollbook(verb, "--json").document)
    for line in tollbook("watch", "--no-follow", "--json").out.splitlines():
        fits(shown["watch"], json.loads(line))
    fits(shown["check"], tollbook("rebuild", "--check", "--json").document)
    fits(shown["backup"], tollbook("backup", str(buyer.home / "copy.db"), "--json").document)
    assert world.transfers(buyer.address)


def test_setting_up_a_folder_goes_as_written(bare: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline: the seller's lists are a stand-in, and the keystore opens quickly."""

    async def find(_home: object, _policy: str, words: str | None, **_: object) -> list[Listed]:
        assert words == "3375,3306"
        return [Listed(3375, "BTC", "Bitcoin", 1, price=1.0), Listed(3306, "ETH", "Ethereum", 2, price=1.0)]

    monkeypatch.setattr(watch_list, "find_tokens", find)
    monkeypatch.setattr(collect, "SCRYPT_ROUNDS", FEW_ROUNDS)
    monkeypatch.chdir(tmp_path)
    made, same, changed = (bare(*line[1:], "--json") for line in commands("sh init"))
    assert (made.code, same.code, changed.code) == (0, 0, 0), made.err
    fits(examples()["init"], made.document)
    written = [[Path(path).name for path in said.document["written"]] for said in (made, same, changed)]
    assert written == [["policy.toml", ".env"], [], ["policy.toml"]]


def test_the_purchase_example_has_the_shape_of_a_purchase(tollbook: Command) -> None:
    from tasks.ops.status import purchase_document
    from tasks.workspace.workspace import Workspace

    tollbook("run", "tm-grade", "--json")
    with Workspace.open(tollbook.env) as ws:
        [purchase] = ws.ledger.purchases()
    assert set(examples()["purchase"]) == set(purchase_document(purchase))


def test_schedules_are_read_with_their_slugs() -> None:
    found = read_schedules(PROJECT / "prefect.yaml")
    assert len({schedule.slug for schedule in found}) == len(found) >= 5
