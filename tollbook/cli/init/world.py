"""The paid world that `tollbook init --sandbox` sets up against: started for as long as that takes, or running."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from payer.environment.env_file import parse_env_file
from payer.values.errors import Misconfigured
from payer.values.terms import SecretStr
from tasks.setup.policy_text import Network, of_world
from tollbook.cli.errors import needs_sandbox


@dataclass(frozen=True, slots=True)
class PaidWorld:
    """A sandbox's network, and the throwaway key that it has funded."""

    home: Path
    network: Network
    key: SecretStr = field(repr=False)
    clock_offset: str | None
    running: bool
    """True where another process serves it."""


@contextmanager
def paid_world(home: Path) -> Iterator[PaidWorld]:
    """Serve a world at `home` (made where there is none) meanwhile, or use the one that another process serves."""
    with needs_sandbox():
        from sandbox.world import HomeInUse, World
    world = World(home)
    try:
        world.start()
    except HomeInUse:
        yield _read(home, running=True)
        return
    try:
        yield _read(home, running=False)
    finally:
        world.stop()


def _read(home: Path, *, running: bool) -> PaidWorld:
    """Read what a world writes for its buyers. Raises Misconfigured where it has not yet."""
    env = home / "sandbox.env"
    try:
        policy = tomllib.loads((home / "policy.toml").read_text("utf-8"))
        variables = parse_env_file(env, env.read_bytes()).variables
        key = SecretStr(variables["TOLLBOOK_PRIVATE_KEY"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        raise Misconfigured(
            f"the sandbox at {home} has written no policy yet", advice="wait until it says `ready`, then run it again"
        ) from None
    return PaidWorld(home, of_world(policy), key, variables.get("TOLLBOOK_CLOCK_OFFSET"), running)
