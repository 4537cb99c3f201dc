"""The built wheel, installed in an environment of its own and used in an empty folder, with nothing in the environment.

The wheel's own code comes from the wheel alone. The libraries that it requires are lent by the environment of the
tests, by links, so that nothing is downloaded again; without the extra `sandbox` its libraries are not lent.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.paths import PACKAGES, ROOT

SITE = Path(sysconfig.get_path("purelib"))
UV = ROOT / ".tools" / "bin" / "uv"
ONLY_THE_SANDBOX = ("x402", "web3", "py-evm", "uvicorn")
"""Distributions of the extra."""
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]


def run_tool(*ways: list[str]) -> None:
    """Run the first of these commands that succeeds."""
    tried = []
    for way in ways:
        tried.append(subprocess.run(way, capture_output=True, text=True, check=False))
        if tried[-1].returncode == 0:
            return
    pytest.fail("\n".join(each.stderr for each in tried))


def build(folder: Path) -> Path:
    """Build the wheel of this checkout with uv, or with pip where make did not set up uv."""
    uv = [str(UV), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)]
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    run_tool(*([uv, [*uv, "--system-certs"]] if UV.exists() else [pip]))
    [wheel] = folder.glob("*.whl")
    return wheel


def install(wheel: Path, python: Path) -> None:
    """Install the wheel alone into an interpreter's environment."""
    uv = [str(UV), "pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(python), str(wheel)]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)]
    run_tool(uv if UV.exists() else pip)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"))


class Installed:
    """`tollbook` of the installed wheel, in a working directory that starts empty."""

    def __init__(self, root: Path, wheel: Path, *, without: tuple[str, ...] = ()) -> None:
        self.folder = root / "empty"
        self.folder.mkdir()
        lent = root / "lent"
        lent.mkdir()
        for name in _names(without=("tollbook", *without)):
            (lent / name).symlink_to(SITE / name)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root / "venv")], check=True)
        [site] = (root / "venv" / "lib").glob("python*/site-packages")
        (site / "lent.pth").write_text(f"{lent}\n")
        self.bin, self.site = root / "venv" / "bin", site
        install(wheel, self.bin / "python")

    def __call__(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the installed `tollbook`."""
        return self._run("tollbook", *arguments, environ=environ)

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        return self._run("python", "-c", code, environ={})

    def _run(self, program: str, *arguments: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        command = [str(self.bin / program), *arguments]
        return subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False)


def _names(*, without: tuple[str, ...]) -> Iterator[str]:
    """Everything at the top of the tests' site-packages but what these distributions brought, and files that change
    the path."""
    left_out = {
        entry.parts[0] for name in without for entry in distribution(name).files or () if ".." not in entry.parts
    }
    for path in sorted(SITE.iterdir()):
        if path.name not in left_out and path.suffix != ".pth" and path.name != "__pycache__":
            yield path.name


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """With the extra `sandbox`."""
    return Installed(tmp_path_factory.mktemp("installed"), wheel)


@pytest.fixture(scope="session")
def without_sandbox(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("plain"), wheel, without=ONLY_THE_SANDBOX)


def test_the_wheel_holds_every_package_and_the_files_they_need(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tracked = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    assert tracked.split()
    assert set(tracked.split()) - names == set()
    for name in ("policy.toml", "prefect.yaml", "prefect-zombies.yaml", "prefect-alerts.yaml"):
        assert f"tollbook/templates/{name}" in names
    assert {name.split("/")[0] for name in names} == {*PACKAGES, f"tollbook-{version('tollbook')}.dist-info"}


def test_the_environment_of_the_tests_satisfies_what_the_wheel_requires(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [
            archive.read(name).decode() for name in archive.namelist() if name.endswith(".dist-info/METADATA")
        ]
    assert set(re.findall(r"^Provides-Extra: (.*)$", metadata, re.M)) == set(EXTRAS) >= {"sandbox", "objects", "report"}
    required = [Requirement(line) for line in re.findall(r"^Requires-Dist: (.*)$", metadata, re.M)]
    wanted_by = {
        one: [extra for extra in ("", *EXTRAS) if not one.marker or one.marker.evaluate({"extra": extra})]
        for one in required
    }
    of_the_extras = {canonicalize_name(one.name) for one, extras in wanted_by.items() if extras and "" not in extras}
    assert of_the_extras == {canonicalize_name(Requirement(line).name) for lines in EXTRAS.values() for line in lines}
    assert of_the_extras >= set(ONLY_THE_SANDBOX)
    for one in (each for each, extras in wanted_by.items() if extras):
        assert one.specifier.contains(version(one.name), prereleases=True), one


def test_help_and_version_need_no_configuration(without_sandbox: Installed) -> None:
    said = without_sandbox("--help")
    assert said.returncode == 0, said.stderr
    assert "backfill" in said.stdout
    assert without_sandbox("--version").stdout == f"tollbook {version('tollbook')}\n"


def test_nothing_comes_from_the_checkout(installed: Installed) -> None:
    modules = ", ".join(PACKAGES)
    code = f"import {modules}\nfor one in ({modules}): print(one.__file__)"
    said = installed.python(code)
    assert said.returncode == 0, said.stderr
    assert all(Path(line).is_relative_to(installed.site) for line in said.stdout.splitlines())


def test_an_empty_folder_is_told_what_to_do_first(without_sandbox: Installed) -> None:
    """No variable is set; then the home is, and the policy file is missing; then it is copied as the message says."""
    said = without_sandbox("plan", "grades")
    assert said.returncode == 2
    assert "TOLLBOOK_HOME is not set" in said.stderr
    home = str(without_sandbox.folder / "home")
    for verb in (("plan", "grades"), ("status",)):
        said = without_sandbox(*verb, TOLLBOOK_HOME=home)
        assert said.returncode == 2
        assert "there is no policy file" in said.stderr
    [copy] = re.findall(r"`(cp [^`]*)`", said.stderr)
    subprocess.run(copy, shell=True, cwd=without_sandbox.folder, check=True)
    said = without_sandbox("status", "--json", TOLLBOOK_HOME=home)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["spent"] == {"USDC": "0"}


def test_the_shipped_schedules_are_there_to_be_planned_by(without_sandbox: Installed) -> None:
    said = without_sandbox.python(
        "from tollbook.templates import template; from tasks.request.schedules import read_schedules\n"
        "print(len(read_schedules(template('prefect.yaml'))))",
    )
    assert int(said.stdout) >= 5, said.stderr


def test_the_installed_deploy_finds_its_files_and_names_the_server_that_is_missing(without_sandbox: Installed) -> None:
    """Pools, deployments and automations come from the wheel: nothing of a checkout is needed."""
    said = without_sandbox("deploy", PREFECT_API_URL="http://127.0.0.1:1/api", HOME=str(without_sandbox.folder))
    assert said.returncode == 6, said.stderr
    assert "PREFECT_API_URL: no Prefect server answers at http://127.0.0.1:1/api" in said.stderr
    said = without_sandbox.python(
        "from tollbook.templates import AUTOMATIONS, template\n"
        "from tasks.prefect.deploy.deployments import read_deployments\n"
        "from tasks.prefect.deploy.automations import read_automations\n"
        "read = read_automations([template(name) for name in AUTOMATIONS], {})\n"
        "print(len(read_deployments(template('prefect.yaml')).declared), len(read))"
    )
    deployments, automations = map(int, said.stdout.split())
    assert deployments >= 8, said.stderr
    assert automations >= 6, said.stderr


def test_without_the_extra_the_demo_says_what_to_install_and_touches_nothing(without_sandbox: Installed) -> None:
    said = without_sandbox("demo")
    assert said.returncode == 2
    assert "tollbook[sandbox]" in said.stderr
    assert not (without_sandbox.folder / ".demo").exists()


def test_with_the_extra_the_demo_ends_with_equal_books(installed: Installed) -> None:
    """Then the installed `plan`, `status` and `tollbook.read` work on the demo's home."""
    said = installed("demo", "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["books_agree"] is True
    home = installed.folder / ".demo"
    exports = re.findall(r"^export (\w+)=(.*)$", (home / "sandbox.env").read_text(), re.M)
    environ = {name: value.strip("'\"") for name, value in exports}
    status = installed("status", "--json", **environ)
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)["delivered"] > 0
    code = f"import tollbook; print(len(tollbook.read('grades', home={str(home)!r})) > 0)"
    assert installed.python(code).stdout == "True\n"
