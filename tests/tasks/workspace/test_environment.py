"""Every command and flow reads `.env` beside the policy; a wrong name in it is named with its line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from payer.values.errors import Misconfigured
from tasks.health.doctor import checkup
from tasks.prefect.worker import environ_with_key
from tasks.workspace.settings import VARIABLES, env_file, environment, sources_text
from tasks.workspace.workspace import Workspace

KEY = "0x" + "4c" * 32


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without any variable of tollbook in the environment."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str) -> None:
    (folder / ".env").write_text(text)
    (folder / ".env").chmod(0o600)


def test_a_command_takes_its_home_from_the_file_in_the_working_directory(folder: Path) -> None:
    write(folder, "TOLLBOOK_HOME=books\n")
    with Workspace.open() as ws:
        assert ws.home == folder / "books"
        assert ws.settings.policy == folder / "policy.toml"


def test_the_file_lies_beside_the_policy_that_the_environment_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "prod").mkdir()
    write(folder / "prod", "TOLLBOOK_HOME=.\n")
    monkeypatch.setenv("TOLLBOOK_POLICY", "prod/policy.toml")
    with Workspace.open() as ws:
        assert ws.home == folder / "prod"


def test_a_flows_worker_reads_it_too(folder: Path) -> None:
    write(folder, f"TOLLBOOK_HOME=.\nTOLLBOOK_PRIVATE_KEY={KEY}\n")
    found = asyncio.run(environ_with_key())
    assert (found["TOLLBOOK_HOME"], found["TOLLBOOK_PRIVATE_KEY"]) == (str(folder), KEY)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("TOLLBOOK_PRIVATEKEY", "TOLLBOOK_PRIVATE_KEY"),
        ("TOLLBOOK_HOEM", "TOLLBOOK_HOME"),
        ("TOLBOOK_HOME", "TOLLBOOK_HOME"),
        ("tollbook_keystore", "TOLLBOOK_KEYSTORE"),
        ("TOLLBOOK_SIGNERURL", "TOLLBOOK_SIGNER_URL"),
    ],
)
def test_a_wrong_name_is_named_with_the_one_that_is_meant(name: str, near: str, folder: Path) -> None:
    write(folder, f"TOLLBOOK_CLOCK_OFFSET=0\n\n{name}={KEY}\n")
    with pytest.raises(Misconfigured, match=rf"unknown variable {name} in {folder}/\.env, line 3") as caught:
        environment({})
    assert f"did you mean {near}?" in caught.value.fix
    assert KEY not in f"{caught.value} {caught.value.fix}"
    with pytest.raises(Misconfigured, match=f"unknown environment variable {name}") as real:
        Workspace.open({"TOLLBOOK_HOME": str(folder), name: "x"})
    assert f"did you mean {near}?" in real.value.fix


@pytest.mark.parametrize("name", ["PRIVATE_KEY", "NOTEBOOK_HOME", "HOME", "PREFECT_HOME", "LEDGER_URL"])
def test_names_of_other_programs_are_not_ours(name: str, folder: Path) -> None:
    write(folder, f"{name}=x\nTOLLBOOK_HOME=.\n")
    assert environment({})["TOLLBOOK_HOME"] == str(folder)


def test_where_each_variable_came_from_is_said_without_its_value(folder: Path) -> None:
    write(folder, f"TOLLBOOK_HOME=.\nTOLLBOOK_PRIVATE_KEY={KEY}\nTOLLBOOK_CLOCK_OFFSET=1\n")
    real = {"TOLLBOOK_CLOCK_OFFSET": "2", "PATH": "/bin"}
    said = sources_text(real, env_file(real))
    assert f"from {folder}/.env: TOLLBOOK_HOME, TOLLBOOK_PRIVATE_KEY" in said
    assert "from the environment: TOLLBOOK_CLOCK_OFFSET" in said
    assert "goes before the file for TOLLBOOK_CLOCK_OFFSET" in said
    assert KEY not in said


def test_a_key_under_a_tutorials_name_is_pointed_out(folder: Path) -> None:
    write(folder, f"PRIVATE_KEY={KEY}\n")
    assert "tollbook reads TOLLBOOK_PRIVATE_KEY" in sources_text({}, env_file({}))


def test_the_doctor_names_the_file_and_its_variables_also_where_the_rest_fails(folder: Path) -> None:
    write(folder, "TOLLBOOK_HOME=.\n")
    checks = {check.name: check for check in asyncio.run(checkup())}
    assert not checks["configuration"].ok
    assert f"from {folder}/.env: TOLLBOOK_HOME" in checks["environment"].detail


def test_the_doctor_names_a_file_that_cant_be_used(folder: Path) -> None:
    write(folder, "TOLLBOOK_HOEM=.\n")
    [check] = asyncio.run(checkup())
    assert (check.name, check.ok, check.exit_code) == ("environment", False, 2)
    assert "TOLLBOOK_HOME" in check.fix
