"""docs/httpx.md is true: five changed lines, and every example runs as written against a paid world."""

from __future__ import annotations

import difflib
import os
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import payer
from tests.paths import DOCS

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

PAGE = (DOCS / "httpx.md").read_text("utf-8")
CODE = dict(re.findall(r"^```python (\w+)\n(.*?)^```", PAGE, re.S | re.M))


def test_five_lines_change_at_most() -> None:
    lines = difflib.ndiff(CODE["before"].splitlines(), CODE["after"].splitlines())
    assert 0 < len([line for line in lines if line.startswith("+ ") and line[2:].strip()]) <= 5


def test_the_official_clients_program_is_one_that_compiles() -> None:
    compile(CODE["before"], "before", "exec")
    names = dict(re.findall(r"from (x402[\w.]*) import (\w+)", CODE["before"]))
    for module, name in names.items():
        assert hasattr(__import__(module, fromlist=[name]), name)


def test_every_error_it_names_is_public() -> None:
    table = PAGE.partition("| raised |")[2].partition("\n\n")[0]
    for name in re.findall(r"`([A-Z]\w+)`", table):
        assert issubclass(getattr(payer, name), payer.PayerError)


def test_every_mark_it_names_is_on_a_paid_response(
    world: World, buyer: Buyer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page from top to bottom: paid once, then kept, by the sync client too; editions; a refusal."""
    for name in [name for name in os.environ if name.startswith("TOLLBOOK_")]:
        monkeypatch.delenv(name)
    for name, value in buyer.env.items():
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {}

    def run(block: str) -> None:
        exec(CODE[block].replace("https://api.tokenmetrics.com/v2", world.seller_url), names)

    run("after")
    bought = names["answer"]
    run("after")
    kept = names["answer"]
    assert (bought.status_code, bought.json()["success"], kept.content) == (200, True, bought.content)
    assert [each.extensions["tollbook"]["kept"] for each in (bought, kept)] == [False, True]
    assert len(world.transfers(buyer.address)) == 1
    table = PAGE.partition("| key | meaning |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.M)))) == set(
        bought.extensions["tollbook"]
    )
    run("sync")
    run("marks")
    assert capsys.readouterr().out.startswith("True False 17000 USDC 0x")
    run("editions")
    assert names["hour"].extensions["tollbook"]["edition"].startswith("hour:")
    assert names["once"].extensions["tollbook"]["edition"] == "final"
    run("errors")
    assert isinstance(names["refused"], httpx.TransportError)
    run("mounts")
    names["client"].close()
    assert len(world.transfers(buyer.address)) == 4
