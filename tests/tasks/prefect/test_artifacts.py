"""The bill as a Prefect artifact: what a person approves has to be on it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from payer.values.errors import QuoteUnacceptable
from tasks.buy.bill import Bill, Line, LostData, Saved
from tasks.buy.caps import CapLine
from tests.tasks.buy.test_bill import USDC, item

CAP = CapLine("caps.USDC.per_run", USDC, 1_000_000, 0, 34_000)
BILL = Bill(
    "backfill",
    USDC,
    (
        Line("trading-signals", 58, (item(1), item(2)), saved=Saved(3, 51_000)),
        Line("tm-grade", 5, (), lost=(LostData("tm-grade", 5, "tm-grade-history", "2026-11-20"),)),
        Line("tokens", 1, (item(3, price=None),), problem=QuoteUnacceptable("payTo: somebody else")),
    ),
    notes=("tm-grade is sold only for now",),
    caps=(CAP,),
    postponed=(item(4),),
)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    from tasks.prefect import artifacts as artifacts

    kept: dict[str, Any] = {}

    async def create(**artifact: Any) -> None:
        kept.update(artifact)

    monkeypatch.setattr(artifacts, "create_table_artifact", create)
    asyncio.run(artifacts.bill_artifact(BILL))
    return kept


def test_the_bill_artifact_has_price_saving_and_gone_cells_per_dataset(shown: dict[str, Any]) -> None:
    signals, grades, tokens, total = shown["table"]
    assert shown["key"] == "backfill-bill"
    assert (signals["a call USDC"], signals["amount USDC"]) == ("0.017", "0.034")
    assert (signals["saved calls"], signals["saved USDC"]) == (3, "0.051")
    assert grades["gone cells"] == 5
    assert (tokens["a call USDC"], tokens["amount USDC"]) == ("unknown", "unknown")
    assert (total["dataset"], total["calls"], total["amount USDC"]) == ("total", 2, "0.034")


def test_above_it_stand_refusals_what_is_left_notes_and_every_cap(shown: dict[str, Any]) -> None:
    words = shown["description"]
    assert words.startswith("backfill: 2 calls, 0.034 USDC")
    assert "Refused: payTo: somebody else" in words
    assert "Left for a later run by the caps: 1 call, 0.017 USDC" in words
    assert "Gone: 5 cells of tm-grade (2026-11-20); tm-grade-history has them" in words
    assert "tm-grade is sold only for now" in words
    assert "| cap | limit USDC | committed USDC | after this bill USDC | verdict |" in words
    assert "| caps.USDC.per_run | 1 | 0 | 0.034 | within cap |" in words


FULL = CapLine("caps.USDC.per_day", USDC, 20_000, 0, 34_000)
OWN = CapLine("--max-cost", USDC, 20_000, 0, 34_000)
SELLERS = CapLine("sellers.tokenmetrics.per_day", USDC, 20_000, 0, 34_000)
TWO = Line("grades", 5, (item(1), item(2)))


def one(*caps: CapLine, line: Line = TWO, **more: Any) -> Bill:
    return Bill("grades", USDC, (line,), caps=caps, **more)


@pytest.mark.parametrize(
    ("bill", "verdict"),
    [
        (one(CAP), "within cap"),
        (one(CAP, FULL, refusal=FULL.refusal()), "refused by per_day"),
        (one(FULL, OWN, refusal=FULL.refusal()), "refused by per_day and max_cost"),
        (one(SELLERS, refusal=SELLERS.refusal()), "refused by sellers.tokenmetrics.per_day"),
        (one(CAP, refusal=QuoteUnacceptable("x is frozen")), "refused: x is frozen"),
        (one(CAP, postponed=(item(3),)), "within cap, 1 call left for a later run"),
        (one(CAP, line=replace(TWO, items=()), postponed=(item(3),)), "left for a later run by the caps"),
        (one(CAP, line=replace(TWO, problem=QuoteUnacceptable("payTo: somebody"))), "refused: payTo: somebody"),
        (one(CAP, line=replace(TWO, items=())), "nothing to buy"),
        (one(CAP, line=replace(TWO, items=(), undelivered=("p",))), "paid and undelivered: waits for a person"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_line_of_the_bill_says_in_words_what_becomes_of_it(bill: Bill, verdict: str) -> None:
    from tasks.prefect.artifacts import line_verdict

    assert line_verdict(bill, bill.lines[0]) == verdict


def cost_row(flow: str, asset: str = "USDC", **more: Any) -> dict[str, Any]:
    nothing = {"calls_paid": 0, "amount": "0", "loss": "0", "in_doubt": "0", "calls_avoided": 0, "saved": "0"}
    return {"flow": flow, "network": "eip155:31337", "asset": asset, **nothing, "rows_new": 1, **more}


def test_costs_begin_with_the_sum_in_the_asset_and_end_with_a_total() -> None:
    from tasks.prefect.artifacts import cost_text

    rows = [cost_row("grades", calls_paid=3, amount="0.051"), cost_row("signals", calls_paid=1, amount="0.017")]
    head, _, table = cost_text(rows).partition("\n\n")
    assert head == "**0.068 USDC spent** in 4 calls. Nothing lost, nothing in doubt."
    first, _, *lines = table.splitlines()
    assert first.startswith("| flow | paid calls | spent | lost | in doubt | asset |")
    assert [line.split(" | ")[:3] for line in lines] == [
        ["| grades", "3", "0.051"],
        ["| signals", "1", "0.017"],
        ["| **total**", "4", "0.068"],
    ]


def test_losses_stand_before_what_was_spent_and_each_asset_has_its_own_total() -> None:
    from tasks.prefect.artifacts import cost_text

    rows = [cost_row("grades", amount="0.051", loss="0.017", in_doubt="0.034", calls_paid=3), cost_row("x", "TMAI")]
    usdc, tmai, table = cost_text(rows).split("\n\n")
    assert usdc.startswith("**0.017 USDC lost**: paid, and nothing that can be used came. 0.034 USDC in doubt. **0.051")
    assert tmai.startswith("**0 TMAI spent**")
    assert table.count("**total**") == 2


def test_nothing_bought_is_said() -> None:
    from tasks.prefect.artifacts import cost_text

    assert cost_text([]) == "Nothing was bought yet."


def test_a_bar_or_a_line_break_of_a_sellers_text_stays_in_its_cell() -> None:
    from tasks.prefect.artifacts import markdown_table

    assert markdown_table([{"why": "a | b\nc"}]).splitlines()[-1] == "| a \\| b c |"


def test_a_server_that_is_gone_is_told_and_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bill is shown before anything is signed: without a server it is a line in the log."""
    from tasks.prefect import artifacts

    logged, asked = [], []

    class Log:
        def warning(self, text: str, *values: object) -> None:
            logged.append(text % values)

    async def hang(**artifact: Any) -> None:
        asked.append(artifact["key"])
        await asyncio.sleep(60)

    monkeypatch.setattr(artifacts, "create_table_artifact", hang)
    monkeypatch.setattr(artifacts, "get_run_logger", Log)
    monkeypatch.setattr(artifacts, "ARTIFACT_SECONDS", 0.01)
    monkeypatch.setattr(artifacts, "_no_server_until", 0.0)
    asyncio.run(artifacts.bill_artifact(BILL))
    asyncio.run(artifacts.bill_artifact(BILL))
    assert asked == ["backfill-bill"]
    assert logged == [
        "backfill-bill is not shown in Prefect (TimeoutError); the ledger has it all the same",
        "backfill-bill is not shown in Prefect (its server did not answer before); the ledger has it all the same",
    ]
    monkeypatch.setattr(artifacts, "_no_server_until", 0.0)


