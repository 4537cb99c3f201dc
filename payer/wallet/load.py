"""Load the payer's key from the environment or an encrypted keystore file.

No frame that raises here holds the key, and no message quotes what was read (I10).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from payer.values.errors import Misconfigured
from payer.wallet.eip3009 import Wallet

PRIVATE_KEY = "TOLLBOOK_PRIVATE_KEY"
KEYSTORE = "TOLLBOOK_KEYSTORE"
PASSWORD_FILE = "TOLLBOOK_KEYSTORE_PASSWORD_FILE"

_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}", re.ASCII)
_FILE_LIMIT = 64 * 1024


def load_wallet(environ: Mapping[str, str]) -> Wallet:
    """Load the wallet that the environment names. Raises Misconfigured, which never quotes a secret."""
    loaded = _load(environ)
    del environ
    if isinstance(loaded, Wallet):
        return loaded
    what, advice = loaded
    raise Misconfigured(what, advice=advice)


def _load(environ: Mapping[str, str]) -> Wallet | tuple[str, str]:
    if environ.get(PRIVATE_KEY) and environ.get(KEYSTORE):
        return f"{PRIVATE_KEY} and {KEYSTORE} are both set", "unset one of them: a wallet has one source"
    if text := environ.get(PRIVATE_KEY):
        return _from_text(text.strip())
    if path := environ.get(KEYSTORE):
        return _from_keystore(Path(path), environ.get(PASSWORD_FILE))
    return "there is no wallet to pay with", f"set {PRIVATE_KEY}, or {KEYSTORE} with {PASSWORD_FILE}"


def _from_text(text: str) -> Wallet | tuple[str, str]:
    if not _KEY.fullmatch(text):
        return f"{PRIVATE_KEY} is not a private key", "it must be 64 hexadecimal digits, with or without 0x"
    return _wallet(bytes.fromhex(text.removeprefix("0x")), PRIVATE_KEY)


def _wallet(key: bytes, source: str) -> Wallet | tuple[str, str]:
    try:
        return Wallet(key)
    except ValueError:
        return f"{source} holds a number that is no key of secp256k1", "make a new key"


def _from_keystore(path: Path, password_path: str | None) -> Wallet | tuple[str, str]:
    if not password_path:
        return f"{KEYSTORE} is set without {PASSWORD_FILE}", f"set {PASSWORD_FILE} to a file that holds the password"
    try:
        sealed = path.read_bytes()[: _FILE_LIMIT + 1]
        password = Path(password_path).read_bytes()[: _FILE_LIMIT + 1]
    except OSError as error:
        return f"{error.filename} can't be read: {error.strerror}", f"check {KEYSTORE} and {PASSWORD_FILE}"
    return _unseal(path, sealed, password.rstrip(b"\r\n"))


def _unseal(path: Path, sealed: bytes, password: bytes) -> Wallet | tuple[str, str]:
    from eth_account import Account

    try:
        key = bytes(Account.decrypt(sealed.decode("utf-8"), password.decode("utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError, NotImplementedError):
        return (
            f"the keystore {path} can't be opened",
            "check that it is a version 3 keystore and the password is its own",
        )
    return _wallet(key, str(path))
