"""The verbs with a remote signer on loopback: run, recover, reconcile, doctor, backup and restore."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Command, Said
from tests.cli.process import COMMAND
from tests.payer.onchain import wait_until_final
from tests.payer.wallet import signer_stub
from tests.payer.wallet.signer_stub import SignerStub, running

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


@pytest.fixture
def stub(buyer: Buyer) -> Iterator[SignerStub]:
    with running(SignerStub(bytes.fromhex(buyer.env["TOLLBOOK_PRIVATE_KEY"].removeprefix("0x")))) as signer:
        yield signer


@pytest.fixture
def remote(tollbook: Command, stub: SignerStub) -> Command:
    """The command with the key at the stub, and nowhere else."""
    tollbook.env.pop("TOLLBOOK_PRIVATE_KEY")
    tollbook.env["TOLLBOOK_SIGNER_URL"] = stub.url
    return tollbook


def secret_of(buyer: Buyer) -> Path:
    return buyer.home / "nonce-secret"


def checks(said: Said) -> dict[str, dict[str, object]]:
    return {check["check"]: check for check in said.document["checks"]}


def test_a_remote_signer_pays_once_recovers_and_reconciles(
    remote: Command, stub: SignerStub, world: World, buyer: Buyer
) -> None:
    """Killed once it was signed: recovery presents it with another signature, and the nonce settles once."""
    killed = [*COMMAND, "run", "tm-grade", "--json"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("TOLLBOOK_")}
    assert subprocess.run(killed, env={**own, **remote.env, "TOLLBOOK_CRASH_AT": "payment.signed"}).returncode == -9
    recovered = remote("recover", "--json")
    assert (recovered.code, recovered.document["delivered"]) == (0, 1), recovered.out
    assert (len(stub.signed), len({each["nonce"] for each in stub.signed})) == (2, 1)
    assert len(set(stub.signatures[-2:])) == 2
    again = remote("run", "tm-grade", "--json")
    assert (again.code, again.document["calls_paid"]) == (0, 0)
    assert len(world.transfers(buyer.address)) == 1
    written = b"".join(path.read_bytes() for path in (buyer.home / "state").rglob("*") if path.is_file())
    assert not any(bytes.fromhex(each[2:66]) in written or each[2:].encode() in written for each in stub.signatures)
    wait_until_final(world)
    assert remote("reconcile", "--json").document["clean"]


def test_the_secret_is_made_with_a_word_and_backed_up_and_restored(
    remote: Command, world: World, buyer: Buyer, tmp_path: Path
) -> None:
    said = remote("run", "tm-grade", "--json")
    assert "made the nonce secret" in said.err
    assert stat.S_IMODE(secret_of(buyer).stat().st_mode) == 0o600
    secret, copy = secret_of(buyer).read_text(), tmp_path / "copy.db"
    done = remote("backup", str(copy), "--json").document
    assert Path(done["nonce_secret"]).read_text() == secret
    secret_of(buyer).unlink()
    os.rename(buyer.home / "state", tmp_path / "lost")
    restored = remote("restore", str(copy), "--json")
    assert restored.document["nonce_secret"] == str(secret_of(buyer))
    assert secret_of(buyer).read_text() == secret
    paid = len(world.transfers(buyer.address))
    assert remote("run", "tm-grade", "--json").code == 0
    assert len(world.transfers(buyer.address)) == paid


def test_a_lost_secret_stops_before_anything_is_signed(remote: Command, stub: SignerStub, buyer: Buyer) -> None:
    remote("run", "tm-grade", "--json")
    secret_of(buyer).unlink()
    stub.signed.clear()
    said = remote("run", "grades", "--json")
    assert said.code == 2
    assert "is missing" in said.document["error"]["what"]
    assert stub.signed == []


def test_a_key_moves_to_a_remote_signer_with_its_secret(
    tollbook: Command, stub: SignerStub, world: World, buyer: Buyer, tmp_path: Path
) -> None:
    """The nonces stay the same: what the local key bought is not paid again, even where the ledger is lost."""
    tollbook("run", "tm-grade", "--json")
    paid = len(world.transfers(buyer.address))
    moved = {"TOLLBOOK_PRIVATE_KEY": None, "TOLLBOOK_SIGNER_URL": stub.url}
    assert "nonce-secret" in tollbook("run", "tm-grade", "--json", **moved).document["error"]["advice"]
    done = tollbook("backup", str(tmp_path / "copy.db"), "--nonce-secret", "--json").document
    os.rename(done["nonce_secret"], secret_of(buyer))
    assert tollbook("run", "tm-grade", "--json", **moved).code == 0
    os.rename(buyer.home / "state", tmp_path / "lost")
    tollbook("run", "tm-grade", "--json", **moved)
    assert len(world.transfers(buyer.address)) == paid


def test_a_signature_by_another_key_pays_nothing_and_says_so(
    remote: Command, stub: SignerStub, world: World, buyer: Buyer
) -> None:
    sound = checks(remote("doctor", "--json", PREFECT_API_URL=None))
    assert (sound["wallet"]["detail"], sound["account"]["ok"]) == (buyer.address, True)
    assert "remote signer signs" in str(sound["account"]["detail"])
    stub.wrong = signer_stub.of_another_key
    said = remote("run", "tm-grade", "--json")
    assert said.code == 3, said.out
    assert world.transfers(buyer.address) == []
    failed = remote("doctor", "--json", PREFECT_API_URL=None)
    assert "was signed by" in str(checks(failed)["account"]["detail"])


def test_a_signer_that_is_down_is_unreachable_and_nothing_was_sent(remote: Command, world: World, buyer: Buyer) -> None:
    down = {"TOLLBOOK_SIGNER_URL": "http://127.0.0.1:1", "TOLLBOOK_SIGNER_ADDRESS": buyer.address}
    said = remote("run", "tm-grade", "--json", **down)
    assert said.code == 6, said.out
    assert world.transfers(buyer.address) == []
