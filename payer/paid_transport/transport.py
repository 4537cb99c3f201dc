"""The httpx transport that pays, once per request and edition: for httpx.Client and httpx.AsyncClient alike."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from email.utils import format_datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx

from payer.context import BodyCheck, PayerContext
from payer.environment.env_file import env_file_beside, laid_over
from payer.http.exchange import Answer
from payer.paid_transport.order import EDITIONS, EXTENSION, order_for
from payer.paid_transport.purchase import PaidBody, RequestBuyer, open_context
from payer.policy.file import load_policy
from payer.policy.rules import Policy
from payer.values.errors import Misconfigured, PayerError, Unforeseen
from payer.values.identifiers import purchase_key
from payer.values.request import Order

T = TypeVar("T")
_OF_THE_CONNECTION = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "set-cookie"})


class PaidTransportError(httpx.TransportError):
    """Raised for every failure, as an httpx error that is one of the payer's errors as well: `except
    httpx.TransportError` and `except payer.OverBudget` both take it.

    `cause` is the payer's error; its `money`, `repeat` and `fix` say whether money was sent, whether to ask again, and
    what to do. Asking again is always safe: one request in one edition is paid once.
    """

    cause: PayerError

    def __str__(self) -> str:
        cause = self.cause
        fix = f" To do: {cause.fix}." if cause.fix else ""
        return f"{cause.what}. Money: {cause.money}. Ask again: {cause.repeat}.{fix}"


class PaidTransport(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """Pays for requests to the sellers that a policy names, within its caps, over the ledger of TOLLBOOK_HOME.

    One request in one edition is bought once: asked again, after a crash or from another process, it gets the body that
    is kept. `policy` is a policy or its file. `edition` is `day`, `hour` or `once`; a request's own header
    `Tollbook-Edition`, or `extensions={"tollbook": {"edition": …}}`, goes before it.

    A paid response has `response.extensions["tollbook"]`: `bought`, `kept`, `purchase_id`, `amount_atomic`, `asset`,
    `transaction` and `edition`. What a seller answers without asking for money passes through as it is, without that.
    Failures are raised as `PaidTransportError`; what could not be bought exactly once (an unknown host, a streamed
    body) is refused before any money. httpx's own timeouts do not count: policy's `timeout_seconds` does, because a
    payment that nobody waits for is in doubt. A caller that gives up leaves the payment running; its body is kept.

    Without `ask_first`, a payment goes with the first request while an endpoint's terms are known. `check_body` says
    why a body is of no use. `environ` and `context` take the place of the environment (the process's, over the file
    `.env` beside the policy file) and of what it names.
    """

    def __init__(
        self,
        policy: Policy | str | os.PathLike[str],
        *,
        edition: str = "day",
        ask_first: bool = True,
        flow: str = "httpx",
        check_body: BodyCheck | None = None,
        environ: Mapping[str, str] | None = None,
        context: PayerContext | None = None,
    ) -> None:
        if edition not in EDITIONS:
            raise Misconfigured(f"the edition {edition!r} is unknown", advice=f"write one of {', '.join(EDITIONS)}")
        file = None if isinstance(policy, Policy) else Path(policy).expanduser().absolute()
        self._policy = policy if isinstance(policy, Policy) else load_policy(Path(policy).expanduser())
        self._edition, self._ask_first, self._flow = edition, ask_first, flow
        self._check_body = check_body
        beside = env_file_beside(file) if file and environ is None else None
        self._environ = laid_over(beside, os.environ if environ is None else environ)
        self._given = context
        self._buyer: RequestBuyer | None = None
        self._opening = threading.Lock()
        self._on_their_way: dict[str, asyncio.Task[PaidBody | Answer]] = {}
        self._proving: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: _LoopThread | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of an httpx.AsyncClient. Raises PaidTransportError."""
        try:
            return await self._answer(request)
        except PayerError as failed:
            raise as_transport_error(failed, request) from failed

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of an httpx.Client, from any thread. Raises PaidTransportError."""
        return self._in_thread(self.handle_async_request(request))

    async def aclose(self) -> None:
        """Wait for the payments on their way, book what the chain proves, and close. It may be used again."""
        waited = [task for task in self._on_their_way.values() if task.get_loop() is asyncio.get_running_loop()]
        await asyncio.gather(*waited, return_exceptions=True)
        if self._proving is not None and self._loop is asyncio.get_running_loop():
            await asyncio.gather(self._proving, return_exceptions=True)
        buyer, self._buyer = self._buyer, None
        if buyer is None:
            return
        try:
            await buyer.prove()
        finally:
            await self._close_context(buyer.context)

    def close(self) -> None:
        """Close as `aclose` does, for an httpx.Client."""
        if self._thread is not None:
            self._in_thread(self.aclose())
            thread, self._thread = self._thread, None
            thread.stop()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        """Look, or buy, in a task of its own, which all callers of one request share and none can cancel."""
        buyer = await asyncio.to_thread(self._opened)
        order = order_for(request, self._policy, self._edition, buyer.context.clock.now())
        self._enter_loop()
        key = purchase_key(order.request, order.edition)
        task, joined = self._on_their_way.get(key), True
        if task is None:
            joined, task = False, asyncio.create_task(self._get(buyer, order))
            self._on_their_way[key] = task
            task.add_done_callback(lambda done: self._arrived(key, done))
        found = await asyncio.shield(task)
        if isinstance(found, Answer):
            return _passed_through(found)
        return _paid_response(found, order, kept=found.kept or joined)

    async def _get(self, buyer: RequestBuyer, order: Order) -> PaidBody | Answer:
        try:
            found = await buyer.get(order)
        except PayerError:
            raise
        except Exception as error:
            raise Unforeseen(f"{order.dataset}: {type(error).__name__} while it was asked for") from error
        if buyer.proof_is_due and (self._proving is None or self._proving.done()):
            self._proving = asyncio.create_task(buyer.prove())
        return found

    def _arrived(self, key: str, task: asyncio.Task[PaidBody | Answer]) -> None:
        self._on_their_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # it may be that nobody waits for it any more

    def _enter_loop(self) -> None:
        """Forget what belongs to an event loop that has ended."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._on_their_way, self._proving = loop, {}, None

    def _opened(self) -> RequestBuyer:
        with self._opening:
            if self._buyer is None:
                context = self._given or open_context(self._policy, self._environ, self._check_body)
                self._buyer = RequestBuyer(context, flow=self._flow, ask_first=self._ask_first)
            return self._buyer

    async def _close_context(self, context: PayerContext) -> None:
        """Close what `_opened` opened; a context that was given stays open."""
        if context is self._given:
            return
        for part in (context.transport, context.chain, context.wallet):
            if (close := getattr(part, "aclose", None)) is not None:
                await close()
        await context.ledger.aclose()

    def _in_thread(self, work: Coroutine[Any, Any, T]) -> T:
        with self._opening:
            if self._thread is None:
                self._thread = _LoopThread()
        return self._thread.run(work)


class _LoopThread:
    """An event loop in a thread of its own, for callers that have none."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tollbook-httpx", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


def _paid_response(found: PaidBody, order: Order, *, kept: bool) -> httpx.Response:
    purchase, delivery = found.purchase, found.delivery
    settled = purchase.settlement
    marks = {
        "bought": not kept,
        "kept": kept,
        "purchase_id": purchase.purchase_id,
        "amount_atomic": purchase.cost,
        "asset": purchase.asset.symbol,
        "transaction": purchase.receipt_tx if settled is None else settled.tx_hash,
        "edition": order.edition,
    }
    headers = {"date": format_datetime(delivery.received_at, usegmt=True)}
    if delivery.content_type:
        headers["content-type"] = delivery.content_type
    return httpx.Response(delivery.status, headers=headers, content=delivery.body, extensions={EXTENSION: marks})


def _passed_through(answer: Answer) -> httpx.Response:
    """An unpaid answer as it came, without what was about the connection; it opens no session."""
    left_out = _OF_THE_CONNECTION | ({"content-encoding"} if answer.note else set())
    headers = {name: value for name, value in answer.headers.items() if name not in left_out}
    return httpx.Response(answer.status, headers=headers, content=answer.body)


_KINDS: dict[type[PayerError], type[PaidTransportError]] = {}


def _both(error: type[PayerError]) -> type[PaidTransportError]:
    if error not in _KINDS:
        names = {"__doc__": error.__doc__, "__module__": __name__}
        _KINDS[error] = cast(type[PaidTransportError], type(error.__name__, (PaidTransportError, error), names))
    return _KINDS[error]


def as_transport_error(error: PayerError, request: httpx.Request) -> PaidTransportError:
    kind = _both(type(error))
    both = kind.__new__(kind)
    httpx.TransportError.__init__(both, error.what, request=request)
    vars(both).update(vars(error))
    both.cause = error
    return both
