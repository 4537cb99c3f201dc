"""Apply the seller's faults: instead of the honest answer, or to it. The terms of a 402 and the claims of a receipt are
read and rewritten in either x402 version.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from sandbox.faults import InjectedFault
from sandbox.keys import NETWORK, THIEF
from sandbox.servers import Reply, Scope, Send, hang_up, reply, reset, send_reply

_TERMS = "payment-required"
Edit = Callable[[dict[str, Any]], dict[str, Any]]


def edited(challenge: Reply, change: Edit) -> Reply:
    """A 402 with every `accepts` entry changed."""
    return _rewritten(challenge, lambda terms: terms | {"accepts": [change(dict(entry)) for entry in terms["accepts"]]})


def listed(challenge: Reply, first: Sequence[dict[str, Any]], last: Sequence[dict[str, Any]]) -> Reply:
    """A 402 with more offers around the honest one."""

    def change(terms: dict[str, Any]) -> dict[str, Any]:
        (entry, *_) = terms["accepts"]
        offers = [merged(entry, offer) for offer in first] + [entry] + [merged(entry, offer) for offer in last]
        return terms | {"accepts": offers}

    return _rewritten(challenge, change)


def with_resource(challenge: Reply, path: str) -> Reply:
    """A 402 whose terms name another path of the same origin."""

    def moved(url: str) -> str:
        return urlsplit(url)._replace(path=path, query="").geturl()

    def change(terms: dict[str, Any]) -> dict[str, Any]:
        if "resource" in terms:
            return terms | {"resource": terms["resource"] | {"url": moved(terms["resource"]["url"])}}
        return terms | {"accepts": [entry | {"resource": moved(entry["resource"])} for entry in terms["accepts"]]}

    return _rewritten(challenge, change)


def merged(entry: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """An `accepts` entry with fields replaced, those of `extra` one by one."""
    return {**entry, **more, "extra": {**entry.get("extra", {}), **more.get("extra", {})}}


def _rewritten(challenge: Reply, change: Edit) -> Reply:
    """A 402 with changed terms, in header or body; an answer without terms stays as it is."""
    header = challenge.header(_TERMS)
    if header is not None:
        terms = change(json.loads(base64.b64decode(header)))
        return Reply(challenge.status, challenge.with_header(_TERMS, _encoded(terms)), challenge.body)
    terms = json.loads(challenge.body or b"{}")
    if "accepts" not in terms:
        return challenge
    return Reply(challenge.status, challenge.headers, json.dumps(change(terms)).encode())


def terms_broken(challenge: Reply, text: str) -> Reply:
    if challenge.header(_TERMS) is not None:
        return Reply(challenge.status, challenge.with_header(_TERMS, text), challenge.body)
    return Reply(challenge.status, challenge.headers, text.encode())


def terms_elsewhere(challenge: Reply) -> Reply:
    """Version 2's terms in the body only, version 1's in the header only."""
    header = challenge.header(_TERMS)
    if header is not None:
        return Reply(challenge.status, challenge.without(_TERMS), base64.b64decode(header))
    text = base64.b64encode(challenge.body).decode()
    return Reply(challenge.status, challenge.with_header(_TERMS, text), b"{}")


def receipt_name(answer: Reply) -> str:
    """The name of the receipt header in the x402 version of an answer or 402."""
    if answer.header(_TERMS) is not None or answer.header("payment-response") is not None:
        return "payment-response"
    return "x-payment-response"


def _encoded(value: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


_MB, _KB = 1 << 20, 1 << 10
_PAYMENT = (b"payment-signature", b"x-payment")
Answer = Callable[[Scope], Awaitable[Reply]]


class ConnectionBroken(Exception):
    """Raised when the connection was broken on purpose: nothing more can be sent."""


class FaultPlayer:
    """The faults that fire for one request. `answer` gives the honest answer to a scope, also to the unpaid request."""

    def __init__(self, firing: list[InjectedFault], scope: Scope, send: Send, answer: Answer) -> None:
        self._firing = {fault.name: fault for fault in firing}
        self._scope, self._send, self._answer = scope, send, answer

    @property
    def delay(self) -> float:
        fault = self._firing.get("slow")
        return float(fault.params["seconds"]) if fault else 0.0

    async def before(self) -> Reply | None:
        """The answer of a fault that settles nothing, or None for the honest answer. Raises ConnectionBroken."""
        for name, fault in self._firing.items():
            match name:
                case "reset_before":
                    await self._break()
                case "hang_before":
                    await self._hang(fault)
                case "status_before":
                    return reply(fault.params["status"], b'{"success":false,"message":"injected"}')
                case "rate_before":
                    return _too_many(fault)
                case "redirect_before":
                    return reply(307, b"", headers=[("location", fault.params["location"])])
                case "again_402_before" | "new_terms_402_before" | "endless_402":
                    return await self._challenge(fault)
                case "forged_receipt":
                    return await self._forged()
        return None

    async def _challenge(self, fault: InjectedFault) -> Reply:
        """A 402 as if nothing had been paid; with another price or a receipt where the fault says so."""
        challenge = await self._answer(self._unpaid())
        if fault.name.startswith("new_terms"):
            return _repriced(challenge, fault)
        reason = {"failed_402_after": "unexpected_settle_error", "pending_402_after": "settlement_pending"}.get(
            fault.name
        )
        if reason is not None:
            claim = {"success": False, "errorReason": reason, "transaction": "", "network": NETWORK}
            challenge.headers = challenge.with_header(receipt_name(challenge), _encoded(claim))
        return challenge

    async def _break(self) -> None:
        reset(self._scope)
        await asyncio.sleep(0)
        raise ConnectionBroken

    def _unpaid(self) -> Scope:
        return {**self._scope, "headers": [(k, v) for k, v in self._scope["headers"] if k not in _PAYMENT]}

    async def _forged(self) -> Reply:
        """An answer with a receipt for a payment that was never settled, and without data."""
        challenge = await self._answer(self._unpaid())
        claim = {"success": True, "transaction": "0x" + "ab" * 32, "network": NETWORK, "payer": THIEF}
        body = b'{"success":true,"message":"Data fetched successfully","length":0,"data":[]}'
        return reply(200, body, headers=[(receipt_name(challenge), _encoded(claim))])

    async def _hang(self, fault: InjectedFault) -> None:
        await asyncio.sleep(fault.params["seconds"])
        hang_up(self._scope)
        raise ConnectionBroken

    async def after(self, answer: Reply) -> None:
        """Send the honest answer, changed by the firing faults. Raises ConnectionBroken."""
        for name, fault in self._firing.items():
            if name == "reset_after":
                await self._break()
            if name == "hang_after":
                await self._hang(fault)
            if name.endswith("_402_after"):
                answer = await self._challenge(fault)
            answer = _with_other_terms(name, fault, answer) if answer.status == 402 else answer
            answer = _spoiled(name, fault, answer)
        if not {"truncated", "drip"} & self._firing.keys():
            await send_reply(self._send, answer)
            return
        headers = [*answer.without("content-length"), (b"content-length", str(len(answer.body)).encode())]
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if "truncated" in self._firing:
            await self._truncated(answer, self._firing["truncated"])
        await self._dripped(answer, self._firing["drip"])

    async def _truncated(self, answer: Reply, fault: InjectedFault) -> None:
        part = answer.body[: int(len(answer.body) * fault.params["share"])]
        await self._send({"type": "http.response.body", "body": part, "more_body": True})
        hang_up(self._scope)
        raise ConnectionBroken

    async def _dripped(self, answer: Reply, fault: InjectedFault) -> None:
        size = fault.params["piece"]
        for start in range(0, len(answer.body), size):
            piece = answer.body[start : start + size]
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(fault.params["seconds"])
        await self._send({"type": "http.response.body", "body": b""})


def _with_other_terms(name: str, fault: InjectedFault, answer: Reply) -> Reply:
    """Apply a fault in the terms of a 402."""
    params = fault.params
    edits: dict[str, Edit] = {
        "swap_pay_to": lambda entry: entry | {"payTo": THIEF},
        "swap_asset": lambda entry: entry | {"asset": THIEF},
        "swap_network": lambda entry: entry | {"network": params["network"]},
        "swap_name": lambda entry: entry | {"extra": entry["extra"] | {"name": params["eip712_name"]}},
        "edit_terms": lambda entry: merged(entry, params["merge"]),
    }
    if name in edits:
        return edited(answer, edits[name])
    match name:
        case "swap_price":
            return _repriced(answer, fault)
        case "broken_terms":
            return terms_broken(answer, params["text"])
        case "swap_resource":
            return with_resource(answer, params["resource"])
        case "offer_list":
            return listed(answer, params["first"], params["last"])
        case "terms_misplaced":
            return terms_elsewhere(answer)
        case "huge_402":
            return Reply(402, answer.headers, answer.body + b" " * (params["megabytes"] * _MB))
    return answer


def _spoiled(name: str, fault: InjectedFault, answer: Reply) -> Reply:
    """Apply a fault in the answer after the seller served and settled."""
    params = fault.params
    bodies: dict[str, Callable[[], bytes]] = {
        "cut_body": lambda: answer.body[: int(len(answer.body) * params["share"])],
        "unreadable_rows": lambda: _envelope(
            True, [dict.fromkeys(row, "?") for row in json.loads(answer.body)["data"]]
        ),
        "no_rows": lambda: _envelope(True, []),
        "empty_body": lambda: b"",
        "garbage_body": lambda: b"\xff\xfe\x00\x9f" * 64,
        "wrong_schema": lambda: _envelope(True, [{"id": number, "value": "x"} for number in range(3)]),
        "failed_envelope": lambda: _envelope(False, None),
        "huge_body": lambda: b"[" + b"0," * (params["megabytes"] * _MB // 2) + b"0]",
    }
    if name in bodies:
        return Reply(answer.status, answer.headers, bodies[name]())
    match name:
        case "status_after":
            return Reply(params["status"], answer.headers, b'{"success":false,"message":"injected"}')
        case "status_after_bare":
            return reply(params["status"], b'{"success":false,"message":"injected"}')
        case "rate_after":
            return _too_many(fault)
        case "redirect_after":
            return reply(307, b"", headers=[("location", params["location"])])
        case "html_body":
            headers = answer.with_header("content-type", "text/html")
            return Reply(answer.status, headers, b"<html><body>Oops</body></html>")
        case "bomb_body":
            packed = gzip.compress(b" " * (params["megabytes"] * _MB), 9)
            return Reply(answer.status, answer.with_header("content-encoding", "gzip"), packed)
        case "huge_header":
            padding = "x" * (params["kilobytes"] * _KB)
            return Reply(answer.status, answer.with_header("x-padding", padding), answer.body)
        case "no_receipt":
            return Reply(answer.status, answer.without("payment-response", "x-payment-response"), answer.body)
        case "broken_receipt":
            return Reply(answer.status, answer.with_header(receipt_name(answer), params["text"]), answer.body)
    return answer


def _repriced(answer: Reply, fault: InjectedFault) -> Reply:
    def reprice(entry: dict[str, Any]) -> dict[str, Any]:
        name = "amount" if "amount" in entry else "maxAmountRequired"
        return entry | {name: str(int(int(entry[name]) * fault.params["factor"]))}

    return edited(answer, reprice)


def _too_many(fault: InjectedFault) -> Reply:
    headers = [("retry-after", str(fault.params["retry_after"]))] if fault.params["retry_after"] is not None else []
    return reply(429, b'{"success":false,"message":"Too many requests"}', headers=headers)


def _envelope(success: bool, rows: list[Any] | None) -> bytes:
    return json.dumps({"success": success, "message": "injected", "length": len(rows or ()), "data": rows}).encode()
