"""`tollbook backup` and `tollbook restore`: copy the ledger to a file, and restore it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output

if TYPE_CHECKING:
    from tasks.ops.backup import BackedUp


def backup(
    to: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")],
    nonce_secret: Annotated[
        bool, typer.Option("--nonce-secret", help="Copy the nonce secret of a key in this process, too.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Copy the ledger, consistent while others write it, to one SQLite file. A remote signer's nonce secret is copied
    to FILE.nonce-secret."""
    from tasks.ops.backup import backup_ledger

    output = Output(as_json=as_json)
    copied = backup_ledger(to, nonce_secret=nonce_secret)
    done = copied.ledger
    output.document(_document(copied))
    output.line(f"backed up {done.purchases} purchases, {done.events} events and {done.bodies} bodies to {done.path}")
    if copied.nonce_secret is not None:
        output.line(f"  and the nonce secret to {copied.nonce_secret}: keep both, apart from this machine")


def restore(
    source: Annotated[Path, typer.Argument(help="A file that `tollbook backup` wrote.")], as_json: options.Json = False
) -> None:
    """Put a backup into an empty ledger. What was bought since is found on the chain and never paid again."""
    from tasks.ops.backup import restore_ledger

    output = Output(as_json=as_json)
    copied, kept = restore_ledger(source)
    done = copied.ledger
    output.document({**_document(copied), "kept": kept})
    output.line(f"restored {done.purchases} purchases, {done.events} events and {done.bodies} bodies")
    if copied.nonce_secret is not None:
        output.line(f"  the nonce secret is in {copied.nonce_secret}")
    if kept:
        output.line(f"  kept        {kept} deliveries that the backup lacks: held, and not bought again")
    output.line("  next: tollbook reconcile; then run as before, with the cache and the published files as they are")


def _document(copied: BackedUp) -> dict[str, object]:
    done = copied.ledger
    counts = {"purchases": done.purchases, "events": done.events, "bodies": done.bodies}
    secret = None if copied.nonce_secret is None else str(copied.nonce_secret)
    return {"path": done.path, **counts, "nonce_secret": secret}
