"""The wallet that was chosen, as variables of the environment file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from payer.values.errors import Misconfigured
from payer.values.terms import SecretStr
from payer.wallet.keystore import SCRYPT_ROUNDS, make_keystore
from payer.wallet.load import KEYSTORE, PASSWORD_FILE, PRIVATE_KEY, SOURCES, load_wallet
from payer.wallet.remote import SIGNER_ADDRESS, SIGNER_URL, check_signer_url


class WalletKind(StrEnum):
    """Ways to come to a wallet: a new key, a key that there is, a signer elsewhere, or what is set already."""

    NEW = "new"
    IMPORT = "import"
    SIGNER = "signer"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class WalletChoice:
    """The choice, with all that it needs. Secrets are hidden from every repr (I10)."""

    kind: WalletKind
    keystore: Path
    password_file: Path
    key: SecretStr | None = field(default=None, repr=False)
    password: SecretStr | None = field(default=None, repr=False)
    signer_url: SecretStr | None = field(default=None, repr=False)
    signer_address: str | None = None
    rounds: int = SCRYPT_ROUNDS

    @property
    def makes_files(self) -> bool:
        return self.kind in (WalletKind.NEW, WalletKind.IMPORT)

    def variables(self) -> dict[str, str | None]:
        """Variables to set, None for those to remove: a wallet has one source."""
        if self.kind is WalletKind.KEEP:
            return {}
        none: dict[str, str | None] = dict.fromkeys((*SOURCES, PASSWORD_FILE, SIGNER_ADDRESS))
        if self.kind is WalletKind.SIGNER:
            return {**none, SIGNER_URL: self.signer_url, SIGNER_ADDRESS: self.signer_address}
        return {**none, KEYSTORE: str(self.keystore), PASSWORD_FILE: str(self.password_file)}

    def make(self) -> str:
        """Make or open the keystore; return the wallet's address, "" where none is made. Raises Misconfigured."""
        if not self.makes_files:
            return ""
        return make_keystore(
            self.keystore, self.password_file, key=self.key, password=self.password, rounds=self.rounds
        )


def check_choice(choice: WalletChoice, written: Mapping[str, str]) -> None:
    """Raise Misconfigured for a signer's URL that can't be used, and before the only copy of a key would be removed.

    `written` are the variables of the environment file that is there.
    """
    if choice.signer_url is not None:
        check_signer_url(choice.signer_url)
    held = written.get(PRIVATE_KEY)
    if not held or choice.kind is WalletKind.KEEP:
        return
    same = choice.kind is WalletKind.IMPORT and choice.key is not None and _same_key(choice.key, held)
    del held
    if not same:
        raise Misconfigured(
            f"the environment file holds a key ({PRIVATE_KEY}), which another wallet would take the place of",
            advice="import it into a keystore with `--wallet import`, or move that line to a safe place first",
        )


def _same_key(key: str, other: str) -> bool:
    return load_wallet({PRIVATE_KEY: key}).address == load_wallet({PRIVATE_KEY: other}).address
