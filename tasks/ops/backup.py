"""Back up the ledger to a file, and restore it; with the nonce secret beside it where the wallet has a file of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from payer.ledger import Ledger
from payer.ledger.backup import Copied, backup, require_backup, require_free, restore
from payer.wallet.load import load_wallet, nonce_secret_path
from payer.wallet.nonce_secret import beside, copy_nonce_secret, other_secret, read_nonce_secret
from tasks.workspace.private_state import make_private_state
from tasks.workspace.settings import Settings, environment
from warehouse.cache.store import Cache
from warehouse.load.adopt import adopt_published
from warehouse.load.rebuild import lacking


@dataclass(frozen=True, slots=True)
class BackedUp:
    """The copied ledger, and the file that the nonce secret was copied to, None where there is none to copy."""

    ledger: Copied
    nonce_secret: Path | None


def backup_ledger(to: Path, *, nonce_secret: bool = False) -> BackedUp:
    """Copy the configured ledger to a file that does not exist yet, and the nonce secret to FILE.nonce-secret.

    With `nonce_secret` also that of a key in this process, which is derived from it: a remote signer that takes over
    the key needs it.
    """
    environ = environment()
    settings = Settings.read(environ)
    secret = read_nonce_secret(nonce_secret_path(environ, settings.home))
    if secret is None and nonce_secret:
        secret = load_wallet(environ).nonce_secret
    require_free(to)
    copied = None if secret is None else copy_nonce_secret(secret, beside(to))
    return BackedUp(backup(settings.ledger_url, to), copied)


def restore_ledger(source: Path) -> tuple[BackedUp, int]:
    """Fill the configured, empty ledger from a backup, and put the nonce secret back that was beside it.

    What cache and published files hold besides is kept, so that nothing of it is bought again; return how many
    deliveries that are. Raises Misconfigured where another nonce secret is in its place: nothing is restored then.
    """
    environ = environment()
    settings = Settings.read(environ)
    require_backup(source)
    if settings.ledger_url.startswith("sqlite"):
        make_private_state(settings.home)
    secret, place = read_nonce_secret(beside(source)), nonce_secret_path(environ, settings.home)
    if secret is not None and read_nonce_secret(place) not in (None, secret):
        raise other_secret(place)
    restored = restore(source, settings.ledger_url)
    copied = BackedUp(restored, None if secret is None else copy_nonce_secret(secret, place))
    if not settings.home.exists():
        return copied, 0
    with Ledger.open(settings.ledger_url) as ledger:
        adopt_published(settings.home, ledger)
        return copied, len(lacking(Cache(settings.home), ledger))
