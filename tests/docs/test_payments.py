"""docs/payments.md draws each ending and names the test that proves it, and the test is there."""

from __future__ import annotations

import re

import pytest

from tests.paths import DOCS, ROOT

PAGE = (DOCS / "payments.md").read_text("utf-8")
DEFINED = {
    name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
}
SECTIONS = dict(re.findall(r"^### ([^\n]+)\n(.*?)(?=^##)", PAGE, re.M | re.S))
ENDINGS = [
    *("Bought", "The answer is lost after settling", "The answer is lost and nothing was settled"),
    *("The process dies", "The ledger can't take the body", "The ledger is lost", "Another machine paid", "Never sent"),
    *("Held up before it is signed", "The price moves", "The terms move, the price does not"),
    *("Another process was first", "The seller has nothing", "Paid and never delivered", "Delivered as a failure"),
    *("The clock is wrong", "A payee for each payment"),
    *("The breaker", "Delivered and never paid", "Cancelled", "A chain that lies, lags or forks"),
]


def test_these_are_the_endings() -> None:
    assert sorted(SECTIONS) == sorted(ENDINGS)


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_names_tests_that_exist(ending: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", SECTIONS[ending]))
    assert named
    assert named <= DEFINED


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_is_drawn_between_the_parties_it_names(ending: str) -> None:
    [diagram] = re.findall(r"```mermaid\nsequenceDiagram\n(.*?)```", SECTIONS[ending], re.S)
    parties = set(re.findall(r"participant (\w+)", diagram))
    arrows = re.findall(r"^ +(\w+) ?(?:-->>|->>|--x|-x) ?(\w+): \S", diagram, re.M)
    assert arrows
    assert {party for arrow in arrows for party in arrow} <= parties


def test_the_rest_of_the_page_names_only_tests_that_exist() -> None:
    assert set(re.findall(r"`(test_\w+)`", PAGE)) <= DEFINED
