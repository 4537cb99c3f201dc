"""`tollbook init`: from an empty folder to a first purchase, and a second time nothing changes."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from payer.environment.env_file import parse_env_file
from payer.policy.file import load_policy
from payer.values.errors import SellerUnreachable
from payer.wallet import keystore
from tasks.workspace.settings import VARIABLES
from tests.cli.conftest import Command
from tests.paths import ROOT
from tollbook.cli.init import collect, watch_list

if TYPE_CHECKING:
    from sandbox.world import World

KEY = "4c0883a69102937d6231471b5dbb6204fe512961708279a4b2f1c3d6e7a89b01"
PHRASE = "test test test test test test test test test test test junk"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seller's free lists can't be reached; keystores open quickly."""

    async def unreachable(*_: object, **__: object) -> list[object]:
        raise SellerUnreachable("tokenmetrics did not answer")

    monkeypatch.setattr(watch_list, "find_tokens", unreachable)
    monkeypatch.setattr(collect, "SCRYPT_ROUNDS", keystore.FEW_ROUNDS)


def written(folder: Path) -> dict[str, str]:
    return dict(parse_env_file(folder / ".env", (folder / ".env").read_bytes()).variables)


def contents(folder: Path) -> dict[str, bytes]:
    files = ("policy.toml", ".env", "keystore.json", "keystore-password", "nonce-secret")
    return {name: (folder / name).read_bytes() for name in files if (folder / name).exists()}


REAL = ("init", "--network", "base-sepolia", "--tokens", "3375,3306")


def test_from_an_empty_folder_to_a_bill_and_a_second_init_changes_nothing(bare: Command, folder: Path) -> None:
    """tests/docs/test_readme.py goes on to the first purchase, in a shell."""
    from sandbox.world import World

    made = bare("init", "--sandbox", "--yes", "--json")
    assert made.code == 0, made.out + made.err
    assert (len(made.document["tokens"]), made.document["tokens"][0]["symbol"]) == (10, "BTC")
    assert all(token["rank"] and token["price_usd"] for token in made.document["tokens"])
    assert made.document["sandbox"] == "tollbook sandbox --home world"
    assert [command.split()[1] for command in made.document["next"]] == ["doctor", "plan", "run"]
    before = contents(folder)
    with World(folder / "world") as world:
        doctor, plan = (bare(*line.split()[1:], "--json", PREFECT_API_URL=None) for line in made.document["next"][:2])
        assert (doctor.code, plan.code) == (0, 0), doctor.out + plan.err
        assert f"from {folder}/.env: TOLLBOOK_HOME" in doctor.out
        assert plan.document["calls"] == 12
        assert world.transfers() == []
        again = bare("init", "--sandbox", "--yes", "--json")
    assert again.code == 0
    assert (again.document["written"], len(again.document["unchanged"])) == ([], 2)
    assert contents(folder) == before
    assert set(before) == {"policy.toml", ".env", "keystore.json", "keystore-password"}


def test_what_nobody_can_be_asked_for_is_named_by_its_flag(bare: Command, folder: Path) -> None:
    said = bare("init")
    assert said.code == 2
    assert "--network, --wallet are missing" in said.err
    assert "tollbook init --sandbox" in said.err
    assert "--wallet is missing" in bare("init", "--yes", "--network", "base").err
    assert "--key-file is missing" in bare("init", "--network", "base", "--wallet", "import").err
    assert "--signer-url is missing" in bare("init", "--network", "base", "--wallet", "signer").err
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("offline")
def test_a_new_wallet_on_base_sepolia_is_set_up_offline_by_ids(bare: Command, folder: Path) -> None:
    said = bare(*REAL, "--wallet", "new", "--per-day", "0.50", "--home", "books")
    assert said.code == 0, said.err
    assert "go by their ids alone" in said.out
    assert "send USDC on Base Sepolia to that address; test USDC is free" in said.out
    policy = load_policy(folder / "policy.toml")
    assert (policy.chain_id, policy.sellers["tokenmetrics"].tokens) == (84532, (3375, 3306))
    assert (policy.caps["USDC"].per_day, policy.caps["USDC"].per_run) == (500_000, 500_000)
    assert written(folder)["TOLLBOOK_HOME"] == str(folder / "books")
    assert (folder / "books" / "state").stat().st_mode & 0o777 == 0o700
    assert bare("status").code == 0


