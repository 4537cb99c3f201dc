"""From an httpx request to an order: what two requests have in common, and what is refused before any money."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import httpx
import pytest

from payer.paid_transport.order import BODY_LIMIT, edition_name, order_for
from payer.values.errors import Refused
from payer.values.identifiers import purchase_key
from payer.values.request import Order
from tests.payer import scripted as s

NOW = datetime(2026, 11, 22, 23, 59, tzinfo=UTC)
URL = f"{s.SELLER}/tm-grade"
CLIENT = httpx.Client(headers={"x-coinbase-402": "true"})


def ordered(method: str = "GET", url: str = URL, edition: str = "day", **request: object) -> Order:
    return order_for(CLIENT.build_request(method, url, **request), s.policy(), edition, NOW)  # type: ignore[arg-type]


def key(order: Order) -> str:
    return purchase_key(order.request, order.edition)


def refusal(method: str = "GET", url: str = URL, edition: str = "day", **request: object) -> Refused:
    with pytest.raises(Refused) as caught:
        ordered(method, url, edition, **request)
    assert caught.value.money == "none was sent"
    return caught.value


def test_a_request_is_the_sellers_own_request_without_the_payment() -> None:
    order = ordered(params={"token_id": "3375", "limit": "10"})
    assert order.request.url == URL
    assert order.request.params == (("limit", "10"), ("token_id", "3375"))
    assert dict(order.request.headers)["x-coinbase-402"] == "true"
    assert (order.seller, order.dataset, order.edition) == ("s", "GET /v2/tm-grade", "day:2026-11-22")
    assert order.context == {"client": "httpx"}


def test_the_order_of_parameters_and_other_clients_headers_make_no_other_request() -> None:
    first = ordered(url=f"{URL}?b=2&a=1&a=0", headers={"user-agent": "one", "x-trace": "1"})
    assert first.request.params == (("a", "1"), ("a", "0"), ("b", "2"))
    assert key(first) == key(ordered(url=f"{URL}?a=1&b=2&a=0", headers={"user-agent": "two"}))
    assert key(first) != key(ordered(url=f"{URL}?a=0&b=2&a=1"))


def test_parameters_arrive_as_they_were_written() -> None:
    order = ordered(url=f"{URL}?q=caf%C3%A9%20%2B+x&empty=&flag")
    assert dict(order.request.params) == {"q": "café + x", "empty": "", "flag": ""}


@pytest.mark.parametrize("other", [{"method": "POST"}, {"json": {"a": 2}}, {"url": URL + "s"}, {"edition": "once"}])
def test_method_body_path_and_edition_make_another_request(other: dict[str, object]) -> None:
    assert key(ordered(**{"method": "PUT", "json": {"a": 1}, **other})) != key(ordered("PUT", json={"a": 1}))  # type: ignore[arg-type]


def test_a_body_in_memory_is_kept_with_its_type() -> None:
    order = ordered("POST", json={"q": 1})
    assert order.request.body == b'{"q":1}'
    assert dict(order.request.headers)["content-type"] == "application/json"


def test_headers_of_the_connection_and_cookies_stay_behind() -> None:
    order = ordered(headers={"cookie": "a=b", "cache-control": "no-cache", "tollbook-edition": "once"})
    assert set(dict(order.request.headers)) == {"accept", "user-agent", "x-coinbase-402"}
    assert order.edition == "final"


@pytest.mark.parametrize(
    ("wanted", "name"), [("day", "day:2026-11-22"), ("hour", "hour:2026-11-22T23"), ("once", "final")]
)
def test_an_edition_has_the_name_that_the_pipeline_gives_it(wanted: str, name: str) -> None:
    assert edition_name(wanted, NOW) == name


def test_a_requests_own_edition_goes_before_the_transports() -> None:
    assert ordered(extensions={"tollbook": {"edition": "hour"}}).edition == "hour:2026-11-22T23"
    assert (
        ordered(headers={"Tollbook-Edition": "once"}, extensions={"tollbook": {"edition": "hour"}}).edition == "final"
    )
    assert "day, hour, once" in refusal(headers={"Tollbook-Edition": "week"}).fix


def stream() -> Iterator[bytes]:
    yield b"part"


async def async_stream() -> AsyncIterator[bytes]:
    yield b"part"


@pytest.mark.parametrize(
    "body",
    [{"content": stream()}, {"content": async_stream()}, {"files": {"file": b"x"}}],
    ids=["sync stream", "async stream", "multipart"],
)
def test_a_body_that_cannot_be_sent_again_is_refused(body: dict[str, object]) -> None:
    assert "can't be sent again" in refusal("POST", **body).what


def test_a_body_that_is_too_long_is_refused() -> None:
    assert str(BODY_LIMIT) in refusal("POST", content=b"x" * (BODY_LIMIT + 1)).what


@pytest.mark.parametrize(
    "url", ["https://other.example/v2/x", "http://127.0.0.1:10/v2/tm-grade", "https://127.0.0.1:9/v2/tm-grade"]
)
def test_a_host_that_policy_does_not_name_is_refused(url: str) -> None:
    error = refusal(url=url)
    assert "policy names no seller" in error.what
    assert "mounts=" in error.fix


def test_plain_http_elsewhere_is_refused() -> None:
    assert "plain http" in refusal(url="http://other.example/v2").what


def test_a_user_in_the_url_is_refused_unquoted() -> None:
    error = refusal(url="http://user:s3cret@127.0.0.1:9/v2/tm-grade")
    assert "s3cret" not in f"{error.what}{error.fix}"


@pytest.mark.parametrize("name", ["Authorization", "Proxy-Authorization", "X-Api-Key"])
def test_a_secret_is_refused_because_the_ledger_would_keep_it(name: str) -> None:
    error = refusal(headers={name: "s3cret"})
    assert name.lower() in error.what
    assert "s3cret" not in f"{error.what}{error.fix}"


@pytest.mark.parametrize("name", ["X-Payment", "Payment-Signature"])
def test_a_payment_of_the_callers_own_is_refused(name: str) -> None:
    assert "payment of its own" in refusal(headers={name: "e30="}).what


@pytest.mark.parametrize("name", ["Range", "If-None-Match", "If-Modified-Since"])
def test_a_part_of_a_body_is_not_bought(name: str) -> None:
    assert "part of a body" in refusal(headers={name: "x"}).what


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "CONNECT"])
def test_methods_that_buy_nothing_are_refused(method: str) -> None:
    assert method in refusal(method).what


def test_parameters_that_are_no_text_are_refused() -> None:
    assert "UTF-8" in refusal(url=f"{URL}?q=%FF").what
