"""The network between one process and the seller. Implements the payer's Transport; what it loses is really lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import Context
from dataclasses import replace
from typing import TYPE_CHECKING

from payer.http.exchange import Answer, NoAnswer, NotSent
from payer.values.request import Request
from tests.simulation import terms
from tests.simulation.machine import Process
from tests.simulation.seller import Message, Silence

if TYPE_CHECKING:
    from tests.simulation.world import World

Outcome = Answer | NoAnswer
HTML = {"content-type": "text/html"}


class SimTransport:
    """One process's way out. Requests go on living after their sender has died or given up."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process
        self._chance = world.network_chance

    def turn(self, request: Request) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def send(self, request: Request, headers: Mapping[str, str], *, timeout: float) -> Answer:
        process, dice = self._process, self._world.dice
        process.touch("send")
        if dice.hit("refused"):
            await asyncio.sleep(0.01)
            process.check()
            raise NotSent("simulated: connection refused")
        sent = {name.lower(): value for name, value in headers.items()}
        message = Message(request, sent, terms.payment_in(sent))
        if message.payment is not None:
            self._world.trace(process.name, "presents", message.payment.authorization.nonce[:8])
            self._world.checks.leaves(process, message)
        with self._world.checks.awaiting(process) if message.payment is not None else nullcontext():
            outcome = await self._travel(message, timeout)
        process.check()
        self._world.trace(process.name, "hears", outcome.reason if isinstance(outcome, NoAnswer) else outcome.status)
        if isinstance(outcome, NoAnswer):
            if message.payment is not None and outcome.begun is not None:
                self._world.checks.broke_off(process, message.payment.authorization.nonce, outcome.begun.status)
            process.touch("no answer")
            raise outcome
        self._world.checks.heard(process, outcome)
        if message.payment is not None and outcome.status == 200:
            self._world.checks.handed_over(process, message.payment.authorization.nonce)
        process.touch("answer")
        return outcome

    async def _travel(self, message: Message, timeout: float) -> Outcome:
        loop, dice = self._world.loop, self._world.dice
        reply: asyncio.Future[Outcome] = loop.create_future()
        if dice.hit("duplicate"):
            loop.create_task(self._deliver(message, None, dice.of("duplicate").uniform(0, 200)), context=Context())
        if not dice.hit("drop"):
            delay = self._chance.uniform(0.01, 0.3)
            loop.create_task(self._deliver(message, reply, delay), context=Context())
        expiry = loop.call_later(timeout, _give_up, reply, context=_NOBODY)
        try:
            return await reply
        finally:
            expiry.cancel()

    async def _deliver(self, message: Message, reply: asyncio.Future[Outcome] | None, delay: float) -> None:
        """Carry a request to the seller and its answer back to whoever still waits."""
        await asyncio.sleep(delay)
        try:
            answer: Outcome = await self._world.seller.serve(message)
        except Silence:
            return
        if reply is None:
            return
        dice = self._world.dice
        if dice.hit("slow"):
            await asyncio.sleep(dice.of("slow").uniform(30, 120))
        if dice.hit("lose"):
            answer = NoAnswer("simulated: connection reset")
        elif dice.hit("half"):
            answer = _half_of(answer)
        elif dice.hit("garbage"):
            answer = Answer(502, HTML, b"<html>Bad Gateway</html>", 0.3)
        if not reply.done():
            reply.set_result(answer)


def _half_of(answer: Answer) -> NoAnswer:
    """The headers arrive, and half of the body."""
    return NoAnswer("simulated: half a body", replace(answer, body=answer.body[: len(answer.body) // 2], cut=True))


_NOBODY = Context()


def _give_up(reply: asyncio.Future[Outcome]) -> None:
    if not reply.done():
        reply.set_result(NoAnswer("simulated: timed out"))
