"""`tollbook demo` and `tollbook sandbox`: the paid world on loopback, shown once or served."""

from __future__ import annotations

import signal
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated, Any

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output


def demo(as_json: options.Json = False) -> int:
    """Buy three flows in a paid world on loopback, then again for $0. Needs no wallet, no server, no network.

    Keeps its files under TOLLBOOK_HOME, or .demo/, and first removes those of the last demo.
    """
    from tollbook.cli.demo import fresh_home, run_demo
    from tollbook.cli.errors import needs_sandbox

    output = Output(as_json=as_json)
    with needs_sandbox():
        from sandbox.world import World
    home = fresh_home()
    output.line("tollbook demo: a paid world on this machine. No wallet, no server, no network.", style="bold")
    with World(home) as world:
        done = run_demo(world, output)
    output.document(done)
    return 0 if done["books_agree"] else 4


def sandbox(
    home: Annotated[Path, typer.Option("--home", metavar="DIR", help="Where chain, policy.toml and sandbox.env go.")],
    tokens: Annotated[int, typer.Option("--tokens", min=64, help="How many tokens the market lists.")] = 64,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the data and of injected faults.")] = 7,
    x402: Annotated[int, typer.Option("--x402", min=1, max=2, help="x402 version that the seller speaks.")] = 2,
    declarations: Annotated[
        list[Path] | None,
        typer.Option("--declaration", metavar="FILE", help="Sell, too, what this file declares. Repeat it for more."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Serve chain, token, facilitator and seller on loopback until interrupted; the same home continues its chain.

    Writes DIR/policy.toml and DIR/sandbox.env (shell exports) and prints one line starting with `ready`.
    """
    from tollbook.cli.errors import BadUsage, needs_sandbox

    with needs_sandbox():
        from sandbox.world import HomeInUse, UnusableDeclaration, World
    output = Output(as_json=as_json)
    # A handler runs in the thread that waits: an Event's lock, which that may hold, would be waited for without end.
    stops: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: stops.put(number))
    try:
        more = {path.stem: path.absolute() for path in declarations or []}
        with World(home, tokens=tokens, seed=seed, x402_version=x402, declarations=more) as world:
            doors: dict[str, Any] = {
                "seller": world.seller_url,
                "rpc": world.rpc_url,
                "facilitator": world.facilitator_url,
                "control": world.control_url,
                "env": str(world.home / "sandbox.env"),
            }
            output.document({"ready": True, **doors})
            output.line("ready " + " ".join(f"{name}={value}" for name, value in doors.items()))
            stops.get()
    except UnusableDeclaration as fault:
        raise BadUsage(str(fault), advice=fault.fix) from None
    except HomeInUse as problem:
        raise BadUsage(str(problem), advice="stop the other sandbox, or name another --home") from None
