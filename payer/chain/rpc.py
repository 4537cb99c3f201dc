"""JSON-RPC 2.0 over HTTP, in batches. A malformed answer counts as no answer."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from payer.chain.refusals import read_refusal
from payer.http.exchange import answer_time
from payer.http.gate import retry_after
from payer.http.pool import ConnectionPool, network_cause
from payer.policy.clock_skew import CHAIN_SERVER, ClockReadings
from payer.values.clock import Clock
from payer.values.errors import ChainUnreachable
from payer.wire.seller_word import is_html
from payer.wire.strict_json import Malformed, dump, parse, shown

_BODY_LIMIT = 32 * 1024 * 1024
_PAUSES = (0.2, 0.6)
_BUSY_PAUSES = (1.0, 2.0, 4.0, 8.0)
_BUSY_SECONDS = 1.0
_LONGEST_WAIT = 120.0
_QUANTITY = re.compile(r"0x[0-9a-f]{1,64}", re.ASCII | re.IGNORECASE)

Call = tuple[str, list[Any]]


class RpcCallFailed(Exception):
    """Raised when the server answers a call with an error; the message has its code and shortened text."""

    def __init__(self, method: str, code: object, message: object) -> None:
        super().__init__(f"{method}: {shown(message, 160)} (code {shown(code)})")
        self.method = method
        self.refusal = read_refusal(code, message)


@dataclass(frozen=True, slots=True)
class _NoAnswer:
    """The reason why there is no answer; `after`, the seconds that a busy server asks to wait."""

    why: str
    after: float | None = None


class RpcClient:
    """Calls to one server. The URL may hold a provider's key, so no message shows it (I10)."""

    def __init__(
        self, url: str, clock: Clock, *, batch: int = 100, timeout: float = 10.0, clocks: ClockReadings | None = None
    ) -> None:
        self._url = url
        self._size = batch
        self._timeout = timeout
        self._clock = clock
        self._clocks = ClockReadings() if clocks is None else clocks
        self._pool = ConnectionPool(secure=url.startswith("https:"))
        self._resume_at = datetime.fromtimestamp(0, UTC)

    async def call(self, calls: Sequence[Call]) -> list[Any]:
        """Results in the order of the calls. Raises RpcCallFailed for the first that failed, or ChainUnreachable."""
        results: list[Any] = []
        for start in range(0, len(calls), self._size):
            results += await self._batch(calls[start : start + self._size])
        return results

    async def attempt(self, calls: Sequence[Call]) -> list[Any]:
        """Make calls again after an error, since a server behind a balancer may lag a block.

        Raises RpcCallFailed for an error that lasts, or one that no waiting ends, and ChainUnreachable.
        """
        for pause in _PAUSES:
            try:
                return await self.call(calls)
            except RpcCallFailed as error:
                if error.refusal.lasting:
                    raise
                await self._clock.sleep(pause)
        return await self.call(calls)

    async def read(self, calls: Sequence[Call]) -> list[Any]:
        """Make calls that must succeed. Raises ChainUnreachable."""
        try:
            return await self.attempt(calls)
        except RpcCallFailed as error:
            raise refused(error) from None

    async def _batch(self, calls: Sequence[Call]) -> list[Any]:
        entries = [
            {"jsonrpc": "2.0", "id": index, "method": method, "params": params}
            for index, (method, params) in enumerate(calls)
        ]
        content = dump(entries).encode("ascii")
        for pause in (*_BUSY_PAUSES, None):
            raw = await self._post_with_retries(content)
            try:
                answers = _sorted(raw, len(calls))
                return [_result(entry, method) for entry, (method, _) in zip(answers, calls, strict=True)]
            except RpcCallFailed as error:
                if pause is None or not error.refusal.busy:
                    raise
            await self._clock.sleep(pause)
        raise AssertionError("the last round returns or raises")

    async def _post_with_retries(self, content: bytes) -> bytes:
        """Post until there is an answer; a server that is too busy (429) is given the time it asks for, bounded."""
        pauses, busy, waited = list(_PAUSES), _BUSY_SECONDS, 0.0
        while True:
            await self._wait_for_turn()
            answer = await self._post(content)
            if isinstance(answer, bytes):
                return answer
            if answer.after is not None and waited < _LONGEST_WAIT:
                seconds = min(max(answer.after, busy), _LONGEST_WAIT - waited)
                self._resume_at = self._clock.now() + timedelta(seconds=seconds)
                busy, waited = 2 * busy, waited + seconds
            elif pauses and answer.after is None:
                await self._clock.sleep(pauses.pop(0))
            else:
                raise ChainUnreachable(f"the chain's RPC server does not answer: {answer.why}")

    async def _wait_for_turn(self) -> None:
        """Wait as long as the server asked every request to."""
        while (left := (self._resume_at - self._clock.now()).total_seconds()) > 0:
            if left > _LONGEST_WAIT:  # the clock was set back
                return
            await self._clock.sleep(left)

    async def _post(self, content: bytes) -> bytes | _NoAnswer:
        """The body of an answer in JSON-RPC, or what came instead."""
        import httpx

        started = time.perf_counter()
        headers = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "tollbook"}
        try:
            request = httpx.Request("POST", self._url, headers=headers, content=content)
            async with asyncio.timeout(self._timeout):
                response, body = await self._pool.send(request, _BODY_LIMIT)
        except TimeoutError:
            return _NoAnswer(f"no complete answer within {self._timeout:g} s")
        except (httpx.TransportError, httpx.InvalidURL, OSError) as error:
            return _NoAnswer(network_cause(error))
        told = answer_time(response.headers)
        self._clocks.saw(CHAIN_SERVER, self._clock.now().timestamp(), told, time.perf_counter() - started)
        if response.status_code in (429, 503):
            after = retry_after(response.headers.get("retry-after"), self._clock.now())
            if after is not None or response.status_code == 429:
                busy = f"status {response.status_code}: too many requests"
                return _NoAnswer(busy, after or 0.0)
        if body.note:
            return _NoAnswer(body.note)
        if response.status_code != 200 and not _is_error(body.data):
            page = ", an HTML page" if is_html(body.data) else ""
            return _NoAnswer(f"status {response.status_code}{page}")
        return body.data if body.whole else _NoAnswer("an answer that is too long")

    def now(self) -> datetime:
        return self._clock.now()

    async def aclose(self) -> None:
        """Close the connections; calls may be made again afterwards."""
        await self._pool.aclose()


