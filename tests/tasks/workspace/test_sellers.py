"""A seller that policy declares by a file is there for whatever opens the workspace; a fault names file and line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from payer.values.errors import Misconfigured
from sources import registry
from tasks.operator.new_seller import _name_of, _request, read_answer
from tasks.request.model import BadRequest
from tasks.request.names import datasets_of
from tasks.workspace.workspace import Workspace
from tests.paths import ROOT
from tests.sources.declaration.test_declaration import LEVELS

SELLER = """
[sellers.tidewatch]
base_url = "https://api.tidewatch.example"
pay_with = "USDC"
pay_to = "first-use"
watch = {"tide-levels" = ["HAM"]}
declaration = "sellers/tidewatch.toml"
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "policy.toml").write_text((ROOT / "policy.toml").read_text() + SELLER)
    (tmp_path / "sellers").mkdir()
    (tmp_path / "sellers" / "tidewatch.toml").write_text(LEVELS)
    environ = {"TOLLBOOK_POLICY": str(tmp_path / "policy.toml"), "TOLLBOOK_HOME": str(tmp_path / "home")}
    with Workspace.open(environ) as opened:
        yield opened
    registry.declare([])


def test_the_path_counts_from_the_policy_files_folder(workspace: Workspace) -> None:
    assert workspace.policy.sellers["tidewatch"].declaration == "sellers/tidewatch.toml"
    assert [dataset.name for dataset in datasets_of(["tide_levels"])] == ["tide-levels"]


def test_the_cache_knows_declared_tables_whoever_opens_it_first(workspace: Workspace) -> None:
    with workspace.cache.open() as con:
        assert con.execute("SELECT table_name FROM declared WHERE dataset = 'tide-levels'").fetchall() == [
            ("tide_levels",)
        ]


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        (LEVELS.replace('"series"', '"serie"'), "tidewatch.toml, line 6: datasets.tide-levels.kind", "allowed is"),
        (LEVELS.replace("tide_levels", "grades"), "tidewatch.toml, line 5: datasets.tide-levels.table", "call it"),
        ("x = ", "tidewatch.toml, line 1: is not TOML", "correct that line"),
        (None, "tidewatch.toml: can't be read", "its path counts from the policy file's folder"),
    ],
)
def test_a_fault_in_a_file_is_a_fault_of_the_configuration(
    workspace: Workspace, text: str | None, what: str, fix: str
) -> None:
    file = workspace.settings.policy.parent / "sellers" / "tidewatch.toml"
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(Misconfigured) as found:
        _ = workspace.policy
    assert what in found.value.what
    assert fix in found.value.fix


def test_a_sample_answer_is_read_for_nothing(workspace: Workspace, tmp_path: Path) -> None:
    _ = workspace.policy
    dataset = registry.dataset("tide-levels")
    sample = tmp_path / "sample.json"
    sample.write_text(
        '{"levels": [{"station": "A", "day": 20251001, "High-Water": "x"}, {"day": "2025-10-01", "z": 1}]}'
    )
    read = read_answer(workspace, dataset, sample)
    assert read.exit_code == 5
    assert [words.split(":")[0] for words in read.words] == [
        "a failed delivery",
        "row 0 quarantined",
        "row 1 quarantined",
        "z is not declared",
        "High-Water",
    ]
    with pytest.raises(BadRequest, match="can't be read"):
        read_answer(workspace, dataset, tmp_path / "nowhere")


def test_a_url_is_asked_as_it_is_written() -> None:
    asked = _request("https://api.tidewatch.example:443/v1/levels?b=2&a=", "post", '{"q": 1}', ["X-Plan: free"])
    assert (asked.method, asked.url) == ("POST", "https://api.tidewatch.example/v1/levels")
    assert asked.params == (("a", ""), ("b", "2"))
    assert asked.headers == (("content-type", "application/json"), ("x-plan", "free"))
    assert _name_of("https://api.tide-watch.example/x") == "tidewatch"
    assert _name_of("http://127.0.0.1:8402/x") == "seller"


@pytest.mark.parametrize(
    "url", ["http://api.example/x", "ftp://x", "https://", "https://u@h/x", "https://h/ x", "x://["]
)
def test_a_url_that_can_not_be_asked_safely_is_refused(url: str) -> None:
    with pytest.raises(BadRequest):
        _request(url, "GET", "", ())
