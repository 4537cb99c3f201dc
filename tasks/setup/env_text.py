"""The text of the environment file with what was chosen in it."""

from __future__ import annotations

from collections.abc import Mapping

from payer.environment.env_file import edited, quoted

HEADER = """\
# What every `tollbook` command and flow reads beside policy.toml; the real environment goes before it.
# Only you may read it (0600). Keep it out of version control. Every variable: docs/operating.md, "Configuration".
"""


OFFERED = ("TOLLBOOK_LEDGER_URL", "TOLLBOOK_NOTIFY_URL")
"""Variables that a new file names without a value, to be filled in."""


def env_text(current: str | None, values: Mapping[str, str | None], comments: Mapping[str, str]) -> str:
    """Return the file with the variables set, or removed where None; a new file has comments before them."""
    if current is not None:
        return edited(current, values)
    parts = [HEADER]
    for name, value in values.items():
        if value is None and name not in OFFERED:
            continue
        parts.append(f"\n# {comments[name]}\n" if name in comments else "")
        parts.append(f"{name}={quoted(value)}\n" if value is not None else f"# {name}=\n")
    return "".join(parts)


def comments() -> dict[str, str]:
    """A line on each variable of a new file."""
    return {
        "TOLLBOOK_HOME": "the ledger, the cache (state/) and what analysts open (published/)",
        "TOLLBOOK_KEYSTORE": "the wallet: an encrypted key and the file of its password. Keep a copy of both elsewhere",
        "TOLLBOOK_SIGNER_URL": "the wallet: a signer that holds the key. Keep a copy of nonce-secret elsewhere",
        "TOLLBOOK_LEDGER_URL": "the ledger of several machines: postgresql+psycopg://user:password@host/database",
        "TOLLBOOK_NOTIFY_URL": "where `tollbook health` tells people, for example mailto://… or slack://…",
    }
