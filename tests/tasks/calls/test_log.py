"""The log of calls: a line for each, as text and as JSON, at a prompt and in a flow run."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from payer.values.errors import Misconfigured
from payer.values.ledger_reads import AvoidedRow
from tasks.calls import log
from tasks.calls.call import of_avoided
from tasks.workspace.settings import Settings
from tests.payer import purchases as p
from tests.payer.ledger.test_avoided import entry
from tests.tasks.calls.test_call import STATES, told


@pytest.fixture(autouse=True)
def _no_log_afterwards() -> Iterator[None]:
    level = logging.getLogger("tollbook").level
    yield
    log.log_to_stderr("")
    logging.getLogger("tollbook").setLevel(level)


def test_a_line_says_who_bought_what_for_how_much_its_state_and_its_transaction() -> None:
    settled = told(STATES["settled"])
    assert log.call_text(settled) == (
        f"grades: tm-grade 0: paid, 0.02 USDC, settled, {settled.tx_hash}, {settled.purchase_id}"
    )
    assert "failed, " in log.call_text(told(STATES["failed"]))
    assert "no rows" in log.call_text(told(STATES["failed"]))
    assert log.call_text(of_avoided(AvoidedRow(seq=1, **entry()))) == "grades: tm-grade 2026-11-22: cached, 0.017 USDC"


def test_json_is_one_line_a_record_with_the_calls_document(capsys: pytest.CaptureFixture[str]) -> None:
    log.log_to_stderr("json")
    log.log_purchases([STATES["settled"], STATES["undelivered"]])
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], first["logger"], first["call"]["state"]) == ("info", "tollbook.calls", "settled")
    assert (second["level"], second["call"]["state"]) == ("warning", "undelivered")
    assert set(first["call"]) == set(told(STATES["settled"]).document())


def test_text_has_the_time_and_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    log.log_to_stderr("text")
    log.log_purchases([STATES["settled"]])
    log.log_to_stderr("")
    log.log_purchases([STATES["settled"]])
    [line] = capsys.readouterr().err.splitlines()
    assert " INFO    grades: tm-grade" in line


def test_nothing_is_logged_where_nobody_asks_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    log.log_purchases([STATES["undelivered"]])
    assert capsys.readouterr().err == ""


def test_a_log_that_nobody_reads_any_more_stops_no_purchase(monkeypatch: pytest.MonkeyPatch) -> None:
    """I11."""
    closed = io.StringIO()
    closed.close()
    log.log_to_stderr("json")
    monkeypatch.setattr("sys.stderr", closed)
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log.log_purchases([p.exposed()])


def test_an_exception_is_part_of_its_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "it %s", ("failed",), info)
    line = json.loads(log.JsonFormatter().format(record))
    assert line["message"] == "it failed"
    assert "ValueError: broken" in line["exception"]


@pytest.mark.parametrize(("given", "form"), [("", ""), ("json", "json"), ("JSON", "json"), ("text", "text")])
def test_one_setting_chooses_the_form(given: str, form: str) -> None:
    assert Settings.read({"TOLLBOOK_HOME": "/nowhere", "TOLLBOOK_LOG": given}).log == form
    with pytest.raises(Misconfigured, match="TOLLBOOK_LOG is 'xml'"):
        Settings.read({"TOLLBOOK_HOME": "/nowhere", "TOLLBOOK_LOG": "xml"})


def test_a_flow_runs_log_gets_each_call_with_its_document(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.prefect import progress

    said: list[tuple[int, str, Any]] = []

    class RunLog:
        def log(self, level: int, text: str, *values: object, extra: dict[str, Any]) -> None:
            said.append((level, text % values, extra["call"]["state"]))

    monkeypatch.setattr(progress, "get_run_logger", RunLog)
    with progress.calls_in_run_log(""):
        log.log_purchases([STATES["settled"]])
    log.log_purchases([STATES["settled"]])
    [(level, text, state)] = said
    assert (level, state) == (logging.INFO, "settled")
    assert text.startswith("grades: tm-grade")


def test_a_workers_console_is_json_where_the_setting_says_so() -> None:
    from tasks.prefect import progress

    out = io.StringIO()
    console = logging.StreamHandler(out)
    logger = logging.getLogger("prefect.flow_runs")
    logger.addHandler(console)
    try:
        with progress.calls_in_run_log("json"):
            pass
        console.handle(logger.makeRecord("prefect.flow_runs", logging.INFO, "f", 1, "hello", (), None))
    finally:
        logger.removeHandler(console)
    assert json.loads(out.getvalue())["message"] == "hello"
