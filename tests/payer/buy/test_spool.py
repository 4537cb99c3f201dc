"""A body that comes while the ledger can't be written is not lost (I4)."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from payer.http.exchange import Answer
from payer.ledger import Ledger
from payer.payer import Payer
from payer.spool import Spool
from payer.values.chain_view import NonceState
from payer.values.errors import LedgerUnavailable, Unbooked
from payer.values.events import Delivered
from payer.values.purchase import Data, Money, Purchase
from tests.payer import purchases as p
from tests.payer import scripted as s

BODY = b'{"success":true,"data":[1]}\n'
RECEIPT = s.encoded({"success": True, "transaction": "0x" + "cc" * 32, "network": "eip155:31337"})
ANSWER = s.answer(200, BODY, payment_response=RECEIPT, content_type="application/json", set_cookie="id=7")
PAID = s.chain_view(NonceState.USED, final_time=int(p.NOW.timestamp()), settlement=p.settlement())


class Desk:
    """A purchase that was reserved, and a ledger whose disk is full for as many deliveries as a test says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seller = s.ScriptedSeller([s.challenge(), ANSWER])
        self.folder, self.failures = folder / "spool", 0
        context = s.context(folder, self.seller, s.ScriptedChain(lambda: s.chain_view(NonceState.UNUSED)))
        self.payer = Payer(replace(context, spool=Spool(self.folder)))
        append = Ledger.append

        def full(ledger: Ledger, purchase: Purchase, *events: Any, **more: Any) -> Purchase:
            if self.failures and any(isinstance(event, Delivered) for event in events):
                self.failures -= 1
                raise LedgerUnavailable("the ledger can't be written: database or disk is full")
            return append(ledger, purchase, *events, **more)

        monkeypatch.setattr(Ledger, "append", full)

    def buy(self) -> Purchase:
        async def one() -> Purchase:
            quotes = await self.payer.quote([s.order()])
            approved = await self.payer.approve(p.run(), [s.order()], quotes)
            return await self.payer.buy(approved.purchases[0])

        return asyncio.run(one())

    def recover(self) -> None:
        self.payer = Payer(replace(self.payer.context, chain=s.ScriptedChain(lambda: PAID)))
        asyncio.run(self.payer.recover())

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.payer.context.ledger.deliveries()]

    @property
    def purchase(self) -> Purchase:
        [found] = self.payer.context.ledger.purchases()
        return found


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_a_ledger_that_can_be_written_a_moment_later_keeps_the_body(desk: Desk) -> None:
    desk.failures = 3
    assert desk.buy().data is Data.DELIVERED
    assert (desk.bodies, len(desk.seller.payments), list(desk.folder.parent.glob("spool/*"))) == ([BODY], 1, [])


def test_a_body_that_the_ledger_will_not_take_waits_in_a_private_file_and_is_booked_by_a_recovery(desk: Desk) -> None:
    """I1, I4: it is not asked for again, and nothing is paid again."""
    desk.failures = 9
    with pytest.raises(Unbooked, match=r"disk is full; the body that came is kept in .*\.body"):
        desk.buy()
    [file] = desk.folder.iterdir()
    assert (file.stat().st_mode & 0o777, desk.folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert b"set-cookie" not in file.read_bytes()
    assert (desk.purchase.money, desk.purchase.data) == (Money.EXPOSED, Data.ABSENT)
    desk.failures = 0
    desk.recover()
    assert (desk.purchase.money, desk.purchase.data) == (Money.SPENT, Data.DELIVERED)
    assert (desk.bodies, len(desk.seller.payments), list(desk.folder.iterdir())) == ([BODY], 1, [])


def test_a_recovery_that_dies_before_it_removes_the_file_books_the_body_once(desk: Desk) -> None:
    desk.failures = 9
    with pytest.raises(Unbooked):
        desk.buy()
    [file] = desk.folder.iterdir()
    content = file.read_bytes()
    desk.failures = 0
    desk.recover()
    file.write_bytes(content)
    desk.recover()
    assert (desk.bodies, list(desk.folder.iterdir())) == ([BODY], [])


@pytest.mark.parametrize("damage", [b"", b"{}", b"not a label\n" + BODY], ids=["empty", "half", "foreign"])
def test_a_file_that_is_not_as_it_was_written_is_left_where_it_lies(desk: Desk, damage: bytes) -> None:
    desk.failures = 9
    with pytest.raises(Unbooked):
        desk.buy()
    [file] = desk.folder.iterdir()
    file.write_bytes(damage)
    desk.failures = 0
    desk.recover()
    assert file.read_bytes() == damage
    assert desk.purchase.money is Money.SPENT


def test_without_room_for_the_file_the_loss_is_said(desk: Desk) -> None:
    desk.failures = 9
    desk.folder.write_text("a file where the folder should be")
    with pytest.raises(Unbooked, match=r"the body that came is lost, as .* can't be written either"):
        desk.buy()
    assert desk.purchase.money is Money.EXPOSED


def spooled(folder: Path) -> tuple[Spool, Path]:
    spool = Spool(folder)
    return spool, spool.put("abc", Answer(200, {"content-type": "application/json"}, b"body", 0.1), p.NOW)


def test_a_body_and_its_name_are_on_the_disk_before_the_spool_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I4: a power failure right after it loses neither the file's content nor its place in the folder."""
    synced: list[str] = []
    sync = os.fsync

    def fsync(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    _, path = spooled(tmp_path / "spool")
    assert len(synced) == 2
    assert Path(synced[0]).parent == path.parent
    assert Path(synced[1]) == path.parent


def test_a_spooled_body_that_was_damaged_is_not_booked(tmp_path: Path) -> None:
    spool, path = spooled(tmp_path / "spool")
    assert [each.answer.body for each in spool.waiting()] == [b"body"]
    path.write_bytes(path.read_bytes().replace(b"body", b"b0dy"))
    assert spool.waiting() == []


def test_the_first_body_of_a_purchase_stays_in_the_spool(tmp_path: Path) -> None:
    spool, path = spooled(tmp_path / "spool")
    assert spool.put("abc", Answer(200, {}, b"another", 0.1), p.NOW) == path
    assert [each.answer.body for each in spool.waiting()] == [b"body"]
