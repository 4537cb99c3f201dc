"""Take the pictures in docs/images again: `make screenshots`. Needs the machine's Chromium."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.browser import browser
from tests.clocks import run_python
from tests.paths import DOCS, ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

IMAGES = DOCS / "images"
MOMENT = datetime(2026, 11, 29, 20, 0, tzinfo=UTC)
"""The clock of the pictures, so that they change only where the page does."""
PORT = 27_188


@dataclass(frozen=True)
class Picture:
    """One picture: its page, the browser's width and theme, and where on the page it begins and ends."""

    page: str
    width: int
    theme: Any
    top: int
    height: int


PICTURES = {
    "report-light.png": Picture("all", 1280, "light", 0, 780),
    "report-dark.png": Picture("trouble", 1280, "dark", 0, 900),
    "report-signals.png": Picture("all", 1280, "light", -1, 760),
    "report-phone.png": Picture("all", 390, "dark", 0, 844),
}
"""By file name; a top of -1 is where the signals begin."""


def take(folder: Path) -> None:
    """Build the homes at that clock, then take every picture with one browser."""
    made = run_python("-m", "tests.docs.sample_pages", str(folder), ahead=MOMENT.timestamp() - time.time())
    assert made.returncode == 0, made.stderr[-3000:]
    with browser() as opened:
        for name, picture in PICTURES.items():
            _of_report(opened, folder / f"{picture.page}.html", picture, IMAGES / name)
        with dashboard(folder / "all") as address:
            _of_dashboard(opened, address, IMAGES / "dashboard.png")


def _of_report(opened: Browser, path: Path, picture: Picture, to: Path) -> None:
    context = opened.new_context(viewport={"width": picture.width, "height": 900}, color_scheme=picture.theme)
    page = context.new_page()
    page.goto(path.as_uri())
    top = picture.top if picture.top >= 0 else page.evaluate(_SIGNALS)
    area = {"x": 0, "y": top, "width": picture.width, "height": picture.height}
    page.screenshot(path=to, full_page=True, clip=area)  # type: ignore[arg-type]
    context.close()


_SIGNALS = "document.getElementById('signals-title').closest('section').getBoundingClientRect().top - 16"


def _of_dashboard(opened: Browser, address: str, to: Path) -> None:
    page = opened.new_context(viewport={"width": 1200, "height": 1020}, color_scheme="light").new_page()
    page.goto(address)
    page.wait_for_selector("text=Freshness", timeout=90_000)
    page.wait_for_function("document.querySelectorAll('marimo-vega').length >= 2")
    page.wait_for_timeout(4_000)
    page.screenshot(path=to)


@contextmanager
def dashboard(home: Path) -> Iterator[str]:
    """Serve docs/dashboard.py over a home, on loopback."""
    command = [sys.executable, "-m", "marimo", "run", "--headless", "--no-token", "--port", str(PORT)]
    process = subprocess.Popen(
        [*command, str(DOCS / "dashboard.py")],
        cwd=ROOT,
        env={**os.environ, "TOLLBOOK_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        next(line for line in process.stdout if "URL" in line)
        yield f"http://127.0.0.1:{PORT}/"
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made_here:
        take(Path(made_here))
    print(
        "\n".join(f"{path.relative_to(ROOT)} {path.stat().st_size // 1000} kB" for path in sorted(IMAGES.glob("*.png")))
    )
