"""compose.yaml and the systemd units start what they say, stop without a loss, and set variables that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import compose_spec
import pytest
from prefect.settings import Settings
from prefect.settings.legacy import _get_settings_fields

from payer.policy.file import load_policy
from tasks.workspace.settings import VARIABLES
from tests.deploy.files import DEPLOY, ENVIRONMENTS, assignments, compose
from tests.paths import ROOT
from tollbook_bucket.address import CREDENTIALS

UNITS = sorted((DEPLOY / "systemd").glob("tollbook*"))
ANALYZE = shutil.which("systemd-analyze")
OF_A_BUCKET = set(CREDENTIALS["s3"].split(" and ")) | {"AWS_REGION"}
KNOWN = {*VARIABLES, *_get_settings_fields(Settings), *OF_A_BUCKET, "PREFECT_HOME", "DO_NOT_TRACK", "PATH"}
A_MINUTE = 60


def longest_call() -> int:
    """Seconds that a call may take by the shipped policy."""
    return max(seller.timeout_seconds for seller in load_policy(ROOT / "policy.toml").sellers.values())


def test_compose_is_a_file_of_its_specification_and_names_only_what_is_there() -> None:
    document = compose()
    read = compose_spec.PyCompose.from_json(json.dumps(document))
    services = document["services"]
    assert set(services) == set(read.service_names()) == {"postgres", "prefect", "deploy", "worker"}
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        assert set(service.get("secrets", [])) <= set(document["secrets"]), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in document["volumes"], volume
    assert (DEPLOY / services["worker"]["build"]["context"] / services["worker"]["build"]["dockerfile"]).exists()


def test_compose_gives_the_worker_the_time_of_a_call_and_a_first_process_that_waits() -> None:
    worker = compose()["services"]["worker"]
    minutes = int(re.fullmatch(r"(\d+)m", worker["stop_grace_period"])[1])  # type: ignore[index]
    assert minutes * 60 >= longest_call() + A_MINUTE
    assert worker["command"][:3] == ["python", "-m", "tasks.prefect.process"]


def test_no_service_is_open_to_other_machines() -> None:
    ports = [port for service in compose()["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:4200:4200"]


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.name)
def test_environment_files_set_variables_that_exist(path: Path) -> None:
    commented = re.findall(r"^# ([A-Z_]+)=", path.read_text(), re.M)
    names = {*assignments(path), *commented}
    assert names
    assert names <= KNOWN


def test_compose_hands_over_the_secrets_where_the_environment_looks_for_them() -> None:
    env = assignments(DEPLOY / "tollbook.env.example")
    handed = {f"/run/secrets/{name}" for name in compose()["services"]["worker"]["secrets"]}
    assert {env["TOLLBOOK_KEYSTORE"], env["TOLLBOOK_KEYSTORE_PASSWORD_FILE"]} == handed
    made = set(re.findall(r"CREATE DATABASE (\w+);", (DEPLOY / "postgres" / "databases.sql").read_text()))
    used = {env[name].rpartition("/")[2] for name in ("TOLLBOOK_LEDGER_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL")}
    assert used == made


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_the_units_are_accepted_by_systemd(tmp_path: Path) -> None:
    """With this environment's programs in the place of /opt/tollbook, so that a missing one is an error."""
    for unit in UNITS:
        text = unit.read_text().replace("/opt/tollbook/bin", str(Path(sys.executable).parent))
        (tmp_path / unit.name).write_text(text)
    verify = [str(ANALYZE), "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)]
    done = subprocess.run(verify, capture_output=True, text=True, timeout=60)
    ours = [line for line in done.stderr.splitlines() if "tollbook" in line]
    assert (ours, done.returncode) == ([], 0)


def test_the_units_set_variables_that_exist_and_leave_a_call_its_time() -> None:
    for unit in UNITS:
        assert set(re.findall(r"^Environment=([A-Z_]+)=", unit.read_text(), re.M)) <= KNOWN, unit.name
    worker = (DEPLOY / "systemd" / "tollbook-worker.service").read_text()
    [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", worker, re.M)
    assert int(seconds) >= longest_call() + A_MINUTE
    [start] = re.findall(r"^ExecStart=(.+)$", worker, re.M)
    assert start.split()[1:3] == ["-m", "tasks.prefect.process"]