@pytest.mark.usefixtures("offline")
def test_symbols_need_the_sellers_list_and_the_refusal_says_what_to_do(bare: Command, folder: Path) -> None:
    said = bare("init", "--network", "base", "--wallet", "new", "--tokens", "BTC,3306")
    assert said.code == 2
    assert "symbols can't be looked up: tokenmetrics did not answer" in said.err
    assert "3375 (Bitcoin)" in said.err
    assert "--tokens is missing" in bare("init", "--network", "base", "--wallet", "new").err
    assert contents(folder) == {}


@pytest.mark.usefixtures("offline")
def test_a_change_of_files_that_are_there_is_shown_and_needs_yes(bare: Command, folder: Path) -> None:
    assert bare(*REAL, "--wallet", "new").code == 0
    before = contents(folder)
    refused = bare("init", "--network", "base", "--per-day", "4.00")
    assert refused.code == 2
    for line in ("-chain_id = 84532", "+chain_id = 8453", '+per_day = "4.00"'):
        assert f"  {line}\n" in refused.out
    assert "--yes" in refused.err
    as_json = bare("init", "--network", "base", "--per-day", "4.00", "--json").document["error"]
    assert '+per_day = "4.00"' in as_json["what"]
    assert contents(folder) == before
    assert bare("init", "--network", "base", "--per-day", "4.00", "--yes").code == 0
    assert {name for name, content in contents(folder).items() if content != before[name]} == {"policy.toml"}
    assert bare("init").out.strip().startswith("Nothing to change.")


@pytest.mark.usefixtures("offline")
def test_a_key_is_imported_from_a_file_or_the_environment_and_never_shown(bare: Command, folder: Path) -> None:
    """I10."""
    (folder / "key").write_text(f"0x{KEY}\n")
    first = bare(*REAL, "--wallet", "import", "--key-file", "key")
    second = bare(*REAL, "--wallet", "import", "--folder", "other", TOLLBOOK_PRIVATE_KEY=KEY)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "unset TOLLBOOK_PRIVATE_KEY" in second.out
    addresses = [next(line for line in said.out.splitlines() if "wallet 0x" in line) for said in (first, second)]
    assert addresses[0] == addresses[1]
    for said in (first, second):
        assert KEY not in said.out + said.err
    for path in [*folder.glob("*.*"), *(folder / "other").rglob("*.*"), folder / ".env"]:
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(("pasted", "named"), [(PHRASE, "recovery phrase"), (KEY[:-2], "2 missing")])
def test_what_is_no_key_in_a_key_file_is_named_and_nothing_is_written(
    pasted: str, named: str, bare: Command, folder: Path
) -> None:
    (folder / "key").write_text(pasted)
    said = bare(*REAL, "--key-file", "key")
    assert said.code == 2
    assert named in said.err
    assert pasted not in said.err
    assert contents(folder) == {}


@pytest.mark.usefixtures("offline")
def test_a_remote_signer_gets_its_nonce_secret_once(bare: Command, folder: Path) -> None:
    """docs/adr/0009: the file is made once, and what was signed with it is never replaced."""
    signer = {"TOLLBOOK_SIGNER_URL": "https://user:word@signer.example"}
    said = bare(*REAL, "--wallet", "signer", "--signer-address", "0x" + "ab" * 20, **signer)
    assert said.code == 0, said.err
    assert written(folder)["TOLLBOOK_SIGNER_URL"] == signer["TOLLBOOK_SIGNER_URL"]
    before = contents(folder)
    assert (folder / "nonce-secret").stat().st_mode & 0o777 == 0o600
    assert bare(*REAL, "--wallet", "signer", "--signer-address", "0x" + "ab" * 20, **signer).code == 0
    assert contents(folder) == before
    assert "word@" not in said.out + said.err


