"""Files that ship with tollbook to be copied and adapted: policy.toml, prefect.yaml, prefect-zombies.yaml."""

from __future__ import annotations

from pathlib import Path


def template(name: str) -> Path:
    """The path of a shipped file: in this folder of an installed wheel, at the top of a checkout."""
    installed = Path(__file__).with_name(name)
    return installed if installed.exists() else Path(__file__).parents[2] / name
