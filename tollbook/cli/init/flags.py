"""Options of `tollbook init`, and what they hold as they were given; None for one that was not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tollbook.cli import options


@dataclass(frozen=True, slots=True)
class Flags:
    """Options as given. No secret is among them: keys, passwords and URLs with passwords are never arguments (I10)."""

    network: Annotated[
        str | None, typer.Option("--network", metavar="NAME", help="base-sepolia (test money) or base.")
    ] = None
    wallet: Annotated[
        str | None,
        typer.Option(
            "--wallet",
            metavar="KIND",
            help="new (a key in a keystore), import (a key that you have), signer (a remote one), keep.",
        ),
    ] = None
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", metavar="FILE", help="Holds the key to import; else TOLLBOOK_PRIVATE_KEY does."),
    ] = None
    keystore: Annotated[
        Path | None,
        typer.Option("--keystore", metavar="FILE", help="The keystore; default keystore.json in the folder."),
    ] = None
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", metavar="FILE", help="Holds its password; made, at random, when missing."),
    ] = None
    signer_url: Annotated[
        str | None,
        typer.Option("--signer-url", metavar="URL", help="The remote signer; with a password: TOLLBOOK_SIGNER_URL."),
    ] = None
    signer_address: Annotated[
        str | None, typer.Option("--signer-address", metavar="ADDRESS", help="Its account that pays.")
    ] = None
    per_call: Annotated[str | None, typer.Option("--per-call", metavar="X", help="Caps, in USDC: of a call,")] = None
    per_run: Annotated[str | None, typer.Option("--per-run", metavar="X", help="of a run,")] = None
    per_flow_day: Annotated[str | None, typer.Option("--per-flow-day", metavar="X", help="of one flow in a day,")] = (
        None
    )
    per_day: Annotated[str | None, typer.Option("--per-day", metavar="X", help="of a day,")] = None
    per_month: Annotated[str | None, typer.Option("--per-month", metavar="X", help="of a month.")] = None
    tokens: options.Tokens = None
    top: options.Top = False
    home: Annotated[
        Path | None,
        typer.Option("--home", metavar="DIR", help="Where ledger, cache and published files go; default the folder."),
    ] = None
    ledger: Annotated[
        str | None,
        typer.Option("--ledger", metavar="URL", help="sqlite, or a URL; with a password: TOLLBOOK_LEDGER_URL."),
    ] = None
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="DIR", help="Where policy.toml and .env go; default the working directory."),
    ] = None
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Set up against the paid world on this machine, with its money.")
    ] = False
    world: Annotated[
        Path | None, typer.Option("--world", metavar="DIR", help="That world's home; default world/ in the folder.")
    ] = None
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False
    as_json: options.Json = False
