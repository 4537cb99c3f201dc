"""`tollbook demo`: run the whole path in a paid world on loopback."""

from __future__ import annotations

from tollbook.cli import options
from tollbook.cli.terminal.output import Output


def demo(as_json: options.Json = False) -> int:
    """Buy three flows in a paid world on loopback, then again for $0. Needs no wallet, no server, no network.

    Keeps its files under TOLLBOOK_HOME, or .demo/, and first removes those of the last demo.
    """
    from tollbook.cli.demo.demo import fresh_home, run_demo
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
