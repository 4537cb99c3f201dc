"""`tollbook demo`: the whole path in a paid world on loopback, in half a minute."""

from __future__ import annotations

from tollbook.cli import options
from tollbook.cli.answer import Answer


def demo(as_json: options.Json = False) -> int:
    """Buy three flows in a paid world on loopback, then again for $0. Needs no wallet, no server, no network.

    Keeps its files under TOLLBOOK_HOME, or .demo/; each demo starts anew and removes the files of the last one.
    """
    from tollbook.cli.demo import story
    from tollbook.cli.demo.home import fresh_home
    from tollbook.cli.sandboxing import needs_sandbox

    answer = Answer(as_json=as_json)
    with needs_sandbox():
        from sandbox.world import World
    home = fresh_home()
    answer.line("tollbook demo: a paid world on this machine. No wallet, no server, no network.", style="bold")
    with World(home) as world:
        told = story.tell(world, answer)
    answer.document(told.document())
    return 0 if told.books_agree else 4
