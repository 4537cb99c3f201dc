"""The machine's Chromium, headless, for tests that look at pages; without one they are skipped and say so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)
"""Root needs the first; the rest keep it from asking the internet at its start."""


def has_chromium() -> bool:
    return _installed() is not None


def _installed() -> str | None:
    return next((path for path in map(shutil.which, NAMES) if path), None)


def chromium() -> str:
    """The path of the browser; skips the test where the machine has none."""
    found = _installed()
    if found is None:
        pytest.skip("this machine has no Chromium: `apt-get install chromium` has these tests run")
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """One headless browser."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as tool:
        opened = tool.chromium.launch(executable_path=path, args=list(OPTIONS))
        try:
            yield opened
        finally:
            opened.close()
