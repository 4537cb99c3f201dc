"""People are told of each change once, and again until they could be told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from payer.values.errors import Misconfigured
from tasks.health import notify as notifying
from tasks.health.check import Health, ordered
from tasks.health.finding import Finding, Severity
from tasks.health.notify import Memory, after, compare, message, notify
from tests.payer import purchases as p
from tests.webhook import Webhook, serving

CAP = Finding("cap", "per_day", Severity.WARNING, "80 % committed", "raise it", "80")
FULL = Finding("cap", "per_day", Severity.CRITICAL, "all committed", step="100")
LATE = Finding("late", "tm-grade", Severity.WARNING, "tm-grade is late")


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with serving(Webhook()) as server:
        yield server


def tell(memory: Memory, urls: str | None, *findings: Finding) -> tuple[list[str], str]:
    """Keys of what changed, and the problem."""
    changes, problem = asyncio.run(notify(Health(p.NOW, ordered(findings)), memory, urls))
    return [finding.key for finding in changes.appeared], problem


def test_each_change_is_told_once(tmp_path: Path, webhook: Webhook) -> None:
    memory = Memory(tmp_path)
    assert tell(memory, webhook.url, CAP) == (["cap:per_day"], "")
    assert tell(memory, webhook.url, CAP) == ([], "")
    assert tell(memory, webhook.url, FULL, LATE) == (["cap:per_day", "late:tm-grade"], "")
    assert tell(memory, webhook.url, LATE) == ([], "")
    texts = [received["message"] for received in webhook.received]
    assert len(texts) == 3
    assert "warning: 80 % committed. raise it" in texts[0]
    assert texts[1].splitlines() == ["critical: all committed", "warning: tm-grade is late"]
    assert texts[2] == "over: all committed"


@pytest.mark.parametrize("trouble", ["refuses", "is slow", "is gone"])
def test_what_could_not_be_told_is_told_at_the_next_check(
    tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    memory, url = Memory(tmp_path), webhook.url
    if trouble == "refuses":
        webhook.status = 500
    elif trouble == "is slow":
        webhook.seconds = 0.5
        monkeypatch.setattr(notifying, "PATIENCE_SECONDS", 0.05)
    else:
        url = "json://127.0.0.1:1/"
    changed, problem = tell(memory, url, CAP)
    assert changed == ["cap:per_day"]
    assert problem
    assert "127.0.0.1" not in problem
    webhook.status, webhook.seconds = 200, 0.0
    monkeypatch.undo()
    received = len(webhook.received)
    assert tell(memory, webhook.url, CAP) == (["cap:per_day"], "")
    assert len(webhook.received) == received + 1


def test_a_service_that_never_ends_its_answer_holds_up_neither_a_check_nor_the_end_of_its_process(
    tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop waits for its own threads when it closes: the one that sends is none of them."""
    monkeypatch.setattr(notifying, "PATIENCE_SECONDS", 0.05)
    webhook.may_answer.clear()
    begun = time.monotonic()
    changed, problem = tell(Memory(tmp_path), webhook.url, CAP)
    took = time.monotonic() - begun
    webhook.may_answer.set()
    assert (changed, problem) == (["cap:per_day"], "the notification service did not answer within 0.05 s")
    assert took < 3, "apprise's import included; a service may take 30 s here"
    assert all(each.daemon for each in threading.enumerate() if each.name == "notify")


def test_a_muted_check_sends_and_remembers_nothing(tmp_path: Path, webhook: Webhook) -> None:
    memory = Memory(tmp_path)
    assert tell(memory, "", CAP) == (["cap:per_day"], "")
    assert webhook.received == []
    assert tell(memory, webhook.url, CAP) == (["cap:per_day"], "")
    assert len(webhook.received) == 1


def test_without_a_service_nothing_is_sent_and_all_is_told_once_there_is_one(tmp_path: Path, webhook: Webhook) -> None:
    memory = Memory(tmp_path)
    assert tell(memory, None, CAP) == (["cap:per_day"], "")
    assert tell(memory, None, CAP) == ([], "")
    assert tell(memory, webhook.url, CAP) == (["cap:per_day"], "")
    assert len(webhook.received) == 1


def test_a_url_of_no_service_is_a_configuration_error_that_does_not_quote_it(tmp_path: Path) -> None:
    """I10: such a URL holds a token."""
    with pytest.raises(Misconfigured, match="TOLLBOOK_NOTIFY_URL") as error:
        tell(Memory(tmp_path), "nothing-like-a-url-but-secret", CAP)
    assert "secret" not in str(error.value)


def test_a_damaged_memory_tells_all_again_and_is_private(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    memory.write(after([CAP]), sent=True)
    assert (tmp_path / "health.json").stat().st_mode & 0o077 == 0
    assert memory.read(sent=True) == after([CAP])
    (tmp_path / "health.json").write_text('{"sent": true, "findings": [1]}')
    assert compare(memory.read(), [CAP]).appeared == (CAP,)


def test_the_title_says_how_much_is_new() -> None:
    assert message(compare({}, [CAP, LATE]))[0] == "tollbook: 2 findings"
    assert message(compare(after([CAP]), []))[0] == "tollbook: all that was told is over"


def test_findings_come_the_most_severe_first_each_once() -> None:
    assert ordered([LATE, FULL]) == (FULL, LATE)
    assert ordered([LATE, CAP, CAP]) == (CAP, LATE)
