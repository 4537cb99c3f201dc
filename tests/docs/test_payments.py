"""docs/payments.md names the test that proves each ending, and the test is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "payments.md").read_text("utf-8")
ENDINGS = re.findall(r"^### (.+)$", PAGE, re.M)
DEFINED = {
    name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_names_tests_that_exist(ending: str) -> None:
    section = PAGE.split(f"### {ending}\n")[1].split("\n#")[0]
    named = set(re.findall(r"`(test_\w+)`", section))
    assert named
    assert named <= DEFINED
