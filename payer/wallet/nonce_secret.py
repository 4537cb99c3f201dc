"""The nonce secret of a wallet whose key is elsewhere: a file of its own, made once, the same on every machine.

With the key in this process the secret is derived from it. A remote signer gives no key to derive it from, so it is
random: lost, what was bought before is bought again under other nonces wherever the ledger is lost too. It is no key:
whoever reads it can recognize purchases on the chain, and move nothing.
"""

from __future__ import annotations

import codecs
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.durable import is_open_to_others, make_once
from payer.values.errors import Misconfigured
from payer.values.identifiers import nonce
from payer.values.purchase import Purchase

if TYPE_CHECKING:
    from payer.ledger import Ledger

NONCE_SECRET_FILE = "TOLLBOOK_NONCE_SECRET_FILE"
_TEXT = re.compile(r"tollbook nonce secret v1: ([0-9a-f]{64})\s*", re.ASCII)
_LIMIT = 1024


def read_nonce_secret(path: Path) -> bytes | None:
    """The secret in a file, None where there is no file. Raises Misconfigured for any other file."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Misconfigured(
            f"the nonce secret {path} can't be read: {error.strerror}", advice="let this user read it"
        ) from None
    if is_open_to_others(path.resolve()):
        raise Misconfigured(f"other users may read the nonce secret {path}", advice=f"run `chmod 600 {path}`")
    found = _TEXT.fullmatch(raw.removeprefix(codecs.BOM_UTF8).decode("ascii", "replace"))
    if found is None:
        raise Misconfigured(
            f"{path} holds no nonce secret",
            advice="put the file back as it was made, or from a backup; a key does not belong there",
        )
    return bytes.fromhex(found[1])


def make_nonce_secret(path: Path) -> bytes:
    """Make the file with a random secret unless it exists; return what it holds. Raises Misconfigured.

    Of several processes that make it at once, one does, and the others read that. It has its name once it is whole.
    """
    return write_nonce_secret(path, secrets.token_bytes(32))


def write_nonce_secret(path: Path, secret: bytes) -> bytes:
    """Write a secret (0600, durable) unless the file exists; return what it holds. Raises Misconfigured."""
    try:
        make_once(path, f"tollbook nonce secret v1: {secret.hex()}\n", "nonce_secret.written")
    except OSError as error:
        raise Misconfigured(
            f"the nonce secret {path} can't be made: {error.strerror}",
            advice=f"name a file that this user may write: {NONCE_SECRET_FILE}",
        ) from None
    held = read_nonce_secret(path)
    assert held is not None, "it was just made, or found"
    return held


def nonce_secret_for(ledger: Ledger, address: str, path: Path) -> tuple[bytes, str]:
    """The secret for a wallet, and a sentence to show: it is made where there is none, "" otherwise.

    Raises Misconfigured where the ledger shows that this wallet's nonces come from another secret: with it, what was
    bought could be paid a second time.
    """
    secret, known = read_nonce_secret(path), ledger.newest_of(address)
    if known is None and secret is None:
        return make_nonce_secret(path), (
            f"made the nonce secret {path}: keep a copy of it apart from this machine, as `tollbook backup` does; "
            "without it a lost ledger may pay for held data again"
        )
    if secret is None or (known is not None and not _derives(secret, known)):
        raise Misconfigured(
            f"the ledger's purchases from {address} have nonces of another secret than {path} holds"
            if secret is not None
            else f"the ledger has purchases from {address}, and their nonce secret {path} is missing",
            advice="put that file back from a backup (FILE.nonce-secret), or name it with "
            f"{NONCE_SECRET_FILE}. If the wallet's key was in this process before (TOLLBOOK_PRIVATE_KEY or "
            "TOLLBOOK_KEYSTORE), set that once more, run `tollbook backup FILE --nonce-secret`, and copy "
            "FILE.nonce-secret there. Nothing was signed",
        )
    return secret, ""


def beside(backup: Path) -> Path:
    """The file that holds the nonce secret of a ledger's backup."""
    return backup.with_name(f"{backup.name}.nonce-secret")


def copy_nonce_secret(secret: bytes, to: Path) -> Path:
    """Write a secret to a file, and return the file. Raises Misconfigured where it holds another secret already."""
    if write_nonce_secret(to, secret) != secret:
        raise other_secret(to)
    return to


def other_secret(place: Path) -> Misconfigured:
    """The error of a file that holds another secret than the one to be put there."""
    return Misconfigured(
        f"{place} already holds another nonce secret, which is not overwritten",
        advice="find out which wallet it belongs to before you move it aside: with a wrong one, what was bought could "
        "be paid a second time",
    )


def _derives(secret: bytes, purchase: Purchase) -> bool:
    return nonce(secret, purchase.asset, purchase.purchase_key, purchase.generation) == purchase.nonce
