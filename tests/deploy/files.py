"""The folder deploy/, as the tests of its files read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.paths import ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile"
POOLS = sorted((DEPLOY / "pools").glob("*.json"))
ENVIRONMENTS = sorted(DEPLOY.rglob("*.env.example"))


def compose() -> dict[str, Any]:
    """compose.yaml, with its anchors resolved."""
    document: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return document


def assignments(path: Path) -> dict[str, str]:
    """The variables that an environment file sets; comments left out."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)
