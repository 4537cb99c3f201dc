"""Loading the key from the environment or a keystore, and never showing it (I10)."""

from __future__ import annotations

import copy
import io
import json
import logging
import traceback
from pathlib import Path
from types import CodeType

import pytest
from eth_account import Account

from payer.values.errors import Misconfigured
from payer.wallet.load import load_wallet
from tests.paths import ROOT

KEY = "4c0883a69102937d6231471b5dbb6204fe512961708279a4b2f1c3d6e7a89b01"
ADDRESS = Account.from_key(bytes.fromhex(KEY)).address
PASSWORD = "correct horse battery"


@pytest.fixture
def keystore(tmp_path: Path) -> dict[str, str]:
    """The environment that names a version 3 keystore and its password file."""
    sealed = Account.encrypt(bytes.fromhex(KEY), PASSWORD, kdf="pbkdf2", iterations=2)
    (tmp_path / "key.json").write_text(json.dumps(sealed))
    (tmp_path / "password").write_text(PASSWORD + "\n")
    return {
        "TOLLBOOK_KEYSTORE": str(tmp_path / "key.json"),
        "TOLLBOOK_KEYSTORE_PASSWORD_FILE": str(tmp_path / "password"),
    }


@pytest.mark.parametrize("text", [KEY, "0x" + KEY, KEY.upper(), f"  0x{KEY}\n"])
def test_a_key_in_the_environment_is_the_wallet(text: str) -> None:
    assert load_wallet({"TOLLBOOK_PRIVATE_KEY": text}).address == ADDRESS


def test_a_keystore_and_its_password_file_are_the_wallet(keystore: dict[str, str]) -> None:
    assert load_wallet(keystore).address == ADDRESS


def test_a_scrypt_keystore_is_opened_too(keystore: dict[str, str]) -> None:
    sealed = Account.encrypt(bytes.fromhex(KEY), PASSWORD, kdf="scrypt", iterations=2)
    Path(keystore["TOLLBOOK_KEYSTORE"]).write_text(json.dumps(sealed))
    assert load_wallet(keystore).address == ADDRESS


def problem(environ: dict[str, str]) -> Misconfigured:
    with pytest.raises(Misconfigured) as caught:
        load_wallet(environ)
    return caught.value


def test_no_key_says_which_variables_may_name_one() -> None:
    error = problem({})
    assert "TOLLBOOK_PRIVATE_KEY" in error.fix
    assert "TOLLBOOK_KEYSTORE_PASSWORD_FILE" in error.fix


def test_two_sources_are_refused(keystore: dict[str, str]) -> None:
    assert "both set" in problem({**keystore, "TOLLBOOK_PRIVATE_KEY": KEY}).what


BAD_KEYS = {
    "short": KEY[:-1],
    "long": KEY + "00",
    "not hexadecimal": KEY[:-1] + "g",
    "full-width digits": "４" + KEY[1:],
    "twice 0x": "0x0x" + KEY[2:],
    "zero": "00" * 32,
    "above the curve's order": "ff" * 32,
}


@pytest.mark.parametrize("text", BAD_KEYS.values(), ids=BAD_KEYS)
def test_what_is_no_key_is_refused_without_being_quoted(text: str) -> None:
    error = problem({"TOLLBOOK_PRIVATE_KEY": text})
    assert "TOLLBOOK_PRIVATE_KEY" in error.what
    assert_unseen(error, text[2:40])


def test_a_keystore_without_a_password_file_is_refused(keystore: dict[str, str]) -> None:
    del keystore["TOLLBOOK_KEYSTORE_PASSWORD_FILE"]
    assert "TOLLBOOK_KEYSTORE_PASSWORD_FILE" in problem(keystore).what


@pytest.mark.parametrize("name", ["TOLLBOOK_KEYSTORE", "TOLLBOOK_KEYSTORE_PASSWORD_FILE"])
def test_a_file_that_is_not_there_is_named(name: str, keystore: dict[str, str]) -> None:
    missing = keystore[name] + ".gone"
    assert missing in problem({**keystore, name: missing}).what


@pytest.mark.parametrize(
    "content", ["", "not json", "[]", "{}", '{"version": 1}', '{"version": 3, "crypto": {}}', "\x00"]
)
def test_a_broken_keystore_is_refused(content: str, keystore: dict[str, str]) -> None:
    Path(keystore["TOLLBOOK_KEYSTORE"]).write_text(content)
    assert "can't be opened" in problem(keystore).what


def test_a_wrong_password_is_refused_without_being_quoted(keystore: dict[str, str]) -> None:
    Path(keystore["TOLLBOOK_KEYSTORE_PASSWORD_FILE"]).write_text("wr0ng-passw0rd")
    error = problem(keystore)
    assert "password" in error.fix
    assert_unseen(error, "wr0ng-passw0rd")


def is_of_the_payer(code: CodeType) -> bool:
    return Path(code.co_filename).is_relative_to(ROOT / "payer")


def assert_unseen(error: BaseException, secret: str) -> None:
    """The secret is in no message, no chained exception, and no local variable of tollbook's frames."""
    seen: BaseException | None = error
    while seen is not None:
        assert secret not in f"{seen!r} {seen} {vars(seen)}"
        frames = [frame for frame, _ in traceback.walk_tb(seen.__traceback__) if is_of_the_payer(frame.f_code)]
        for frame in frames:
            assert secret not in repr(frame.f_locals)
        seen = seen.__cause__ or seen.__context__


def test_a_failed_load_leaves_no_key_in_the_traceback() -> None:
    """Rich and others print the local variables of every frame."""
    error = problem({"TOLLBOOK_PRIVATE_KEY": KEY + "0"})
    assert_unseen(error, KEY)


def test_a_wallet_in_logs_and_tracebacks_shows_its_address_only() -> None:
    stream = io.StringIO()
    logger = logging.getLogger("tollbook.test")
    logger.addHandler(handler := logging.StreamHandler(stream))
    wallet = load_wallet({"TOLLBOOK_PRIVATE_KEY": KEY})
    try:
        copy.copy(wallet)
    except TypeError as error:
        logger.exception("a %s and %r", wallet, wallet)
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        stream.write(text)
    logger.removeHandler(handler)
    assert ADDRESS in stream.getvalue()
    assert KEY not in stream.getvalue().lower()
    assert wallet.nonce_secret.hex() not in stream.getvalue()
    assert repr(wallet.nonce_secret) not in stream.getvalue()
