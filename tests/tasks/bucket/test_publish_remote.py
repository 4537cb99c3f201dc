"""A run's publication on object storage: sent, or a note with what to do; payments and local files never notice."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

import tollbook
from payer.ledger.workers import Workers
from tasks.bucket import publish_remote as module
from tasks.bucket.publish_remote import home_id, publish_remote, send_rewritten
from tasks.buy.publish import publish
from tasks.health.check import unsent
from tasks.health.outside import check_bucket
from tasks.workspace.workspace import Workspace
from tests.object_storage import S3Server
from tests.warehouse.conftest import empty_home
from tests.warehouse.publications import month
from tests.warehouse.purchases import open_ledger
from tollbook_bucket import store
from warehouse.bucket.memory import BucketMemory
from warehouse.cache.store import Cache
from warehouse.load.self_repair import load
from warehouse.publish.publication import Publication, RemotePublication

__all__ = ["empty_home"]
T = TypeVar("T")


@pytest.fixture
def home(tmp_path: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(empty_home, tmp_path / "home")
    return tmp_path / "home"


def in_home(home: Path, url: str, work: Callable[[Workspace], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Workspace.open({"TOLLBOOK_HOME": str(home), "TOLLBOOK_PUBLISH": url}) as ws:
            return await work(ws)

    return asyncio.run(run())


def sending(home: Path, url: str, **options: bool) -> RemotePublication:
    async def work(ws: Workspace) -> RemotePublication | None:
        return await publish_remote(ws, **options)

    done = in_home(home, url, work)
    assert done is not None
    return done


def test_what_is_published_here_is_read_there(home: Path, s3_url: str) -> None:
    with open_ledger(home) as ledger:
        month(ledger, 0)
        load(Cache(home), ledger)
    assert in_home(home, s3_url, publish).note is None
    assert tollbook.read("grades", home=s3_url).equals(tollbook.read("grades", home=home))
    assert len(tollbook.read("grades", home=s3_url)) == 20
    with tollbook.connect(s3_url) as con:
        assert con.sql("SELECT count(*) FROM grades_as_of(now())").fetchall() == [(20,)]
    assert list(unsent(home, s3_url)) == []


def test_without_an_address_nothing_is_sent(home: Path) -> None:
    assert in_home(home, "", publish_remote) is None
    assert list(unsent(home, None)) == []


def test_trouble_is_a_note_of_the_publication_a_finding_and_over_once_it_is_sent(
    home: Path, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "RETRIES", 0)
    endpoint = store.os.environ["AWS_ENDPOINT_URL"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    done = in_home(home, s3_url, publish)
    assert done.note is not None
    assert "can't be reached" in done.note
    assert "Payments and local files are not affected, the next publication sends it" in done.note
    [finding] = unsent(home, s3_url)
    assert finding.severity.value == "warning"
    assert "nothing was ever sent there" in finding.text
    assert sending(home, s3_url).exit_code == 6
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert in_home(home, s3_url, publish).note is None
    assert list(unsent(home, s3_url)) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s4://bucket/x", "TOLLBOOK_PUBLISH: s4:// is no scheme that is known; did you mean s3://?"),
        ("s3://KEY:hunter2secret@bucket/x", "TOLLBOOK_PUBLISH: the s3 address holds credentials"),
        ("s3://no-such-bucket/x", "there is no bucket 'no-such-bucket'; create it"),
        ("file:///no/such/folder", "is no folder; make it"),
    ],
)
@pytest.mark.usefixtures("s3_url")
def test_a_wrong_address_stops_nothing_and_says_what_to_do(url: str, said: str, home: Path) -> None:
    done = in_home(home, url, publish)
    assert done.path.exists()
    assert said in (done.note or "")
    assert "hunter2secret" not in (done.note or "")
    by_hand = sending(home, url)
    assert by_hand.exit_code == 2
    [finding] = unsent(home, url)
    assert "hunter2secret" not in finding.text + finding.advice + str(by_hand.document())


def test_refused_credentials_are_named_by_their_variables_only(home: Path, s3_url: str, s3_server: S3Server) -> None:
    with s3_server.checking_credentials():
        done = sending(home, s3_url)
    assert "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in (done.advice or "")
    assert done.exit_code == 2


def test_a_second_home_is_told_and_takes_over_when_a_person_says_so(home: Path, s3_url: str, tmp_path: Path) -> None:
    assert sending(home, s3_url).problem is None
    other = tmp_path / "other"
    shutil.copytree(home, other)
    (other / "state" / "publisher").unlink()
    refused = sending(other, s3_url)
    assert f"the home {home_id(home)[:8]} on" in (refused.problem or "")
    assert "--take-over" in (refused.advice or "")
    assert sending(other, s3_url, take_over=True).problem is None
    assert sending(home, s3_url).exit_code == 2


def test_an_elected_publisher_follows_another_of_its_ledger_and_no_other(
    home: Path, s3_url: str, tmp_path: Path, empty_home: Path
) -> None:
    with open_ledger(home) as ledger:
        month(ledger, 0)
        load(Cache(home), ledger)
    in_home(home, s3_url, publish)
    same, foreign = tmp_path / "same", tmp_path / "foreign"
    shutil.copytree(home, same)
    (same / "state" / "publisher").unlink()
    shutil.copytree(empty_home, foreign)
    assert sending(foreign, s3_url, elected=True).exit_code == 2
    assert sending(same, s3_url, elected=True).problem is None


def test_while_another_process_of_this_home_sends_it_is_left_to_that_one(
    home: Path, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    with FileLock(BucketMemory(home / "published", s3_url).lock):
        done = sending(home, s3_url)
    assert "another process of this home is sending" in (done.problem or "")
    assert sending(home, s3_url).problem is None


def test_a_stop_leaves_the_rest_to_the_next(home: Path, s3_url: str) -> None:
    async def stopped(ws: Workspace) -> RemotePublication | None:
        ws.stop.request()
        return await publish_remote(ws)

    done = in_home(home, s3_url, stopped)
    assert done is not None
    assert "a stop was requested" in (done.problem or "")


def test_a_connection_that_is_too_slow_is_left_and_the_next_goes_on(
    home: Path, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, "MOST_SECONDS", -1.0)
        done = sending(home, s3_url)
    assert "takes longer than" in (done.problem or "")
    assert "what was sent stays" in (done.advice or "")
    assert [finding.kind for finding in unsent(home, s3_url)] == ["publish"]
    assert sending(home, s3_url).problem is None


def test_what_was_compacted_is_sent_and_by_workers_of_one_ledger_only_where_it_lies(
    home: Path, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert in_home(home, s3_url, send_rewritten) is not None
    other = tmp_path / "other"
    shutil.copytree(home, other, ignore=shutil.ignore_patterns("publisher", "bucket"))
    shared = property(lambda _: True, lambda _, __: None)
    monkeypatch.setattr(Workers, "share", shared, raising=False)
    assert in_home(other, s3_url, send_rewritten) is None
    assert in_home(home, s3_url, send_rewritten) is not None
    assert in_home(home, "s4://x/y", send_rewritten) is None


def test_a_full_disk_while_sending_is_a_note_too(home: Path, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(BucketMemory, "sending", full)
    done = in_home(home, s3_url, publish)
    assert isinstance(done, Publication)
    assert "No space left on device; see free space" in (done.note or "")
    assert done.remote is not None
    assert done.remote.exit_code == 6


def test_doctor_asks_the_store_who_publishes_there(home: Path, s3_url: str, s3_server: S3Server) -> None:
    assert "is not set" in in_home(home, "", check_bucket).detail
    assert "nothing is published there yet" in in_home(home, s3_url, check_bucket).detail
    sending(home, s3_url)
    assert "version 1" in (detail := in_home(home, s3_url, check_bucket).detail)
    assert "by this home" in detail
    with s3_server.checking_credentials():
        refused = in_home(home, s3_url, check_bucket)
    assert (refused.ok, refused.exit_code) == (False, 2)
    assert "check AWS_ACCESS_KEY_ID" in refused.fix
