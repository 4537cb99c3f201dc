"""`tollbook backup` and `tollbook restore`: copy the ledger to a file, and restore it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.output import Output


def backup(
    to: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")],
    as_json: options.Json = False,
) -> None:
    """Copy the ledger, consistent while others write it, to one SQLite file."""
    from tasks.ops.backup import backup_ledger

    output = Output(as_json=as_json)
    done = backup_ledger(to)
    output.document({"path": done.path, "purchases": done.purchases, "events": done.events, "bodies": done.bodies})
    output.line(f"backed up {done.purchases} purchases, {done.events} events and {done.bodies} bodies to {done.path}")


def restore(
    source: Annotated[Path, typer.Argument(help="A file that `tollbook backup` wrote.")],
    as_json: options.Json = False,
) -> None:
    """Put a backup into an empty ledger. What was bought since is found on the chain and never paid again."""
    from tasks.ops.backup import restore_ledger

    output = Output(as_json=as_json)
    restored = restore_ledger(source)
    done = restored.copied
    counts = {"path": done.path, "purchases": done.purchases, "events": done.events, "bodies": done.bodies}
    output.document({**counts, "kept": restored.kept})
    output.line(f"restored {done.purchases} purchases, {done.events} events and {done.bodies} bodies")
    if restored.kept:
        output.line(f"  kept        {restored.kept} deliveries that the backup lacks: held, and not bought again")
    output.line("  next: tollbook reconcile; then run as before, with the cache and the published files as they are")
