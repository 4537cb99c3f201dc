"""`tollbook sandbox`: the paid world in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tollbook.cli import options


def sandbox(
    home: Annotated[Path, typer.Option("--home", metavar="DIR", help="Where chain, policy.toml and sandbox.env go.")],
    tokens: Annotated[int, typer.Option("--tokens", min=64, help="How many tokens the market lists.")] = 64,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the data and of injected faults.")] = 7,
    x402: Annotated[int, typer.Option("--x402", min=1, max=2, help="x402 version that the seller speaks.")] = 2,
    as_json: options.Json = False,
) -> int:
    """Serve chain, token, facilitator and seller on loopback until interrupted; the same home continues its chain.

    Writes DIR/policy.toml and DIR/sandbox.env (shell exports) and prints one line starting with `ready`.
    """
    from tollbook.cli.sandboxing import needs_sandbox

    with needs_sandbox():
        from tollbook.sandbox.serve import serve
    return serve(home, tokens=tokens, seed=seed, x402_version=x402, as_json=as_json)
