"""Prefect's page of a paused run, in a browser: what its form says, and an approval given there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.browser import browser

TRIES, SECONDS = 4, 30


@dataclass(frozen=True)
class ApprovalForm:
    """The form as a person reads it: everything written in it, and the values that are filled in."""

    text: str
    values: tuple[str, ...]


def approve_in_page(url: str, resumed: Callable[[], bool], *, picture: Path | None = None) -> ApprovalForm:
    """Open the run's page, switch on the approval, and submit what the form has filled in.

    Prefect's page says so and stays as it is when its server was too busy to take the form: a person submits again.
    """
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1000, "height": 900}, reduced_motion="reduce")
        for _ in range(TRIES):
            page.goto(url)
            page.get_by_role("button", name="Resume").first.click(timeout=60_000)
            dialog = page.get_by_role("dialog")
            dialog.get_by_role("switch").click()
            fields = dialog.locator("textarea, input[type=text], input:not([type])")
            form = ApprovalForm(dialog.inner_text(), tuple(each.input_value() for each in fields.all()))
            if picture is not None:
                page.screenshot(path=str(picture))
            dialog.get_by_role("button", name="Submit").click()
            for _ in range(SECONDS):
                if resumed():
                    return form
                page.wait_for_timeout(1000)
    raise AssertionError(f"{url}: submitted {TRIES} times, and still paused")
