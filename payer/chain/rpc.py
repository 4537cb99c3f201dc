"""JSON-RPC 2.0 over HTTP, in batches. A malformed answer counts as no answer."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any

from payer.http.bounded import read_body
from payer.http.date import answer_time
from payer.http.pool import ConnectionPool
from payer.policy.clock_skew import CHAIN_SERVER, ClockReadings
from payer.values.clock import Clock
from payer.values.errors import ChainUnreachable
from payer.wire.strict_json import Malformed, dump, parse, shown

_BODY_LIMIT = 32 * 1024 * 1024
_PAUSES = (0.2, 0.6)
_QUANTITY = re.compile(r"0x[0-9a-f]{1,64}", re.ASCII | re.IGNORECASE)

Call = tuple[str, list[Any]]


class RpcCallFailed(Exception):
    """Raised when the server answers a call with an error; the message has its code and shortened text."""

    def __init__(self, method: str, code: object, message: object) -> None:
        super().__init__(f"{method}: {shown(message, 160)} (code {shown(code)})")


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

    async def call(self, calls: Sequence[Call]) -> list[Any]:
        """Results in the order of the calls. Raises RpcCallFailed for the first that failed, or ChainUnreachable."""
        results: list[Any] = []
        for start in range(0, len(calls), self._size):
            results += await self._batch(calls[start : start + self._size])
        return results

    async def read(self, calls: Sequence[Call]) -> list[Any]:
        """Make calls that must succeed: repeated after an error, since a server behind a balancer may lag a block.

        Raises ChainUnreachable.
        """
        for pause in _PAUSES:
            try:
                return await self.call(calls)
            except RpcCallFailed:
                await self._clock.sleep(pause)
        try:
            return await self.call(calls)
        except RpcCallFailed as error:
            reason = str(error)
        raise ChainUnreachable(f"the chain's RPC server refused a read: {reason}")

    async def _batch(self, calls: Sequence[Call]) -> list[Any]:
        entries = [
            {"jsonrpc": "2.0", "id": index, "method": method, "params": params}
            for index, (method, params) in enumerate(calls)
        ]
        raw = await self._post_with_retries(dump(entries).encode("ascii"))
        return [_result(entry, method) for entry, (method, _) in zip(_sorted(raw, len(calls)), calls, strict=True)]

    async def _post_with_retries(self, content: bytes) -> bytes:
        for pause in _PAUSES:
            answer = await self._post(content)
            if isinstance(answer, bytes):
                return answer
            await self._clock.sleep(pause)
        answer = await self._post(content)
        if isinstance(answer, bytes):
            return answer
        raise ChainUnreachable(f"the chain's RPC server does not answer: {answer}")

    async def _post(self, content: bytes) -> bytes | str:
        """The body of a 200 answer, or a text that says what came instead."""
        import httpx

        started = time.perf_counter()
        headers = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "tollbook"}
        try:
            request = httpx.Request("POST", self._url, headers=headers, content=content)
            async with asyncio.timeout(self._timeout):
                response = await self._pool.open().handle_async_request(request)
                try:
                    encoding = response.headers.get("content-encoding", "")
                    body = await read_body(response.aiter_raw(), encoding, _BODY_LIMIT)
                finally:
                    await response.aclose()
        except TimeoutError:
            return f"no complete answer within {self._timeout:g} s"
        except (httpx.TransportError, httpx.InvalidURL, OSError) as error:
            return type(error).__name__
        told = answer_time(response.headers)
        self._clocks.saw(CHAIN_SERVER, self._clock.now().timestamp(), told, time.perf_counter() - started)
        if response.status_code != 200:
            return f"status {response.status_code}"
        if body.note:
            return body.note
        return body.data if body.whole else "an answer that is too long"

    async def aclose(self) -> None:
        """Close the connections; calls may be made again afterwards."""
        await self._pool.aclose()


def _sorted(raw: bytes, count: int) -> list[dict[str, Any]]:
    """The answers in the order of their ids, one per call. Raises ChainUnreachable for anything else."""
    try:
        document = parse(raw, limit=_BODY_LIMIT)
    except Malformed as why:
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


def malformed(what: str) -> ChainUnreachable:
    """An error for an answer that makes no sense, which counts as no answer (I9)."""
    return ChainUnreachable(f"the chain's RPC server can't be believed: {what}")


def quantity(value: object, what: str) -> int:
    """A JSON-RPC quantity as an int. Raises ChainUnreachable for anything else."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise malformed(f"{what} is {shown(value)}")
    return int(value, 16)