def test_a_password_in_an_argument_is_refused(bare: Command, folder: Path) -> None:
    """I10: every user of a machine can read its command lines."""
    signer = bare(*REAL, "--wallet", "signer", "--signer-url", "https://user:word@signer.example")
    ledger = bare(*REAL, "--wallet", "new", "--ledger", "postgresql://user:word@db/tollbook")
    assert (signer.code, ledger.code) == (2, 2)
    assert "TOLLBOOK_SIGNER_URL" in signer.err
    assert "TOLLBOOK_LEDGER_URL" in ledger.err
    assert "word@" not in signer.err + ledger.err
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("offline")
def test_a_sandbox_never_takes_the_place_of_a_real_policy(bare: Command, world: World, folder: Path) -> None:
    assert bare(*REAL, "--wallet", "new").code == 0
    before = contents(folder)
    said = bare("init", "--sandbox", "--world", str(world.home), "--yes")
    assert said.code == 2
    assert "a policy for real money" in said.err
    assert contents(folder) == before


@pytest.mark.usefixtures("folder")
def test_an_unknown_network_and_wallet_name_the_known_ones(bare: Command) -> None:
    assert "base-sepolia, base" in bare("init", "--network", "ethereum").err
    assert "new, import, signer, keep" in bare("init", "--network", "base", "--wallet", "ledger").err
    assert "no wallet to keep" in bare("init", "--network", "base", "--wallet", "keep").err


def test_in_a_checkout_the_shipped_policy_is_left_alone(bare: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    said = bare("init", "--network", "base")
    assert said.code == 2
    assert "--folder DIR" in said.err


class Terminal:
    """A command at a terminal of its own, answered as its questions come."""

    def __init__(self, *arguments: str, folder: Path) -> None:
        ours, theirs = pty.openpty()
        env = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        self._screen, self.shown = ours, ""
        self.child = subprocess.Popen(
            [sys.executable, "-m", "tollbook.cli.main", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={**env, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "TERM": "dumb"},
            start_new_session=True,
        )
        os.close(theirs)

    def answer(self, question: str, text: str) -> None:
        """Wait until the question is on the screen, below what was shown before, and type."""
        self._read_until(question)
        time.sleep(0.05)  # getpass drops what was typed before it switched the echo off
        os.write(self._screen, text.encode() + b"\n")

    def end(self) -> int:
        self._read_until(None)
        os.close(self._screen)
        return self.child.wait(30)

    def _read_until(self, words: str | None) -> None:
        unread = ""
        while words is None or words not in unread:
            ready, _, _ = select.select([self._screen], [], [], 60)
            assert ready, f"{words!r} was not asked for a minute:\n{self.shown}"
            try:
                piece = os.read(self._screen, 4096).decode("utf-8", "replace")
            except OSError:
                piece = ""
            if not piece:
                assert words is None, f"{words!r} was never asked:\n{self.shown}"
                return
            unread += piece
            self.shown += piece


@pytest.fixture
def terminal(folder: Path, world: World) -> Iterator[Terminal]:
    opened = Terminal("init", "--sandbox", "--world", str(world.home), folder=folder)
    yield opened
    opened.child.kill()
    opened.child.wait()


def test_a_person_is_asked_and_a_key_is_not_echoed(terminal: Terminal, folder: Path) -> None:
    """I10. A child process at a real terminal: what is typed there is seen only if the program lets it."""
    terminal.answer("Home: where ledger", "")
    terminal.answer("Choose [sqlite]", "")
    terminal.answer("Choose [new]", "import")
    terminal.answer("Private key", PHRASE)
    terminal.answer("Private key", "0x" + KEY)
    terminal.answer("Password for it", "correct horse")
    terminal.answer("Repeat", "correct horse")
    for cap in ("per_call", "per_run", "per_flow_day"):
        terminal.answer(cap, "")
    terminal.answer("per_day", "three")
    terminal.answer("per_day", "3.00")
    terminal.answer("per_month", "")
    terminal.answer("Watch list", "BTC")
    terminal.answer("Watch list", "3375,3306")
    terminal.answer("Write this?", "y")
    assert terminal.end() == 0, terminal.shown
    assert "recovery phrase of 12 words" in terminal.shown
    assert "per_day is 'three', and no amount" in terminal.shown
    assert "fits 3 tokens: 3375 Bitcoin (rank 1)" in terminal.shown
    for secret in (KEY, PHRASE, "correct horse"):
        assert secret not in terminal.shown
    assert (folder / "keystore-password").read_text() == "correct horse\n"
    policy = load_policy(folder / "policy.toml")
    assert (policy.sellers["tokenmetrics"].tokens, policy.caps["USDC"].per_day) == ((3375, 3306), 3_000_000)
