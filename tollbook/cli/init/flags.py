"""Options of `tollbook init` as they were given; None for one that was not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Flags:
    """Options as given. No secret is among them: keys, passwords and URLs with passwords are never arguments (I10)."""

    network: str | None
    wallet: str | None
    keystore: Path | None
    password_file: Path | None
    key_file: Path | None
    signer_url: str | None
    signer_address: str | None
    caps: Mapping[str, str]
    tokens: str | None
    top: bool
    home: Path | None
    ledger: str | None
    folder: Path | None
    sandbox: bool
    world: Path | None
    yes: bool
    as_json: bool
