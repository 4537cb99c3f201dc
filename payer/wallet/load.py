"""Load what signs: a key from the environment or an encrypted keystore file, or a remote signer's address.

No frame that raises here holds the key, and no message quotes what was read (I10).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from payer.environment.pasted import is_private_key, looks_secret, not_a_key
from payer.values.errors import Misconfigured
from payer.wallet.eip3009 import Wallet
from payer.wallet.nonce_secret import NONCE_SECRET_FILE
from payer.wallet.remote import SIGNER_ADDRESS, SIGNER_URL, RemoteSigner, check_signer_url, signer_address
from payer.wallet.sign import Signer

PRIVATE_KEY = "TOLLBOOK_PRIVATE_KEY"
KEYSTORE = "TOLLBOOK_KEYSTORE"
PASSWORD_FILE = "TOLLBOOK_KEYSTORE_PASSWORD_FILE"

SOURCES = (PRIVATE_KEY, KEYSTORE, SIGNER_URL)
"""The variables that name a wallet; one of them is set."""

_FILE_LIMIT = 64 * 1024


def names_wallet(environ: Mapping[str, str]) -> bool:
    return any(environ.get(name) for name in SOURCES)


def nonce_secret_path(environ: Mapping[str, str], home: Path) -> Path:
    """The file of the nonce secret that a remote signer needs: beside `state/`, so that neither takes the other."""
    named = environ.get(NONCE_SECRET_FILE)
    return Path(named).expanduser().absolute() if named else home / "nonce-secret"


def load_signer(environ: Mapping[str, str], nonce_secret: Callable[[str], bytes]) -> Signer:
    """Load what the environment names. `nonce_secret` returns the secret for a remote signer's address.

    Raises Misconfigured, SignerUnreachable and SignerRefused; none quotes a secret.
    """
    url = environ.get(SIGNER_URL)
    if not url or any(environ.get(name) for name in (PRIVATE_KEY, KEYSTORE)):
        return load_wallet(environ)
    check_signer_url(url)
    address = signer_address(url, environ.get(SIGNER_ADDRESS))
    return RemoteSigner(url, address, nonce_secret(address))


def load_wallet(environ: Mapping[str, str]) -> Wallet:
    """Load the key that the environment names. Raises Misconfigured, which never quotes a secret."""
    loaded = _load(environ)
    del environ
    if isinstance(loaded, Wallet):
        return loaded
    what, advice = loaded
    raise Misconfigured(what, advice=advice)


def _load(environ: Mapping[str, str]) -> Wallet | tuple[str, str]:
    if len(named := [name for name in SOURCES if environ.get(name)]) > 1:
        return f"{' and '.join(named[:2])} are both set", "unset one of them: a wallet has one source"
    if text := environ.get(PRIVATE_KEY):
        return _from_text(text.strip())
    if path := environ.get(KEYSTORE):
        return _from_keystore(Path(path), environ.get(PASSWORD_FILE))
    return (
        "there is no wallet to pay with",
        f"run `tollbook init`, or set {PRIVATE_KEY}, or {KEYSTORE} with {PASSWORD_FILE}, or {SIGNER_URL}",
    )


def _from_text(text: str) -> Wallet | tuple[str, str]:
    if not is_private_key(text):
        what, advice = not_a_key(text)
        return f"{PRIVATE_KEY} is not a private key: it holds {what}", advice
    return _wallet(bytes.fromhex(text.removeprefix("0x")), PRIVATE_KEY)


def _wallet(key: bytes, source: str) -> Wallet | tuple[str, str]:
    try:
        return Wallet(key)
    except ValueError:
        return f"{source} holds a number that is no key of secp256k1", "make a new key"


def _from_keystore(path: Path, password_path: str | None) -> Wallet | tuple[str, str]:
    if not password_path:
        return f"{KEYSTORE} is set without {PASSWORD_FILE}", f"set {PASSWORD_FILE} to a file that holds the password"
    if named := _secret_as_path(str(path), password_path):
        return named
    try:
        sealed = path.read_bytes()[: _FILE_LIMIT + 1]
        password = Path(password_path).read_bytes()[: _FILE_LIMIT + 1]
    except OSError as error:
        return f"{error.filename} can't be read: {error.strerror}", f"check {KEYSTORE} and {PASSWORD_FILE}"
    from eth_account import Account

    try:
        key = bytes(Account.decrypt(sealed.decode("utf-8-sig"), password.rstrip(b"\r\n").decode("utf-8-sig")))
    except (ValueError, KeyError, TypeError, AttributeError, NotImplementedError):
        return (
            f"the keystore {path} can't be opened",
            "check that it is a version 3 keystore and the password is its own",
        )
    return _wallet(key, str(path))


def _secret_as_path(path: str, password_path: str) -> tuple[str, str] | None:
    """A fault where a secret itself stands in place of the file that holds it: no message quotes it then."""
    if looks_secret(path):
        return (
            f"{KEYSTORE} holds a key itself, and names a file",
            f"set {PRIVATE_KEY} to a key; {KEYSTORE} is the path of an encrypted keystore file",
        )
    if looks_secret(password_path) or not (set("/\\.") & set(password_path) or Path(password_path).exists()):
        return (
            f"{PASSWORD_FILE} names no file that is there",
            "set it to the path of a file that holds the password, not to the password itself",
        )
    return None
