"""The nonce secret's file: made once, private, the same for all processes, and never mistaken for another."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from payer.ledger import Ledger
from payer.values.errors import Misconfigured
from payer.values.identifiers import nonce, purchase_key
from payer.wallet.load import nonce_secret_path
from payer.wallet.nonce_secret import (
    beside,
    copy_nonce_secret,
    make_nonce_secret,
    nonce_secret_for,
    read_nonce_secret,
    write_nonce_secret,
)
from tests.payer import purchases as p

OURS, OTHER = b"\x01" * 32, b"\x02" * 32


def bought_with(ledger: Ledger, secret: bytes, payer: str = p.PAYER, number: int = 0) -> None:
    """Reserve a purchase whose nonce comes from a secret."""
    item = p.wanted(number)
    key = purchase_key(item.order.request, item.order.edition)
    ours = {generation: nonce(secret, p.USDC, key, generation) for generation in range(2)}
    ledger.reserve(p.run(), [replace(item, payer=payer, nonce_of=ours)], p.CAPS, p.LEASE)


def test_it_is_made_once_and_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "nonce-secret"
    assert read_nonce_secret(path) is None
    made = make_nonce_secret(path)
    assert len(made) == 32
    assert make_nonce_secret(path) == read_nonce_secret(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["nonce-secret"]


def test_processes_that_make_it_at_once_all_read_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(lambda _: make_nonce_secret(tmp_path / "nonce-secret"), range(16)))
    assert len(made) == 1


def test_a_process_that_dies_while_it_is_made_leaves_none_and_the_next_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "nonce-secret"
    imports = "from pathlib import Path; from payer.wallet.nonce_secret import make_nonce_secret"
    program = f"{imports}; make_nonce_secret(Path({str(path)!r}))"
    environ = {**os.environ, "TOLLBOOK_CRASH_AT": "nonce_secret.written"}
    assert subprocess.run([sys.executable, "-c", program], env=environ).returncode == -signal.SIGKILL
    assert read_nonce_secret(path) is None
    assert make_nonce_secret(path) == read_nonce_secret(path)


@pytest.mark.parametrize(
    "content", ["", "11" * 32, "tollbook nonce secret v1: 11\n", "tollbook nonce secret v2: " + "1" * 64]
)
def test_a_file_that_holds_something_else_is_refused_unquoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "nonce-secret"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match="holds no nonce secret") as caught:
        make_nonce_secret(path)
    assert "1111" not in str(caught.value)
    assert path.read_text() == content


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nonce-secret"
    make_nonce_secret(path)
    path.chmod(0o640)
    with pytest.raises(Misconfigured, match="other users") as caught:
        read_nonce_secret(path)
    assert "chmod 600" in caught.value.fix


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="can't be made"):
        make_nonce_secret(tmp_path / "file" / "nonce-secret")


def test_it_lies_beside_state_unless_the_environment_names_it(tmp_path: Path) -> None:
    assert nonce_secret_path({}, tmp_path) == tmp_path / "nonce-secret"
    assert nonce_secret_path({"TOLLBOOK_NONCE_SECRET_FILE": str(tmp_path / "x")}, tmp_path) == tmp_path / "x"


def test_a_new_wallet_gets_a_new_secret_with_a_word_about_copies(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "nonce-secret"
    made, note = nonce_secret_for(ledger, p.PAYER, path)
    assert str(path) in note
    assert nonce_secret_for(ledger, p.PAYER, path) == (made, "")


def test_another_wallets_purchases_say_nothing_about_this_ones(ledger: Ledger, tmp_path: Path) -> None:
    bought_with(ledger, OTHER, payer="0x" + "33" * 20)
    assert nonce_secret_for(ledger, p.PAYER, tmp_path / "nonce-secret")[1]


def test_a_lost_secret_is_never_made_a_second_time_for_a_wallet_that_has_bought(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "nonce-secret"
    bought_with(ledger, OURS)
    with pytest.raises(Misconfigured, match="is missing") as caught:
        nonce_secret_for(ledger, p.PAYER, path)
    assert "backup" in caught.value.fix
    assert not path.exists()
    write_nonce_secret(path, OURS)
    assert nonce_secret_for(ledger, p.PAYER, path) == (OURS, "")


def test_a_secret_of_another_wallet_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """Signed with it, what was bought could be paid a second time after the ledger is lost."""
    path = tmp_path / "nonce-secret"
    write_nonce_secret(path, OTHER)
    bought_with(ledger, OURS)
    bought_with(ledger, OTHER, payer="0x" + "33" * 20, number=1)
    with pytest.raises(Misconfigured, match="another secret"):
        nonce_secret_for(ledger, p.PAYER, path)


def test_a_copy_replaces_no_other_secret(tmp_path: Path) -> None:
    copy = beside(tmp_path / "ledger.db")
    assert copy.name == "ledger.db.nonce-secret"
    assert read_nonce_secret(copy_nonce_secret(OURS, copy)) == OURS
    copy_nonce_secret(OURS, copy)
    with pytest.raises(Misconfigured, match="another nonce secret"):
        copy_nonce_secret(OTHER, copy)
    assert read_nonce_secret(copy) == OURS
