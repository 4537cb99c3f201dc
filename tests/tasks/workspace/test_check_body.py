"""The payer books as a failed delivery just what loading will call one: the same reading decides both."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from payer.values.purchase import Delivery
from payer.values.request import Request
from tasks.workspace.check_body import check_body
from tests.paths import VECTORS
from warehouse.load.parse import read_one

BODIES = {each["id"]: each for each in json.loads((VECTORS / "bodies.json").read_text())}
FAILED = {"columns-not-rows", "keyed-by-id", "duplicate-data-key"}
GROUP = {"edition": "final", "bucket": 20371, "limit": 100, "rows": 10, "first_page": 1, "page": 1}
CONTEXT = {"dataset": "trading-signals", "keys": ["3375"], "first": 20362, "last": 20371, **GROUP}


def delivery(body: bytes, content_type: str = "application/json", **context: Any) -> Delivery:
    received_at = datetime(2025, 11, 1, 9, 30, tzinfo=UTC)
    made = (1, "p_1", "00", "tokenmetrics", "trading-signals", Request("GET", "https://seller.test/x"), "final")
    return Delivery(*made, {**CONTEXT, **context}, 200, content_type, body, received_at)


def of_vector(name: str) -> Delivery:
    vector = BODIES[name]
    first, last = (date.fromisoformat(vector["asked"][end]).toordinal() - 719163 for end in ("startDate", "endDate"))
    keys = vector["asked"]["token_id"].split(",")
    body = base64.b64decode(vector["body_base64"])
    return delivery(body, vector["content_type"], keys=keys, first=first, last=last)


@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_which_no_row_can_be_read_is_a_failed_delivery_and_no_other(name: str) -> None:
    verdict = check_body(of_vector(name))
    assert bool(verdict) == (name in FAILED)
    assert (read_one(of_vector(name)).envelope == "ok") == (verdict == "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b'{"success": true}',
        b'{"success": false, "message": "later", "data": []}',
        b'{"success": true, "data": [{"TOKEN_ID": 1, "DATE": "2025-10-01"}]}',
        b'{"success": true, "data": [{"TOKEN_ID": 3375, "DATE": "1612-12-31"}]}',
        b'{"success": true, "data": {"TOKEN_ID": 3375, "DATE": "2025-10-01"}}',
    ],
)
def test_a_paid_body_that_answers_nothing_that_was_asked_is_a_failed_delivery(body: bytes) -> None:
    assert check_body(delivery(body))


def test_an_empty_answer_and_a_damaged_copy_are_no_verdict_of_the_body() -> None:
    assert check_body(delivery(b'{"success": true, "data": []}')) == ""
    assert read_one(replace(delivery(b"{}"), damaged=True)).envelope == "malformed"
