"""I10: keys, signatures and payment headers leave the process on the wire and nowhere else, whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import rich.console
import rich.traceback

from payer.buy import send
from payer.payer import Payer
from payer.values.chain_view import NotSeen
from payer.values.errors import Unbooked, Unforeseen
from payer.values.purchase import Purchase
from payer.values.terms import SignedPayment
from payer.wallet.eip3009 import Wallet
from payer.wallet.sign import Signer
from tests.payer import sandbox_policy, secrets
from tests.payer.desk import Desk, HurriedClock, orders
from tests.stores import STORES, new_ledger_url

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

FAULTS: dict[str, dict[str, float]] = {
    **{name: {} for name in ("reset_after", "status_after", "new_terms_402_after", "truncated", "redirect_after")},
    "huge_body": {"megabytes": 1},
    "hang_after": {"seconds": 1.2},
}
DEPTHS = {
    "the-client": "httpx.AsyncHTTPTransport.handle_async_request",
    "the-connection": "httpcore._async.http11.AsyncHTTP11Connection._send_event",
}
STARTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.system")
"""Audit events of a program or process being started."""


class Watched:
    """A desk of which everything is kept that could hold a secret."""

    def __init__(self, desk: Desk, key: bytes, folder: Path) -> None:
        self.desk, self._key, self._folder = desk, key, folder
        self.log: list[bytes] = []
        self.payments: list[SignedPayment] = []
        self.errors: list[BaseException] = []

    @property
    def needles(self) -> dict[str, bytes]:
        assert self.payments, "nothing was signed: there is nothing to find"
        return secrets.of_wallet(self._key, self.desk.wallet) | secrets.of_payments(self.payments)

    def attempt(self, count: int = 1, first: int = 1) -> None:
        self.errors += self.desk.buy(orders(self.desk.policy_text, count, first=first))

    def leaks(self) -> list[str]:
        """Where a secret was found, and which."""
        needles = self.needles
        places = {
            "the log": self.log,
            "an exception with its frames": [secrets.rendered(error) for error in self.errors],
            "a traceback as rich shows it": [shown_by_rich(one) for one in {type(e): e for e in self.errors}.values()],
            "the ledger": secrets.ledger_bytes(self.desk.ledger, self._folder),
        }
        joined = {place: b"\n".join(texts) for place, texts in places.items()}
        return [f"{place}: {name}" for place, text in joined.items() for name in secrets.found_in(text, needles)]


def shown_by_rich(error: BaseException) -> bytes:
    console = rich.console.Console(file=None, record=True, width=240)
    with console.capture() as capture:
        shown = rich.traceback.Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True, locals_max_length=None, locals_max_string=None
        )
        console.print(shown)
    return capture.get().encode()


@pytest.fixture(params=STORES)
def watched(
    request: pytest.FixtureRequest,
    world: World,
    buyer: Buyer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    everything_logged: list[bytes],
) -> Iterator[Watched]:
    key = bytes.fromhex(buyer.private_key.removeprefix("0x"))
    policy = sandbox_policy.policy(world, timeout_seconds=1, body_bytes=100_000, loss_limit="9")
    clock = HurriedClock(lambda: world.clock.offset)
    with Desk(policy, buyer.private_key, new_ledger_url(request, request.param, tmp_path), clock) as desk:
        watched = Watched(desk, key, tmp_path)
        watched.log = everything_logged
        present = send.present

        async def kept(signer: Signer, purchase: Purchase) -> SignedPayment:
            watched.payments.append(await present(signer, purchase))
            return watched.payments[-1]

        monkeypatch.setattr(send, "present", kept)
        yield watched


@pytest.fixture
def everything_logged() -> Iterator[list[bytes]]:
    """Every record of every logger at every level, as a formatter would write it, arguments included."""
    written: list[bytes] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(f"{record.name} {record.getMessage()} {record.args!r} {record.exc_info!r}".encode())

    keep = Keep(level=logging.NOTSET)
    names = ["", "httpx", "httpcore", "sqlalchemy.engine", "sqlalchemy.pool", "psycopg", "asyncio", "alembic"]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(1)
    logging.getLogger().addHandler(keep)
    yield written
    logging.getLogger().removeHandler(keep)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def test_nothing_secret_is_logged_kept_or_shown_by_an_error_under_any_fault(world: World, watched: Watched) -> None:
    watched.attempt(2)
    for number, (fault, params) in enumerate(FAULTS.items()):
        world.faults.add(fault, **params)
        watched.attempt(first=10 + number)
        world.faults.clear()
    world.faults.add("rpc_garbage", times=None)
    watched.attempt(first=30)
    world.faults.clear()
    watched.desk.recover()
    assert len(watched.errors) >= len(FAULTS) - 1
    assert any(b"httpcore" in line for line in watched.log)
    assert watched.leaks() == []


def test_nothing_secret_is_in_the_frames_of_a_purchase_that_was_cancelled(world: World, watched: Watched) -> None:
    """Ctrl-C, or a scheduler's timeout, in the middle of a paid request."""
    world.faults.add("hang_before", seconds=1.0)
    [order] = orders(watched.desk.policy_text, 1)

    async def cancelled(payer: Payer) -> None:
        run = watched.desk.new_run()
        payer.context.ledger.start_run(run)
        approved = await payer.approve(run, [order], await payer.quote([order]))
        buying = asyncio.create_task(payer.buy(approved.purchases[0], NotSeen.UNREAD))
        await asyncio.sleep(0.3)
        buying.cancel()
        try:
            await buying
        except asyncio.CancelledError as error:
            watched.errors.append(error)

    watched.desk.work(cancelled)
    assert len(watched.errors) == 1
    assert watched.leaks() == []


@pytest.mark.parametrize("depth", DEPTHS)
def test_nothing_secret_is_in_the_frames_of_a_defect(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, depth: str
) -> None:
    """An exception that nobody foresaw, at the top or at the bottom of the HTTP library, in a paid request."""
    [order] = orders(watched.desk.policy_text, 1)

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    async def meet(payer: Payer) -> None:
        run = watched.desk.new_run()
        payer.context.ledger.start_run(run)
        approved = await payer.approve(run, [order], await payer.quote([order]))
        monkeypatch.setattr(DEPTHS[depth], broken)
        try:
            await payer.buy(approved.purchases[0])
        except Unforeseen as error:
            watched.errors.append(error)
        monkeypatch.undo()

    watched.desk.work(meet)
    assert [str(error.__cause__) for error in watched.errors] == ["a defect"]
    assert watched.leaks() == []


def test_nothing_secret_is_shown_when_the_ledger_breaks(watched: Watched) -> None:
    """The table of bodies is gone when the paid answer arrives."""
    watched.attempt()
    with watched.desk.ledger._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE bodies RENAME TO gone")
    watched.attempt(first=2)
    assert [type(error) for error in watched.errors] == [Unbooked]
    with watched.desk.ledger._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO bodies")
    assert watched.leaks() == []


def test_no_other_program_is_started_that_could_inherit_the_key(watched: Watched) -> None:
    started: list[str] = []
    watching = True

    def hook(event: str, _arguments: tuple[object, ...]) -> None:
        if watching and event in STARTS:
            started.append(event)

    sys.addaudithook(hook)
    watched.attempt(2)
    watched.desk.recover()
    watching = False
    assert started == []


def test_a_wallet_shows_its_address_and_nothing_else() -> None:
    key = bytes.fromhex("ab" * 32)
    wallet = Wallet(key)
    shown = f"{wallet!r} {wallet} {vars(Wallet)!r}".encode()
    assert secrets.found_in(shown, secrets.of_wallet(key, wallet)) == []
