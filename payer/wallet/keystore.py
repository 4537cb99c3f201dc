"""Make an encrypted keystore file (version 3, as geth writes it) with its password file, each once and never over one.

The key is seen by no caller and quoted by no message; no frame that raises here holds it (I10).
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from payer.environment.pasted import is_private_key, not_a_key
from payer.values.durable import is_open_to_others, make_once
from payer.values.errors import Misconfigured
from payer.values.terms import SecretStr
from payer.wallet.load import KEYSTORE, PASSWORD_FILE, load_wallet

SCRYPT_ROUNDS = 2**18
"""As geth has it: an opening takes about a second, and so does each guess of a password."""
FEW_ROUNDS = 2**12
"""For a key that is public anyway, such as a sandbox's."""


def make_keystore(
    path: Path,
    password_path: Path,
    *,
    key: SecretStr | None = None,
    password: SecretStr | None = None,
    rounds: int = SCRYPT_ROUNDS,
) -> str:
    """Make both files (0600, durable) where they are not there yet; return the wallet's address.

    `key` is the key to keep, in hex; without it a new one is made. `password` is written to its file where there is
    none, by default a random one. A keystore that is there is opened and left as it is: no key is ever overwritten.
    What was written is opened once before its address is told, so that no money goes to a key that nobody can use.

    Raises Misconfigured, also for a `key` that is not that of the keystore which is there.
    """
    if key is not None and not is_private_key(key.strip()):
        what, advice = not_a_key(key)
        key = None
        raise Misconfigured(f"that is not a private key: it is {what}", advice=advice)
    _keep_password(password_path, password)
    if not path.exists() and (fault := _sealed(path, password_path, key, rounds)):
        key = None
        raise Misconfigured(f"the keystore {path} can't be made: {fault}", advice="name a file in a folder of yours")
    address = load_wallet({KEYSTORE: str(path), PASSWORD_FILE: str(password_path)}).address
    expected = load_wallet({"TOLLBOOK_PRIVATE_KEY": key}).address if key is not None else address
    del key
    if expected != address:
        raise Misconfigured(
            f"{path} holds the key of {address}, and the key to import is that of {expected}",
            advice="name another file: a keystore is never overwritten",
        )
    return address


def _keep_password(path: Path, password: SecretStr | None) -> None:
    if path.exists():
        if is_open_to_others(path.resolve()):
            raise Misconfigured(f"other users may read the password file {path}", advice=f"run `chmod 600 {path}`")
        return
    fault = _written(path, (password or SecretStr(secrets.token_urlsafe(32))) + "\n")
    del password
    if fault:
        raise Misconfigured(
            f"the password file {path} can't be made: {fault}", advice="name a file in a folder of yours"
        )


def _sealed(path: Path, password_path: Path, key: SecretStr | None, rounds: int) -> str:
    """Write the keystore; return what kept it from being made."""
    from coincurve import PrivateKey
    from eth_account import Account

    try:
        password = password_path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        return f"its password can't be read ({type(error).__name__})"
    raw = bytes.fromhex(key.strip().removeprefix("0x")) if key is not None else PrivateKey().secret
    try:
        sealed = Account.encrypt(raw, password, kdf="scrypt", iterations=rounds)
    except (ValueError, TypeError):
        return "the key is no number that the curve has"
    return _written(path, json.dumps(sealed) + "\n")


def _written(path: Path, text: str) -> str:
    """Write a new file (0600), which has its name once it is whole; return what kept it from being made.

    One that another process made meanwhile stays.
    """
    try:
        make_once(path, text, "keystore.written")
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""
