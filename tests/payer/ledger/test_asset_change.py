"""A void purchase that is wanted again after policy or wallet have changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from payer.ledger import Ledger
from payer.ledger.reserve import PricedOrder
from payer.values.errors import Refused
from payer.values.events import Sent, Unsent, Void
from payer.values.identifiers import nonce
from payer.values.money import Asset
from payer.values.purchase import Money, Purchase
from payer.values.terms import Terms
from tests.payer import purchases as p

OTHER = Asset("TMAI", 31337, "0x" + "Ee" * 20, "Token Metrics AI", "1", 18)
CAPS = {**p.CAPS, "TMAI": replace(p.CAPS["USDC"], per_call=10**20, per_run=10**20, per_flow_day=10**20, per_day=10**20)}
WALLETS = {"another wallet": (p.USDC, "0x" + "99" * 20), "another asset": (OTHER, p.PAYER)}


def on(rail: tuple[Asset, str]) -> PricedOrder:
    """The same piece, to be paid another way."""
    asset, payer = rail
    piece = p.wanted()
    key = p.blank().purchase_key
    terms = Terms(2, asset, p.PAYEE, p.PRICE, 300, "{}")
    return replace(piece, asset=asset, payer=payer, terms=terms, nonce_of={0: nonce(b"o" * 32, asset, key, 0)})


def reserved(ledger: Ledger) -> Purchase:
    [purchase] = ledger.reserve(p.run(), [p.wanted()], CAPS, p.LEASE)
    return purchase


@pytest.mark.parametrize("rail", WALLETS.values(), ids=WALLETS)
def test_what_was_never_sent_goes_over_to_the_new_way_of_paying(ledger: Ledger, rail: tuple[Asset, str]) -> None:
    purchase = ledger.append(reserved(ledger), p.signed(p.blank()), Sent(at=p.NOW))
    ledger.append(purchase, Unsent(at=p.NOW, reason="no connection"), Void(at=p.NOW, reason="never sent"))
    [again] = ledger.reserve(p.run("run-2"), [on(rail)], CAPS, p.LEASE)
    assert (again.asset, again.payer, again.nonce, again.generation) == (*rail, on(rail).nonce_of[0], 0)
    assert (again.money, again.authorization, again.valid_until) == (Money.RESERVED, None, 0)
    assert ledger.by_nonce(again.nonce) == again
    assert ledger.by_nonce(purchase.nonce) is None
    assert set(ledger.committed(rail[0]).values()) >= {p.PRICE}


@pytest.mark.parametrize("rail", WALLETS.values(), ids=WALLETS)
def test_what_was_sent_once_keeps_its_asset_and_wallet_for_ever(ledger: Ledger, rail: tuple[Asset, str]) -> None:
    """A server that lied about its death can then still not make it two transfers."""
    purchase = ledger.append(reserved(ledger), p.signed(p.blank()), Sent(at=p.NOW))
    ledger.append(purchase, Void(at=p.NOW, reason="unused and past its end", proof_block=9))
    with pytest.raises(Refused, match="was presented in USDC"):
        ledger.reserve(p.run("run-2"), [on(rail)], CAPS, p.LEASE)
