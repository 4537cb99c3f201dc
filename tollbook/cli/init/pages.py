"""Pages of `tollbook init`: tokens, what it would write, and the commands that come next."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.setup.policy_text import Listed, Network
from tasks.setup.setup import FileChange, Folder, Setup
from tollbook.cli.init.world import PaidWorld
from tollbook.cli.terminal.output import Output
from warehouse.cache.store import Token

FLOWS = "grades signals moonshots"


TOKEN_COLUMNS = ("id", "symbol", "name", "rank", "market cap, USD")


def token_cells(token: Listed | Token) -> tuple[str, ...]:
    rank = "-" if token.rank is None else str(token.rank)
    cap = "-" if token.market_cap is None else f"{token.market_cap:,.0f}"
    return str(token.token_id), token.symbol or "-", token.name or "-", rank, cap


def show_tokens(output: Output, tokens: Sequence[Listed]) -> None:
    """Print tokens with rank and price from the seller's free lists; nothing where those could not be read."""
    if not any(token.symbol for token in tokens):
        return
    prices = ("-" if t.price is None else f"{t.price:,.6g}" if t.price < 1 else f"{t.price:,.2f}" for t in tokens)
    rows = [(*token_cells(token), price) for token, price in zip(tokens, prices, strict=True)]
    columns = (*TOKEN_COLUMNS, "price, USD")
    known = [at for at, _ in enumerate(columns) if any(row[at] != "-" for row in rows)]
    output.line()
    output.table(
        [columns[at] for at in known],
        [[row[at] for at in known] for row in rows],
        right=frozenset(place for place, at in enumerate(known) if at in (0, 3, 4, 5)),
        optional=("market cap, USD",),
    )


def show_plan(output: Output, setup: Setup, changes: Sequence[FileChange], notes: Sequence[str]) -> None:
    """Print what would be written: the choices of a new file, the difference of one that is there."""
    output.heading("What init writes")
    for change in changes:
        private = ", only you may read it" if change.private else ""
        state = f"new{private}" if change.is_new else "changes" if change.differs else "stays as it is"
        output.line(f"  {change.path}  {state}")
    if setup.wallet.makes_files:
        for path in (setup.wallet.keystore, setup.wallet.password_file):
            output.line(f"  {path}  {'stays as it is' if path.exists() else 'new, only you may read it'}")
    caps = ", ".join(f"{name} {cap}" for name, cap in setup.caps.items())
    output.line(f"  home {setup.home}; caps in USDC: {caps}", hang=4)
    for change in changes:
        if change.differs and not change.is_new:
            output.line()
            for line in change.lines():
                style = {"+": "green", "-": "red"}.get(line[:1], "") if line[:3] not in ("+++", "---") else "bold"
                output.line(f"  {line}", style=style)
    show_notes(output, notes)


def show_notes(output: Output, notes: Sequence[str]) -> None:
    for note in notes:
        output.line(f"  note: {note}", style="yellow", hang=4)


def show_next(output: Output, *, written: bool, address: str, network: Network | None, steps: NextSteps) -> None:
    """Print what to do now: fund the wallet, start the sandbox, and the next three commands."""
    output.heading("Done. Next:" if written else "Nothing to change. Next:")
    if address:
        output.line(f"  wallet {address}")
        if network is not None and network.name != "sandbox":
            faucet = f"; {network.faucet}" if network.faucet else ""
            output.line(f"  fund it: send USDC on {network.title.split(',')[0]} to that address{faucet}")
    if steps.world:
        output.line("  in another terminal, and leave it running:")
        output.line(f"    {steps.world}")
        output.line("  then here:")
    for command, meaning in steps.commands:
        output.line(f"    {command:<{max(len(each) for each, _ in steps.commands)}}   # {meaning}")


class NextSteps:
    """The next three commands, as they can be pasted where init was called; before them, a sandbox's own."""

    def __init__(self, current: Folder, world: PaidWorld | None) -> None:
        name = command_name()
        folder = current.policy.parent
        go = "" if folder == Path.cwd() and "TOLLBOOK_POLICY" not in current.environ else f"cd {_quoted(folder)} && "
        self.world = "" if world is None or world.running else f"{name} sandbox --home {_quoted(world.home)}"
        self.commands = (
            (f"{go}{name} doctor", "checks it all; pays nothing"),
            (f"{name} plan {FLOWS}", "the exact bill; signs nothing"),
            (f"{name} run {FLOWS}", "buys it, inside the caps"),
        )


def document(
    setup: Setup, changes: Sequence[FileChange], *, address: str, notes: Sequence[str], steps: NextSteps
) -> Mapping[str, Any]:
    made = setup.wallet.makes_files
    return {
        "network": setup.network.name if setup.network else None,
        "policy": str(changes[0].path),
        "env": str(changes[1].path),
        "home": str(setup.home),
        "wallet": {
            "kind": str(setup.wallet.kind),
            "address": address or None,
            "keystore": str(setup.wallet.keystore) if made else None,
        },
        "caps": dict(setup.caps),
        "tokens": [
            {"token_id": t.token_id, "symbol": t.symbol, "name": t.name, "rank": t.rank, "price_usd": t.price}
            for t in setup.tokens or ()
        ],
        "written": [str(change.path) for change in changes if change.differs],
        "unchanged": [str(change.path) for change in changes if not change.differs],
        "sandbox": steps.world or None,
        "next": [command for command, _ in steps.commands],
        "notes": list(notes),
    }


def command_name() -> str:
    """The command as it can be typed here: by its name where the shell finds it, else by its path."""
    called = Path(sys.argv[0])
    if shutil.which("tollbook") or called.name != "tollbook":
        return "tollbook"
    return _quoted(called.absolute())


def _quoted(path: Path) -> str:
    try:
        return shlex.quote(str(path.relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(str(path))
