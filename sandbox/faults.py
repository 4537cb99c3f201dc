"""Faults to inject: a catalogue of named kinds, and those switched on now.

A fault fires `times` times (None: until cleared) on requests whose path (for rpc: method) matches its pattern and whose
leg is its own, after letting `after` matches pass, each with probability `chance` drawn from its own seed. A seller's
request is of the leg "paid" when it carries a payment, else "unpaid"; a facilitator's is "verify" or "settle".
"""

from __future__ import annotations

import difflib
import fnmatch
import itertools
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.keys import PAY_TO


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One entry of the catalogue.

    `level` is the server that applies it: rpc, facilitator or seller; `leg` the requests that it applies to by default.
    """

    level: str
    leg: str
    does: str
    params: Mapping[str, Any] = field(default_factory=dict)


def _kinds(level: str, leg: str, **entries: str | tuple[str, Mapping[str, Any]]) -> dict[str, FaultKind]:
    pairs = ((name, (entry, {}) if isinstance(entry, str) else entry) for name, entry in entries.items())
    return {name: FaultKind(level, leg, does, params) for name, (does, params) in pairs}


CATALOGUE: dict[str, FaultKind] = {
    **_kinds(
        "rpc",
        "any",
        rpc_down="reset the connection",
        rpc_error=("answer a JSON-RPC error", {"code": -32000, "message": "injected"}),
        rpc_status=("answer with an HTTP status and no JSON", {"status": 500}),
        rpc_busy=("answer 429, too many requests, with Retry-After", {"retry_after": 1}),
        rpc_slow=("wait before answering", {"seconds": 1.0}),
        rpc_hang=("never answer, close after a while", {"seconds": 60.0}),
        rpc_garbage="answer with HTML instead of JSON",
        rpc_wrong_chain=("claim another chain id", {"chain_id": 1}),
        rpc_frozen_head="show no block later than the one at the first use",
        rpc_no_tags="know neither safe nor finalized",
        rpc_log_range=("refuse to search more blocks than so many at once", {"blocks": 1000}),
        rpc_pruned=("keep the state of so many blocks only", {"blocks": 128}),
        rpc_no_logs="leave every log out of answers",
        rpc_double_logs="give every log twice",
        rpc_foreign_logs="give logs as if another contract had written them",
        rpc_receipt_missing="answer null for a receipt",
        rpc_receipt_failed="give receipts with status 0",
        rpc_forged_settlement=(
            "show every nonce as used, settled for so many atomic units in a final block",
            {"value": 1, "pay_to": PAY_TO},
        ),
        rpc_blocks_ahead=("stamp blocks so many seconds ahead of time", {"seconds": 120}),
    ),
    **_kinds(
        "facilitator",
        "verify",
        verify_500="answer /verify with 500",
        verify_invalid=("call a good payment invalid", {"reason": "invalid_exact_evm_transaction_simulation_failed"}),
    ),
    **_kinds(
        "facilitator",
        "settle",
        settle_500_before="answer /settle with 500, nothing broadcast",
        settle_500_after="settle, then answer 500",
        settle_timeout_after=("settle, then hold the answer back", {"seconds": 60.0}),
        settle_reset_after="settle, then reset the connection",
        settle_pending_200="broadcast, answer 200 with success false and settlement_pending",
        settle_pending_500="broadcast, answer 500 with settlement_pending, as CDP documents it",
        settle_denied_after=("settle, then answer success false", {"reason": "unexpected_settle_error"}),
        settle_phantom="settle nothing, answer success true with no transaction",
        settle_foreign_tx="settle nothing, answer success true with a transaction of somebody else",
        settle_reverted_tx="broadcast a transfer that reverts, answer success true with its hash",
        settle_slow=("wait before settling", {"seconds": 1.0}),
        settle_front_run="let a third party submit the same authorization first",
        relayer_broke="settle from an account without gas money",
        forget_pending="lose the pending store, as a restart does",
    ),
    **_kinds(
        "seller",
        "any",
        slow=("wait before answering", {"seconds": 0.05}),
        drip=("send the body in small pieces", {"seconds": 0.2, "piece": 64}),
        rate_before=("answer 429 before the payment is looked at", {"retry_after": 1}),
        redirect_before=("answer 307 before the payment is looked at", {"location": "http://127.0.0.1:9/"}),
        endless_402="answer 402 whether paid or not, settling nothing",
    ),
    **_kinds(
        "seller",
        "unpaid",
        swap_pay_to="ask for payment to somebody else",
        swap_asset="ask for payment in another token",
        swap_network=("ask for payment on another chain", {"network": "eip155:8453"}),
        swap_price=("ask for another price", {"factor": 10}),
        swap_name=("ask for a signature under another EIP-712 name", {"eip712_name": "USDC"}),
        swap_resource=("show terms for another resource", {"resource": "/v2/tokens"}),
        offer_list=(
            "offer more: copies of the entry with fields changed, before and after it",
            {"first": [], "last": []},
        ),
        edit_terms=("merge fields into the accepts entry, extra included", {"merge": {}}),
        broken_terms=("ask with terms that do not decode", {"text": "%%%not-base64%%%"}),
        terms_misplaced="put the terms where the other x402 version has them",
        huge_header=("ask with an oversized terms header", {"kilobytes": 64}),
        huge_402=("ask with an oversized body", {"megabytes": 8}),
    ),
    **_kinds(
        "seller",
        "paid",
        reset_before="reset the connection before the payment is looked at",
        hang_before=("never answer, do nothing", {"seconds": 60.0}),
        status_before=("answer with a status before looking at the payment", {"status": 503}),
        again_402_before="answer 402 with the same terms, settling nothing",
        new_terms_402_before=("answer 402 asking another price, settling nothing", {"factor": 2}),
        reset_after="settle, then reset the connection",
        hang_after=("settle, then never answer", {"seconds": 60.0}),
        status_after=("settle, then answer with a status, receipt kept", {"status": 500}),
        status_after_bare=("settle, then answer with a status, receipt dropped", {"status": 500}),
        again_402_after="settle, then answer 402 with the same terms as if unpaid",
        new_terms_402_after=("settle, then answer 402 asking another price", {"factor": 2}),
        failed_402_after="settle, then answer 402 with a receipt that says success false",
        pending_402_after="settle, then answer 402 with a receipt that says settlement_pending",
        rate_after=("settle, then answer 429", {"retry_after": 1}),
        redirect_after=("settle, then answer 307", {"location": "http://127.0.0.1:9/"}),
        truncated=("settle, send a share of the body, close", {"share": 0.5}),
        cut_body=("settle, send a share of the body as if it were all of it", {"share": 0.5}),
        unreadable_rows="settle, send 200 with the right rows, of which none has a readable key",
        empty_body="settle, send 200 with no body",
        no_rows="settle, send 200 with success true and no rows",
        html_body="settle, send 200 with an HTML page",
        garbage_body="settle, send 200 with bytes that are no text",
        wrong_schema="settle, send 200 with rows of other columns",
        failed_envelope="settle, send 200 with success false",
        huge_body=("settle, send a very large body", {"megabytes": 64}),
        bomb_body=("settle, send a small gzip body that unpacks to a very large one", {"megabytes": 256}),
        no_receipt="settle, leave the receipt header out",
        broken_receipt=("settle, send a receipt that does not decode", {"text": "e30=="}),
        forged_receipt="settle nothing, send the data and a receipt that says success",
    ),
}


class UnknownFault(ValueError):
    """Raised for a name that is not in the catalogue."""


@dataclass(slots=True)
class InjectedFault:
    """A fault switched on. `fired` counts its uses; `state` is kept between them."""

    number: int
    name: str
    path: str
    leg: str
    times: int | None
    after: int
    chance: float
    params: dict[str, Any]
    random: random.Random
    fired: int = 0
    state: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        shown = ("number", "name", "path", "leg", "times", "after", "chance", "params", "fired")
        return {name: getattr(self, name) for name in shown}


class Faults:
    """The faults switched on in one world; safe to use from any thread."""

    def __init__(self, seed: int = 0) -> None:
        self._seed, self._lock = seed, threading.Lock()
        self._on: list[InjectedFault] = []
        self._numbers = itertools.count(1)

    def add(
        self,
        name: str,
        times: int | None = 1,
        path: str = "*",
        after: int = 0,
        chance: float = 1.0,
        leg: str | None = None,
        seed: int | None = None,
        **params: Any,
    ) -> InjectedFault:
        """Switch a fault on. `path` is a shell pattern over the seller's path, the facilitator's, or the RPC method."""
        kind = CATALOGUE.get(name)
        if kind is None:
            near = difflib.get_close_matches(name, CATALOGUE, n=3)
            raise UnknownFault(f"no fault is called {name!r}; near: {', '.join(near) or 'none'}")
        unknown = params.keys() - kind.params.keys()
        if unknown:
            raise UnknownFault(f"{name} takes {sorted(kind.params) or 'no parameters'}, not {sorted(unknown)}")
        with self._lock:
            number = next(self._numbers)
            dice = random.Random(f"{self._seed if seed is None else seed}:{name}:{number}")
            fault = InjectedFault(
                number, name, path, leg or kind.leg, times, after, chance, {**kind.params, **params}, dice
            )
            self._on.append(fault)
            return fault

    def take(self, level: str, path: str, leg: str = "any") -> list[InjectedFault]:
        """The faults of this level that fire for this request, each counted as fired."""
        with self._lock:
            return [
                fault for fault in self._on if CATALOGUE[fault.name].level == level and self._fires(fault, path, leg)
            ]

    def _fires(self, fault: InjectedFault, path: str, leg: str) -> bool:
        if fault.times == 0 or fault.leg not in ("any", leg) or not fnmatch.fnmatchcase(path, fault.path):
            return False
        if fault.after > 0:
            fault.after -= 1
            return False
        if fault.chance < 1.0 and fault.random.random() >= fault.chance:
            return False
        if fault.times is not None:
            fault.times -= 1
        fault.fired += 1
        return True

    def all(self) -> list[InjectedFault]:
        with self._lock:
            return list(self._on)

    def clear(self) -> None:
        with self._lock:
            self._on.clear()