def _is_error(raw: bytes) -> bool:
    """Tell whether an answer with a status other than 200 is a JSON-RPC error; some servers send both."""
    try:
        document = parse(raw, limit=_BODY_LIMIT)
    except Malformed:
        return False
    entries = document if isinstance(document, list) else [document]
    return bool(entries) and all(isinstance(entry, dict) and "jsonrpc" in entry for entry in entries)


def _sorted(raw: bytes, count: int) -> list[dict[str, Any]]:
    """The answers in the order of their ids, one per call. Raises ChainUnreachable for anything else."""
    try:
        document = parse(raw, limit=_BODY_LIMIT)
    except Malformed as why:
        if is_html(raw):
            raise ChainUnreachable(
                "what answers at network.rpc_url is a web page, no RPC server",
                advice="log in to this network (a captive portal?), or correct network.rpc_url in the policy file",
            ) from None
        raise ChainUnreachable(f"the chain's RPC server answered something other than JSON: {why}") from None
    if isinstance(document, dict) and "error" in document:
        raise _refusal(document, "the batch")
    if not isinstance(document, list) or any(not isinstance(entry, dict) for entry in document):
        raise malformed("its answer is no batch")
    by_id = {entry.get("id"): entry for entry in document if type(entry.get("id")) is int}
    if len(document) != count or set(by_id) != set(range(count)):
        raise malformed("it did not answer each call once")
    return [by_id[index] for index in range(count)]


def _refusal(entry: dict[str, Any], method: str) -> RpcCallFailed:
    error = entry["error"]
    fault = error if isinstance(error, dict) else {"message": error}
    return RpcCallFailed(method, fault.get("code"), fault.get("message"))


def _result(entry: dict[str, Any], method: str) -> Any:
    error = entry.get("error")
    if error is not None:
        raise _refusal(entry, method)
    if "result" not in entry:
        raise malformed(f"{method} came back without a result")
    return entry["result"]


def refused(error: RpcCallFailed) -> ChainUnreachable:
    return ChainUnreachable(f"the chain's RPC server refused a read: {error}")


def malformed(what: str) -> ChainUnreachable:
    """An error for an answer that makes no sense, which counts as no answer (I9)."""
    return ChainUnreachable(f"the chain's RPC server can't be believed: {what}")


def quantity(value: object, what: str) -> int:
    """A JSON-RPC quantity as an int. Raises ChainUnreachable for anything else."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise malformed(f"{what} is {shown(value)}")
    return int(value, 16)


_WORD_DIGITS = 64


def eth_call(to: str, data: str, block: str) -> Call:
    """A read of a contract at a block: a number in hex, or a tag."""
    return ("eth_call", [{"to": to, "data": data}, block])


def word(value: object) -> str:
    """The 64 hex digits of one ABI word. Raises ChainUnreachable for anything else."""
    if value == "0x":  # what an address without code returns
        raise ChainUnreachable(
            "there is no token at the asset's address on this chain",
            advice="correct the asset's address, network.chain_id or network.rpc_url in the policy file",
        )
    if not isinstance(value, str) or len(value) != 2 + _WORD_DIGITS or not value.startswith("0x"):
        raise malformed(f"a call returned {shown(value)}")
    quantity(value, "a call's result")
    return value[2:]
