"""The environment in which the seller's free lists can be read before anything is set up, or once all is."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import tomlkit

from payer.environment.env_file import POLICY, policy_path
from tasks.reference.without_wallet import CATALOGUED, HOME, OFFSET, throwaway_home
from tasks.workspace.environment import environment

SECTIONS = ("network", "assets", "caps", "sellers")
"""Sections that a policy has before anything may be paid by it."""


@contextmanager
def free_lists(shipped: Path) -> Iterator[Mapping[str, str]]:
    """Yield an environment in which the free lists can be read: this process's where it has a home and a whole policy.

    Else a home is made for the block. Of the policy only the seller is needed: without a file the `shipped` one does,
    and a file without a network, assets or caps has those of the shipped one.
    """
    environ = environment()
    own = policy_path(environ)
    policy = own if own.exists() or environ.get(POLICY) else shipped
    missing = _missing_sections(policy)
    if environ.get(HOME) and policy is own and not missing:
        yield environ
        return
    with throwaway_home(environ.get(OFFSET)) as made:
        if missing:
            policy = Path(made[HOME]) / "policy.toml"
            policy.write_text(_completed(own.read_text("utf-8-sig"), shipped.read_text("utf-8")), "utf-8")
        yield {**made, POLICY: str(policy)}


def _missing_sections(policy: Path) -> list[str]:
    """The sections that a policy lacks; none where it can't be read, which is told where it is loaded."""
    try:
        sections = tomllib.loads(policy.read_text("utf-8-sig"))
    except (OSError, ValueError):
        return []
    return [name for name in SECTIONS if name not in sections]


def _completed(text: str, shipped: str) -> str:
    """Return the shipped policy with the sections of another one, and of its sellers the one that lists tokens."""

    own, whole = tomlkit.parse(text), tomlkit.parse(shipped)
    for name, section in own.items():
        if name != "sellers":
            whole[name] = section
    if (seller := own.get("sellers", {}).get(CATALOGUED)) is not None:
        whole["sellers"] = {CATALOGUED: seller}
    return tomlkit.dumps(whole)
