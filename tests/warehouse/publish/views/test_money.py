"""Money per row: shares of a purchase, to the atomic unit, and what brought no row in lines of its own."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from payer.ledger import Ledger
from payer.ledger.append import Body
from payer.ledger.reserve import PricedOrder
from payer.values.events import Answered, Delivered
from payer.values.identifiers import nonce, purchase_key
from payer.values.purchase import Lease
from payer.values.request import Order, Request
from tests.payer import purchases as p
from tests.warehouse.deliveries import DAY, T0, grades, pieces
from tests.warehouse.purchases import LIMITLESS, buy_history
from warehouse.cache.store import Cache
from warehouse.load.self_repair import load
from warehouse.publish.publish import publish
from warehouse.query import query

PRICE = 20_000


def publish_all(home: Path, ledger: Ledger) -> None:
    load(Cache(home), ledger)
    publish(home, ledger)


def one(home: Path, sql: str) -> tuple[object, ...]:
    [row] = query(home, sql)[1]
    return row


def test_all_rows_of_provenance_and_what_brought_no_row_are_all_that_was_spent(market_home: Path) -> None:
    keys = query(market_home, "SELECT DISTINCT table_name, split_part(row_key, '/', 1) FROM row_keys ORDER BY ALL")[1]
    shares = " UNION ALL ".join(f"FROM provenance('{table}', '{key}')" for table, key in keys)
    asked = f"SELECT sum(amount_per_row_atomic)::BIGINT, sum(amount_per_row), count(*) FROM ({shares})"
    rows, amount, count = query(market_home, asked)[1][0]
    known = "FROM cost_per_row WHERE brought IN ('checked rows', 'unreadable rows', 'no row')"
    other, other_amount = query(market_home, f"SELECT sum(amount_atomic)::BIGINT, sum(amount) {known}")[1][0]
    assert (rows + other, amount + other_amount) == one(
        market_home, "SELECT sum(amount_atomic)::BIGINT, sum(amount) FROM costs"
    )
    assert count == one(market_home, "SELECT count(*) FROM row_keys")[0]


def test_units_that_are_left_over_go_to_the_first_rows(tmp_path: Path, ledger: Ledger) -> None:
    """20,000 units over 7 days of 3 tokens: 952 each, and 8 left over, in the order of token and day."""
    buy_history(ledger, grades([1, 2, 3], T0, 7), [1, 2, 3], T0, T0 + 6 * DAY, T0 + 9 * DAY)
    publish_all(tmp_path, ledger)
    each = "SELECT amount_per_row_atomic::BIGINT FROM provenance('grades', '{}')"
    shares = {token: [amount for (amount,) in query(tmp_path, each.format(token))[1]] for token in (1, 2, 3)}
    assert shares == {1: [953] * 7, 2: [953] + [952] * 6, 3: [952] * 7}
    by_token = "SELECT token_id, brought, rows, amount_atomic::BIGINT FROM cost_by_token"
    assert query(tmp_path, by_token)[1] == [(token, "rows", 7, sum(shares[token])) for token in (1, 2, 3)]
    alone = f"{each.format('2/' + f'{T0:%Y-%m-%d}')}"
    assert query(tmp_path, alone)[1] == [(953,)], "the same share when it is asked for alone"


def test_a_check_that_changed_nothing_is_money_of_its_own(tmp_path: Path, ledger: Ledger) -> None:
    window = (T0, T0 + 4 * DAY)
    buy_history(ledger, grades([1, 2], T0, 5), [1, 2], *window, T0 + 9 * DAY)
    buy_history(ledger, grades([1, 2], T0, 5), [1, 2], T0, T0 + 4 * DAY + timedelta(days=1), T0 + 10 * DAY)
    publish_all(tmp_path, ledger)
    counted = "SELECT rows_delivered, rows_new, rows_changed, rows_checked FROM costs ORDER BY created_at"
    assert query(tmp_path, counted)[1] == [(10, 10, 0, 0), (10, 0, 0, 10)]
    lines = "SELECT brought, rows, amount_atomic::BIGINT FROM {} ORDER BY ALL"
    assert query(tmp_path, lines.format("cost_per_row"))[1] == [("checked rows", 10, PRICE), ("new rows", 10, PRICE)]
    by_token = [("checked rows", 10, PRICE), ("rows", 5, PRICE // 2), ("rows", 5, PRICE // 2)]
    assert query(tmp_path, lines.format("cost_by_token"))[1] == by_token
    assert one(tmp_path, "SELECT rows_new, rows_checked FROM cost_by_flow") == (10, 10)


def test_a_free_delivery_is_free_and_no_void_purchase(tmp_path: Path, ledger: Ledger) -> None:
    [piece] = pieces("tm-grade-history", ["1"], T0, T0, T0)
    request = Request(piece.method, "http://127.0.0.1:9" + piece.path, piece.params)
    order = Order(request, piece.edition, piece.seller, piece.dataset, piece.context(), free=True)
    key = purchase_key(request, piece.edition)
    item = PricedOrder(order, p.USDC, p.PAYER, {0: nonce(p.SECRET, p.USDC, key, 0)}, 0, None, 1)
    [wanted] = ledger.reserve(p.run("run-1", flow="grades", at=T0), [item], LIMITLESS, Lease("tests", T0))
    body = grades([1], T0, 1)
    digest = hashlib.sha256(body).hexdigest()
    delivered = Delivered(
        at=T0, status=200, content_type="application/json", sha256=digest, size=len(body), received_at=T0
    )
    ledger.append(wanted, Answered(at=T0, status=200, elapsed_ms=1), delivered, body=Body(body, "application/json"))
    publish_all(tmp_path, ledger)
    assert one(tmp_path, "SELECT money, data, amount_atomic::BIGINT FROM costs") == ("free", "delivered", 0)


def test_provenance_takes_any_text_as_a_key_and_refuses_an_unknown_table(market_home: Path) -> None:
    import duckdb

    for key in ("it's", "3375' OR true --", "", "/", "$of_key", "3375/"):
        assert query(market_home, "FROM provenance('grades', ?)", [key])[1] == []
    assert query(market_home, "FROM provenance(?, ?)", ["moonshots", "NEW"])[1]
    with pytest.raises(duckdb.InvalidInputException, match="no such table"):
        query(market_home, "FROM provenance('grade', '3375')")
