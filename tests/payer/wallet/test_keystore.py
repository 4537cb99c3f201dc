"""Making a keystore: once, never over one, opened before its address is told, and nothing of the key shown (I10)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account import Account

from payer.values.errors import Misconfigured
from payer.values.terms import SecretStr
from payer.wallet.keystore import FEW_ROUNDS, make_keystore
from payer.wallet.load import load_wallet
from tests.paths import ROOT
from tests.payer.wallet.test_load import assert_unseen

KEY = "4c0883a69102937d6231471b5dbb6204fe512961708279a4b2f1c3d6e7a89b01"
ADDRESS = Account.from_key(bytes.fromhex(KEY)).address


def made(folder: Path, key: str | None = None, password: str | None = None) -> str:
    return make_keystore(
        folder / "wallet.json",
        folder / "password",
        key=None if key is None else SecretStr(key),
        password=None if password is None else SecretStr(password),
        rounds=FEW_ROUNDS,
    )


def opened(folder: Path) -> str:
    return load_wallet(
        {
            "TOLLBOOK_KEYSTORE": str(folder / "wallet.json"),
            "TOLLBOOK_KEYSTORE_PASSWORD_FILE": str(folder / "password"),
        }
    ).address


def test_a_new_wallet_is_one_that_its_files_open_and_only_this_user_reads_them(tmp_path: Path) -> None:
    address = made(tmp_path)
    assert address == opened(tmp_path)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "wallet.json": 0o600,
        "password": 0o600,
    }
    assert len((tmp_path / "password").read_text()) > 40
    assert json.loads((tmp_path / "wallet.json").read_text())["crypto"]["kdf"] == "scrypt"


def test_two_new_wallets_have_two_keys(tmp_path: Path) -> None:
    assert made(tmp_path / "a") != made(tmp_path / "b")


@pytest.mark.parametrize("text", [KEY, f" 0x{KEY}\n"])
def test_an_imported_key_is_kept_under_the_password_that_was_given(text: str, tmp_path: Path) -> None:
    assert made(tmp_path, text, "correct horse") == ADDRESS == opened(tmp_path)
    assert (tmp_path / "password").read_text() == "correct horse\n"


def test_a_keystore_that_is_there_is_kept_whatever_is_asked(tmp_path: Path) -> None:
    first = made(tmp_path)
    before = (tmp_path / "wallet.json").read_bytes()
    assert made(tmp_path) == first
    with pytest.raises(Misconfigured, match=f"holds the key of {first}, and the key to import is that of {ADDRESS}"):
        made(tmp_path, KEY)
    assert (tmp_path / "wallet.json").read_bytes() == before


def test_a_keystore_of_another_password_is_neither_overwritten_nor_taken(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "password").write_text("another")
    with pytest.raises(Misconfigured, match="can't be opened"):
        made(tmp_path)


def test_what_is_no_key_is_named_and_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="an address") as refused:
        made(tmp_path, ADDRESS)
    assert_unseen(refused.value, ADDRESS[2:])
    with pytest.raises(Misconfigured, match="1 missing") as short:
        made(tmp_path, KEY[:-1])
    assert_unseen(short.value, KEY[:40])
    assert list(tmp_path.iterdir()) == []


def test_a_password_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("word")
    (tmp_path / "password").chmod(0o644)
    with pytest.raises(Misconfigured, match="other users may read"):
        made(tmp_path, KEY)
    assert not (tmp_path / "wallet.json").exists()


def test_a_folder_that_cant_be_written_is_told_without_the_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="can't be made") as refused:
        made(tmp_path / "file", KEY)
    assert_unseen(refused.value, KEY)


def test_a_number_that_is_no_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"can't be made|no key of"):
        made(tmp_path, "ff" * 32)


@pytest.mark.parametrize("point", ["keystore.written:1", "keystore.written:2"])
def test_a_process_that_is_killed_while_it_writes_leaves_no_half_wallet(point: str, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from payer.wallet.keystore import FEW_ROUNDS, make_keystore; "
        "make_keystore(Path('wallet.json'), Path('password'), rounds=FEW_ROUNDS)"
    )
    environ = {**os.environ, "TOLLBOOK_CRASH_AT": point, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environ, cwd=tmp_path, check=False).returncode == -9
    assert not (tmp_path / "wallet.json").exists()
    assert made(tmp_path) == opened(tmp_path)
