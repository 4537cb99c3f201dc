"""Files that ship with tollbook to be copied and adapted: policy.toml, prefect.yaml, and the automations of
prefect-zombies.yaml and prefect-alerts.yaml."""

from __future__ import annotations

from pathlib import Path


def template(name: str) -> Path:
    """The path of a shipped file: in this folder of an installed wheel, at the top of a checkout."""
    installed = Path(__file__).with_name(name)
    return installed if installed.exists() else Path(__file__).parents[2] / name


AUTOMATIONS = ("prefect-zombies.yaml", "prefect-alerts.yaml")


def own_or_shipped(name: str) -> Path:
    """The file of this name in the working directory; without one, the one that ships with tollbook."""
    own = Path(name)
    return own if own.exists() else template(name)
