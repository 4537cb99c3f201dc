"""A home with everything that the report shows, bought once, and its page as the command writes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.tasks.report import sample_home
from tollbook.cli.main import run


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment of that home. Nobody buys in it."""
    home = sample_home.build(tmp_path_factory.mktemp("sample"), sample_home.now())
    return {"TOLLBOOK_HOME": str(home), "TOLLBOOK_POLICY": str(home / "policy.toml")}


@pytest.fixture
def in_sample(sample: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """That home as this test's environment."""
    for name, value in sample.items():
        monkeypatch.setenv(name, value)
    return sample


@pytest.fixture(scope="session")
def page_file(sample: Mapping[str, str]) -> Path:
    """The page that `tollbook report --html` writes of it."""
    path = Path(sample["TOLLBOOK_HOME"]) / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sample.items():
            patch.setenv(name, value)
        assert run(["report", "--html", str(path)]) == 0
    return path