def call(network: str, tx_hash: str | None) -> Any:
    from datetime import UTC, datetime

    from tasks.calls.call import Means, State, WatchedCall
    from tasks.calls.subject import AskedFor

    asked = AskedFor(("3306", "3375"), "2026-11-01", "2026-11-29")
    at, state = datetime(2026, 11, 29, 6, 15, tzinfo=UTC), State.DELIVERED
    told = {"seller": "s", "dataset": "trading-signals", "request": "GET …", "edition": "final", "asset": "USDC"}
    return WatchedCall(
        1, at, state, Means.PAID, "signals", "run", subject=asked, network=network, decimals=6, amount_atomic=17_000,
        tx_hash=tx_hash, **told,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("network", "tx_hash", "shown"),
    [
        ("eip155:8453", "0x" + "ab" * 32, f"[0xabababab…abab](https://basescan.org/tx/0x{'ab' * 32})"),
        ("eip155:84532", "0x" + "ab" * 32, f"[0xabababab…abab](https://sepolia.basescan.org/tx/0x{'ab' * 32})"),
        ("eip155:31337", "0x" + "ab" * 32, "0xabababab…abab"),
        ("eip155:8453", None, "-"),
    ],
)
def test_a_purchase_has_a_link_to_its_transaction_where_its_chain_has_an_explorer(
    network: str, tx_hash: str | None, shown: str
) -> None:
    from tasks.prefect.artifacts import purchases_text

    *_, row = purchases_text([call(network, tx_hash)]).splitlines()
    window = "2026-11-01 to 2026-11-29"
    assert row == (f"| 2026-11-29 06:15 | trading-signals | 3306, 3375 | {window} | 0.017 USDC | delivered | {shown} |")


def test_of_many_purchases_the_first_are_shown_and_the_rest_are_counted() -> None:
    from tasks.prefect.artifacts import MOST_PURCHASES, purchases_text

    text = purchases_text([call("eip155:31337", None)] * (MOST_PURCHASES + 5))
    assert text.endswith("5 more: `tollbook costs --by purchase`")
    assert text.count("trading-signals") == MOST_PURCHASES
