"""Every outcome of a run, beside what each verb and flow says of it and ends with (I12): a loss is told everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flows.ingest import ingest
from payer.values.errors import PayerError
from tasks.buy.watch import Watch
from tasks.ops.reconcile import reconcile_all
from tasks.ops.status import money_trouble
from tasks.prefect.verdict import Verdict, books_verdict, failure, verdict
from tasks.request.build import request_fresh
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace
from tests.cli.conftest import Command
from tests.cli.test_bad_input import closed_port

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

LOST = "1 purchase was paid and brought nothing that can be used: 0.017 USDC"
DOUBT = "1 purchase is in doubt: 0.017 USDC sent, and not yet proved paid or void"
LOST_FIRST = "lost: 0.017 USDC was paid for nothing that can be used"
DOUBT_FIRST = "in doubt: 0.017 USDC was sent, and is not yet proved paid or void"


def fault(name: str, times: int | None = 1, **fields: object) -> Callable[[World, Buyer], None]:
    return lambda world, _buyer: world.faults.add(name, times=times, **fields)


def policy(begins: str, line: Callable[[], str]) -> Callable[[World, Buyer], None]:
    """Exchange the first line of the policy that begins so."""

    def change(_world: World, buyer: Buyer) -> None:
        text = Path(buyer.env["TOLLBOOK_POLICY"]).read_text()
        old = next(each for each in text.splitlines() if each.startswith(begins))
        path = buyer.home / "policy.toml"
        path.write_text(text.replace(old, line(), 1))
        buyer.env["TOLLBOOK_POLICY"] = str(path)

    return change


def dearer(world: World, buyer: Buyer) -> None:
    """The prices move after the bill was shown."""
    ask_for_prices(buyer)
    world.settings.update(prices={"tm-grade-history": 20_000, "tm-grade": 20_000})


def nothing(_world: World, _buyer: Buyer) -> None:
    """The world is as it should be."""


def damage(buyer: Buyer) -> None:
    """Another program changes a byte of a published file."""
    file = next((buyer.home / "published" / "snapshots").rglob("dataset=*/**/*.parquet"))
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@dataclass(frozen=True)
class Case:
    """An event, the state of the flow and a sentence of its message; then per verb its exit code and a sentence.
    Verbs that are not named end with 0."""

    happens: Callable[[World, Buyer], None]
    state: str
    says: str
    verbs: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    flow: str = "tm-grade"
    before_reconcile: Callable[[Buyer], None] = lambda _buyer: None
    books: tuple[str, str] = ("Completed", "ledger and chain agree to the unit")


LOSS = {
    "status": (5, "lost        0.017 USDC of it"),
    "doctor": (5, LOST),
    "recover": (5, "accept-loss"),
    "reconcile": (5, LOST),
    "costs": (0, LOST_FIRST),
    "report": (0, LOST_FIRST),
}
CASES = {
    "delivered": Case(nothing, "Completed", "1 paid call, 0.017 USDC"),
    "undelivered": Case(fault("again_402_after"), "Failed", "1 paid and undelivered", LOSS, books=("Failed", LOST)),
    "failed delivery": Case(fault("failed_envelope"), "Failed", "failed body", LOSS, books=("Failed", LOST)),
    "doubt": Case(
        fault("again_402_before", None),
        "Failed",
        "1 in doubt, 0.017 USDC of this run",
        {
            "status": (4, "0 USDC, 0.017 in doubt"),
            "doctor": (4, DOUBT),
            "recover": (4, "Still in doubt"),
            "reconcile": (4, DOUBT),
            "costs": (0, DOUBT_FIRST),
            "report": (0, DOUBT_FIRST),
        },
        books=("Failed", DOUBT),
    ),
    "no rows": Case(
        fault("no_rows", None), "Failed", "5 cells of tm-grade not delivered", {"status": (0, "5 cells unconfirmed")}
    ),
    "left by a cap": Case(
        policy("per_run", lambda: 'per_run = "0.02"'), "Failed", "2 calls left, 0.034 USDC", flow="grades"
    ),
    "price refused": Case(
        fault("swap_price", None, factor=20),
        "Failed",
        "Money: none was sent",
        {"doctor": (3, "the seller offers 0.34 USDC")},
    ),
    "seller gone": Case(
        policy("base_url", lambda: f'base_url = "http://127.0.0.1:{closed_port()}/v2"'),
        "Failed",
        "Money: none was spent by this run",
        {"doctor": (6, "tokenmetrics did not answer")},
    ),
    "price moved": Case(
        dearer, "Completed", "the price of tm-grade-history moved from 0.017 to 0.02 USDC", flow="grades"
    ),
    "books broken": Case(
        nothing,
        "Completed",
        "0.017 USDC",
        {"reconcile": (4, "does not have the hash in the manifest")},
        before_reconcile=damage,
        books=("Failed", "1 differences"),
    ),
}
VERBS = ("status", "doctor", "recover", "costs", "report", "reconcile")


def ask_for_prices(buyer: Buyer) -> None:
    from tasks.buy.plan import current_bill

    async def inside() -> None:
        async with Workspace.open(buyer.env) as ws:
            await current_bill(ws, request_fresh(ws, "grades", reason="plan", at=ws.clock.now()), None)

    asyncio.run(inside())


def ended(buyer: Buyer, flow: str) -> Verdict:
    """The state that a flow ends in, as its body in Prefect has it."""

    async def inside() -> Verdict:
        async with Workspace.open(buyer.env) as ws:
            request = request_fresh(ws, flow, reason="test", at=ws.clock.now())
            run = new_run(request.flow, "test", ws.clock.now())
            return verdict(await ingest(ws, request, run, watch=Watch()))

    try:
        return asyncio.run(inside())
    except PayerError as error:
        return failure(error)


def books(buyer: Buyer) -> Verdict:
    async def inside() -> Verdict:
        async with Workspace.open(buyer.env) as ws:
            return books_verdict(await reconcile_all(ws))

    return asyncio.run(inside())


@pytest.mark.parametrize("name", CASES)
def test_each_verb_and_flow_ends_as_the_outcome_deserves(
    name: str, tollbook: Command, world: World, buyer: Buyer
) -> None:
    case = CASES[name]
    case.happens(world, buyer)
    run = ended(buyer, case.flow).state
    assert (run.name, case.says in (run.message or "")) == (case.state, True), run.message
    tollbook.env.update(buyer.env)
    for verb in VERBS:
        code, sentence = case.verbs.get(verb, (0, ""))
        if verb == "reconcile":
            case.before_reconcile(buyer)
        said = tollbook(*verb.split())
        assert (verb, said.code, sentence in said.out) == (verb, code, True), said.out + said.err
    case.before_reconcile(buyer)
    state, words = case.books
    reconciled = books(buyer).state
    assert (reconciled.name, words in (reconciled.message or "")) == (state, True), reconciled.message
    with Workspace.open(buyer.env) as ws:
        assert money_trouble(ws) == (words if words in (LOST, DOUBT) else ""), "the costs flow begins with it"


@pytest.mark.parametrize("verb", ["costs", "report", "costs --by purchase"])
def test_a_loss_stands_above_everything_else(tollbook: Command, world: World, verb: str) -> None:
    world.faults.add("again_402_after", times=1)
    assert tollbook("run", "tm-grade").code == 5
    out = tollbook(*verb.split()).out
    assert 0 < out.index(LOST_FIRST) < out.index("\n\n", 5)
