"""The log of calls: one line for each, in the command's log, in a flow run's, or as JSON for whoever collects logs.

Lines go to the logger `tollbook.calls`, with the call's document (docs/operating.md) as the record's `call`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from payer.values.purchase import Purchase
from tasks.calls.call import TROUBLE, WatchedCall, called_at, of_purchase
from tasks.workspace.settings import LOG_JSON

LOGGER = logging.getLogger("tollbook.calls")
_ROOT = logging.getLogger("tollbook")
_ROOT.addHandler(logging.NullHandler())


def log_calls(calls: Iterable[WatchedCall]) -> None:
    """Log each call as it is now: a warning where its state may need a person or another run, else as information."""
    for call in calls:
        level = logging.WARNING if call.state in TROUBLE else logging.INFO
        if LOGGER.isEnabledFor(level):
            LOGGER.log(level, "%s", call_text(call), extra={"call": call.document()})


def log_purchases(purchases: Iterable[Purchase]) -> None:
    """Log purchases as they are now; `seq` is not known to whoever has bought, and 0."""
    if LOGGER.isEnabledFor(logging.INFO):
        log_calls(of_purchase(purchase, 0, called_at(purchase)) for purchase in purchases)


def call_text(call: WatchedCall) -> str:
    """The call in one line: who bought what, paid or cached, for how much, its state and its transaction."""
    asked = call.subject
    page = f"page {asked.page}" if asked.page else ""
    what = " ".join(filter(None, (call.dataset, asked.window, ",".join(asked.keys), page)))
    state = "" if call.state.value == call.bought.value else call.state.value
    end = (call.bought.value, call.amount, state, call.tx_hash, call.why, call.purchase_id)
    return f"{call.flow}: {what}: " + ", ".join(filter(None, end))


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: `at`, `level`, `logger`, `message`, and `call` where it is about one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in ("call", "flow_run_id", "flow_run_name", "task_run_name"):
            if (value := getattr(record, name, None)) is not None:
                line[name] = value if name == "call" else str(value)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_to_stderr(form: str) -> None:
    """Write the log of this process to stderr in a form; none where it is ""."""
    for handler in [each for each in _ROOT.handlers if isinstance(each, _Stderr)]:
        _ROOT.removeHandler(handler)
    if not form:
        return
    written = _Stderr()
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S%z")
    written.setFormatter(JsonFormatter() if form == LOG_JSON else text)
    _ROOT.addHandler(written)
    _ROOT.setLevel(logging.INFO)


class _Stderr(logging.Handler):
    """Writes to the standard error of the moment: a test, or a signal, may have put another in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(self.format(record), file=sys.stderr, flush=True)
        except Exception:  # noqa: BLE001 - as the standard library's handlers do: no log may stop a purchase
            self.handleError(record)
