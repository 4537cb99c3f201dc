"""The image is built from what it needs and nothing else. No engine runs here: its file is linted and read."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.workspace.settings import VARIABLES
from tests.deploy.files import DEPLOY, DOCKERFILE
from tests.paths import PACKAGES, ROOT

HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent))


@pytest.mark.skipif(HADOLINT is None, reason="hadolint has no binary for this system")
def test_the_dockerfile_has_no_fault_that_its_linter_knows() -> None:
    done = subprocess.run([str(HADOLINT), "--no-color", DOCKERFILE], capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
    assert done.returncode == 0


def let_in(name: str) -> bool:
    """True when a path of the checkout reaches the build; the last rule that matches decides, as Docker has it."""
    allowed = True
    for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines():
        rule = line.strip().removeprefix("!")
        if line.startswith("#") or not rule:
            continue
        parents = [name, *(str(parent) for parent in Path(name).parents)]
        if any(fnmatch.fnmatchcase(each, rule) for each in parents):
            allowed = line.startswith("!")
    return allowed


def test_what_the_image_copies_reaches_the_build() -> None:
    copied = [
        source
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.M)
        for source in sources.split()
        if source != "."
    ]
    assert {"locks/run.txt", "policy.toml", "prefect.yaml"} <= set(copied)
    for source in copied:
        assert (ROOT / source).exists(), source
        assert let_in(source), source


def test_what_the_wheel_is_built_from_reaches_the_build_and_no_secret_does() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    for name in tracked.stdout.split():
        top = name.split("/")[0]
        if top in PACKAGES or name in ("pyproject.toml", "README.md", "LICENSE"):
            assert let_in(name), name
        if top in ("tests", "bench", "docs", "deploy"):
            assert not let_in(name), name
    for secret in (".env", "keystore.json", "tollbook.env", ".demo/state/ledger.db", ".git/config", ".venv/bin/python"):
        assert not let_in(secret), secret


def test_it_runs_as_nobody_in_particular_and_its_variables_exist() -> None:
    text = DOCKERFILE.read_text()
    assert re.findall(r"^USER (\S+)$", text, re.M) == ["10001"]
    assert "STOPSIGNAL SIGTERM" in text
    names = re.findall(r"\b(TOLLBOOK_[A-Z_]+)=", text)
    assert names
    assert set(names) <= set(VARIABLES)
