"""The environment of a process: its own variables over those of the file `.env` beside its policy."""

from __future__ import annotations

import os
from collections.abc import Mapping

from payer.environment.env_file import ENV_FILE, EnvFile, env_file_beside, laid_over, policy_path
from tasks.workspace.settings import PREFIX, refuse_unknown_in

OF_OTHER_TOOLS = "PRIVATE_KEY"
"""Names that tutorials of x402 give the key; tollbook reads only names of its own."""


def environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that hold: the environment's (by default this process's), then those of the file.

    Raises Misconfigured for a file that can't be read, has an unknown variable, or shows a secret to other users.
    """
    environ = os.environ if environ is None else environ
    return laid_over(env_file(environ), environ)


def env_file(environ: Mapping[str, str]) -> EnvFile | None:
    """Read the environment file beside the policy that the environment names. Raises Misconfigured."""
    file = env_file_beside(policy_path(environ))
    if file is not None:
        refuse_unknown_in(file)
    return file


def sources_text(environ: Mapping[str, str], file: EnvFile | None) -> str:
    """Say which variables came from the file and which from the environment; no value is shown."""
    real = sorted(name for name in environ if name.startswith(PREFIX))
    if file is None:
        where = policy_path(environ).parent / ENV_FILE
        return f"there is no {where}; from the environment: {_listed(real)}"
    taken = [name for name in file.ours if name not in environ]
    parts = [f"from {file.path}: {_listed(taken)}", f"from the environment: {_listed(real)}"]
    if hidden := [name for name in file.ours if name in environ]:
        parts.append(f"the environment goes before the file for {_listed(hidden)}")
    if OF_OTHER_TOOLS in file.variables and not any(name.endswith(OF_OTHER_TOOLS) for name in (*taken, *real)):
        parts.append(f"{OF_OTHER_TOOLS} there is another program's: tollbook reads {PREFIX}{OF_OTHER_TOOLS}")
    return "; ".join(parts)


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "nothing"
