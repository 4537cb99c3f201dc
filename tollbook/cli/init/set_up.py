"""Collect, show, ask, write: the whole of `tollbook init`."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext

from payer.environment.env_file import policy_path
from payer.values.errors import Misconfigured
from payer.wallet.load import nonce_secret_path
from payer.wallet.nonce_secret import make_nonce_secret
from tasks.setup.setup import LEDGER, FileChange, Folder, Setup, WalletKind
from tasks.workspace.private_state import make_private_state
from tollbook.cli.approval import Declined
from tollbook.cli.errors import BadUsage
from tollbook.cli.init import questions
from tollbook.cli.init.collect import Collector
from tollbook.cli.init.flags import Flags
from tollbook.cli.init.pages import NextSteps, document, show_next, show_notes, show_plan, show_tokens
from tollbook.cli.init.world import PaidWorld, paid_world
from tollbook.cli.terminal.output import Output
from tollbook.templates import template


def set_up(flags: Flags) -> int:
    """Set up a folder. Nothing is written before a person, or --yes, has agreed to what would change."""
    output = Output(as_json=flags.as_json)
    policy = flags.folder.expanduser().absolute() / "policy.toml" if flags.folder else policy_path(os.environ)
    current = Folder.read(policy, template("policy.toml"), dict(os.environ))
    home = (flags.world or policy.parent / "world").expanduser().absolute()
    with paid_world(home) if flags.sandbox else nullcontext() as world:
        return _set_up(flags, current, world, output)


def _set_up(flags: Flags, current: Folder, world: PaidWorld | None, output: Output) -> int:
    asks = sys.stdin.isatty() and not flags.yes and not flags.as_json
    collector = Collector(flags, current, world, output, asks)
    setup = collector.collect()
    if not asks:
        show_tokens(output, setup.tokens or ())
    changes = (setup.policy(current), setup.environment(current))
    notes = list(collector.notes)
    if names := setup.overridden(current):
        unset = f"`unset {' '.join(names)}` to use it"
        notes.append(f"the environment sets {', '.join(names)}, and goes before the file: {unset}")
    new_files = setup.wallet.makes_files and not setup.wallet.keystore.exists()
    written = new_files or any(change.differs for change in changes)
    if written:
        show_plan(output, setup, changes, notes)
        _approve(changes, asks=asks, flags=flags)
    else:
        show_notes(output, notes)
    address = setup.wallet.make() if setup.wallet.makes_files else ""
    _write(setup, current, changes)
    steps = NextSteps(current, world)
    output.document(document(setup, changes, address=address, notes=notes, steps=steps))
    show_next(output, written=written, address=address, network=setup.network, steps=steps)
    return 0


def _approve(changes: tuple[FileChange, ...], *, asks: bool, flags: Flags) -> None:
    """Ask. Without anybody to ask, new files may be written, and files that are there need --yes."""
    if flags.yes:
        return
    if asks:
        if not questions.confirm("\nWrite this?", default=True):
            raise Declined("not approved: nothing was written")
        return
    changed = [str(change.path) for change in changes if change.differs and not change.is_new]
    if changed:
        lines = [line for change in changes if change.differs and not change.is_new for line in change.lines()]
        difference = ":\n" + "\n".join(lines) if flags.as_json else ""
        raise BadUsage(
            f"nobody is there to approve what changes in {' and '.join(changed)}{difference}",
            advice="say --yes to write it",
        )


def _write(setup: Setup, current: Folder, changes: tuple[FileChange, ...]) -> None:
    """Write home, nonce secret, policy and environment file, the last of them last: it makes them count."""
    try:
        make_private_state(setup.home)
    except OSError as error:
        raise Misconfigured(
            f"the home {setup.home} can't be made: {error.strerror}", advice="name a directory that this user may write"
        ) from None
    # A ledger that is there may have nonces of another secret: then the next command compares, as docs/adr/0009 has it.
    has_ledger = setup.ledger_url or current.variables.get(LEDGER) or (setup.home / "state" / "ledger.db").exists()
    if setup.wallet.kind is WalletKind.SIGNER and not has_ledger:
        make_nonce_secret(nonce_secret_path(current.variables, setup.home))
    for change in changes:
        if change.differs:
            change.write()
