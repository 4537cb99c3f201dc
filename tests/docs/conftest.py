"""The command's fixtures, for the page's commands."""

from __future__ import annotations

from tests.cli.conftest import bare, tollbook

__all__ = ["bare", "tollbook"]
