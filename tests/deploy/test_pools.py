"""Job templates of work pools: what Prefect's own workers, Kubernetes and ECS say of them. No cluster runs here."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from tasks.workspace.settings import VARIABLES
from tests.deploy.files import POOLS

A_PLACE = re.compile(r"\{\{ ([\w.-]+) \}\}")
BLOCK = "prefect.blocks.secret."
GIVEN = {
    "name": "curious-otter",
    "execution_role_arn": "arn:aws:iam::123456789012:role/tollbook-execution",
    "private_key_arn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key",
    "ledger_url_arn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:ledger",
    "home_file_system": "fs-12345678",
    "labels": {"tollbook": "true"},
    "command": ["python", "-m", "prefect.engine"],
    "env": [{"name": "TOLLBOOK_HOME", "value": "/srv/tollbook/home"}],
    "service_account_name": "tollbook",
    "task_role_arn": "arn:aws:iam::123456789012:role/tollbook",
    "cluster": "tollbook",
}
"""Values of the kinds that workers put in."""


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def text_of(value: object) -> str:
    return json.dumps(value)


def filled(value: Any, values: dict[str, Any]) -> Any:
    """A configuration with its places filled as Prefect does it: a lone place keeps the value's type."""
    match value:
        case dict():
            return {key: filled(each, values) for key, each in value.items()}
        case list():
            return [filled(each, values) for each in value]
        case str() if lone := A_PLACE.fullmatch(value):
            return values[lone[1]]
        case str():
            return A_PLACE.sub(lambda found: str(values[found[1]]), value)
    return value


def configuration(name: str) -> dict[str, Any]:
    [template] = [read(path) for path in POOLS if path.stem == name]
    defaults = {key: each.get("default") for key, each in template["variables"]["properties"].items()}
    document: dict[str, Any] = filled(template["job_configuration"], {**defaults, **GIVEN})
    return document


def workers() -> dict[str, Any]:
    """The job configurations that Prefect's workers understand, by pool type."""
    shipped = resources.files("prefect.server.api.collections_data.views") / "aggregate-worker-metadata.json"
    collections = json.loads(shipped.read_text())
    return {
        kind: worker["default_base_job_configuration"]["job_configuration"]
        for found in collections.values()
        for kind, worker in found.items()
    }


@pytest.mark.parametrize("path", POOLS, ids=lambda path: path.stem)
def test_a_template_asks_a_worker_for_nothing_that_it_does_not_know(path: Path) -> None:
    template = read(path)
    assert set(template["job_configuration"]) <= set(workers()[path.stem])
    variables = template["variables"]
    jsonschema.Draft202012Validator.check_schema(variables)
    places = set(A_PLACE.findall(text_of(template["job_configuration"])))
    assert places == set(variables["properties"])
    for name, each in variables["properties"].items():
        assert each["title"], name
        if "default" in each:
            jsonschema.validate(each["default"], each)
        else:
            assert name == "name" or name in variables["required"]


@pytest.mark.parametrize("path", POOLS, ids=lambda path: path.stem)
def test_secrets_are_named_and_never_written(path: Path) -> None:
    text = path.read_text()
    for block in re.findall(r"prefect\.blocks\.[\w.-]+", text):
        assert block in (f"{BLOCK}tollbook-ledger-url", f"{BLOCK}tollbook-private-key")
    assert set(re.findall(r"TOLLBOOK_[A-Z_]+", text)) <= {*VARIABLES, "TOLLBOOK_PUBLISH"}
    assert not re.search(r"0x[0-9a-f]{64}|://\w+:\w+@", text)


def test_the_kubernetes_job_is_one_by_kubernetes_own_schema() -> None:
    manifest = configuration("kubernetes")["job_manifest"]
    version = kubernetes_validate.latest_version()
    kubernetes_validate.validate(manifest, version, strict=True)
    assert manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 160


def test_the_ecs_task_is_one_by_the_service_model_of_aws() -> None:
    model = ServiceModel(Loader().load_service_model("ecs", "service-2"))
    validator = ParamValidator()
    found = configuration("ecs")
    # ECS wants its sizes as text; the worker turns them, as it does with Prefect's own template.
    definition = {
        key: str(value) if key in ("cpu", "memory") else value for key, value in found["task_definition"].items()
    }
    shape = model.operation_model("RegisterTaskDefinition").input_shape
    assert validator.validate(definition, shape).generate_report() == ""
    overrides = model.shape_for("TaskOverride")
    assert validator.validate(found["task_run_request"]["overrides"], overrides).generate_report() == ""
