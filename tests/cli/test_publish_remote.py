"""Publishing to object storage from the command, in a paid world: the store's trouble never reaches payments."""

from __future__ import annotations

from pathlib import Path

import pytest

import tollbook as face
from tests.cli.conftest import Command
from tests.object_storage import SECRET_KEY
from tollbook_bucket import store
from tollbook_bucket.fetch import OldCopy


def test_a_run_pays_and_publishes_here_whatever_the_store_does_and_the_next_sends_all(
    tollbook: Command, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = store.os.environ["AWS_ENDPOINT_URL"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "RETRIES", 0)
    tollbook.env["TOLLBOOK_PUBLISH"] = s3_url
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    ran = tollbook("run", "grades")
    assert ran.code == 0, ran.out + ran.err
    assert f"not sent to object storage: {s3_url} can't be reached; see that the store is up" in ran.out + ran.err
    assert "Payments and local files are not affected, the next publication sends it" in ran.out + ran.err
    rows = face.read("grades_snapshots", home=tollbook.env["TOLLBOOK_HOME"])
    assert len(rows) > 0
    by_hand = tollbook("publish", "--json")
    assert by_hand.code == 6
    assert by_hand.document["remote"]["ok"] is False
    health = tollbook("health", "--json")
    assert health.code == 0
    [finding] = [finding["what"] for finding in health.document["findings"] if finding["kind"] == "publish"]
    assert finding.startswith("not sent to object storage since")

    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    sent = tollbook("publish", "--json")
    assert sent.code == 0
    assert sent.document["remote"]["objects"] > 0
    assert face.read("grades_snapshots", home=s3_url).equals(rows)
    assert [f for f in tollbook("health", "--json").document["findings"] if f["kind"] == "publish"] == []
    again = tollbook("run", "grades", "--json")
    assert again.document["flows"][0]["remote"]["ok"] is True

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.warns(OldCopy, match="can't be reached"):
        assert face.read("grades_snapshots", home=s3_url).equals(rows)
    assert SECRET_KEY not in "".join(said.out + said.err for said in (ran, by_hand, health, sent, again))
