"""Dictionary entries of our own columns: a name means the same in every table, save where a table says more."""

from __future__ import annotations

from collections.abc import Mapping

from sources.model import Evidence
from warehouse.dictionary.entry import NONE, ColumnEntry

ASSET = "the asset"
ATOMIC = "atomic units of the asset"
COUNT = "count"
TIME = "UTC time"
DAY = "UTC day"
_DOCUMENTED, _OBSERVED = Evidence.DOCUMENTED, Evidence.OBSERVED
_SETTLED = "the purchase's settlement or, until then, its order"
_ANSWER = "the time of the answer, `observed_at`"


def _amount(meaning: str, basis: str = _SETTLED) -> tuple[ColumnEntry, ColumnEntry]:
    """An amount in the asset, exact, and the same in atomic units."""
    return ColumnEntry(meaning, ASSET, basis), ColumnEntry(f"{meaning}, as an integer", ATOMIC, basis)


_AMOUNT = _amount("all that is committed: what the chain took or, until it has, may take")
_LOSS = _amount("the part of amount that brought nothing that can be used: undelivered, or a failed delivery")
_PRICE = _amount("price that the call would have had, by the endpoint's last quote; null if never quoted", "avoided_at")
_SHARE = _amount("the row's share of its purchase's amount; null for a row that another table's purchase brought")

COLUMNS: Mapping[str, ColumnEntry] = {
    # rows of sellers' tables
    "observed_at": ColumnEntry("when the body with this row arrived", TIME),
    "purchase_id": ColumnEntry("the purchase that bought it; costs has a row for it"),
    "dataset": ColumnEntry("the dataset: one endpoint of a seller"),
    "row_hash": ColumnEntry("hash of the row's content; equal for equal rows of one table"),
    "seq": ColumnEntry("number of the event in the ledger, in the order of commits"),
    "is_final": ColumnEntry(
        "true once the row no longer changes, by the dataset's declared settling rule", NONE, _ANSWER
    ),
    "public_at": ColumnEntry(
        "when the row was public, by the declared publishing delay or, failing that, when it arrived", TIME
    ),
    "value_at": ColumnEntry("the time that the row's values are of", TIME),
    "valid_from": ColumnEntry("since when this version was the current one", TIME),
    "valid_to": ColumnEntry("until when, exclusive; null for the version that is current now", TIME),
    "at_time": ColumnEntry("time of the event", TIME),
    # purchases
    "purchase_key": ColumnEntry("SHA-256 of the canonical request and its edition"),
    "generation": ColumnEntry("counts purchases of one key; rises only by operator approval", COUNT),
    "run_id": ColumnEntry("the run that ordered it"),
    "flow": ColumnEntry("the flow that ordered it, such as grades"),
    "deployment": ColumnEntry("the Prefect deployment; null outside Prefect"),
    "flow_run_id": ColumnEntry("the Prefect flow run; null outside Prefect"),
    "reason": ColumnEntry("why the run was started: a schedule, a person, a backfill"),
    "seller": ColumnEntry("the seller's name in policy.toml"),
    "request": ColumnEntry("method and URL with parameters"),
    "edition": ColumnEntry("the freshness bucket that was bought: a day, an hour, or final"),
    "network": ColumnEntry("chain of the asset, as CAIP-2"),
    "asset": ColumnEntry("symbol of the asset that was paid with, such as USDC"),
    "decimals": ColumnEntry("decimal places of the asset: 10 ** decimals atomic units are one", COUNT),
    "amount": _AMOUNT[0],
    "amount_atomic": _AMOUNT[1],
    "loss": _LOSS[0],
    "loss_atomic": _LOSS[1],
    "money": ColumnEntry("reserved, exposed, spent, void (can never be taken) or free (delivered for nothing)"),
    "data": ColumnEntry("absent or delivered"),
    "undelivered": ColumnEntry("true if it was spent and every claim failed"),
    "failure": ColumnEntry("why the body that came can't be used; null if it can"),
    "denied": ColumnEntry("why the seller refused the request; null if it didn't"),
    "wallet": ColumnEntry("address that pays"),
    "payee": ColumnEntry(
        "address that was paid or, until then, that the accepted terms name; null for a free purchase"
    ),
    "nonce": ColumnEntry("the EIP-3009 nonce: with the wallet it is unique on chain"),
    "tx_hash": ColumnEntry("transaction that settled it, found on chain; null until then", NONE, NONE, _OBSERVED),
    "block_number": ColumnEntry("block of the transaction", NONE, NONE, _OBSERVED),
    "block_time": ColumnEntry("time of that block: when it settled", TIME, NONE, _OBSERVED),
    "verified_on_chain": ColumnEntry("true once the transaction was found on chain", NONE, NONE, _OBSERVED),
    "attempts": ColumnEntry("times that the payment was presented or claimed", COUNT),
    "latency_ms": ColumnEntry("time to the seller's last answer", "milliseconds", NONE, _OBSERVED),
    "created_at": ColumnEntry("when it was ordered", TIME),
    "delivered_at": ColumnEntry("when the body arrived; null without one", TIME),
    "rows_delivered": ColumnEntry("rows in the body, whatever they brought", COUNT),
    "rows_in": ColumnEntry("rows in the body, whatever they brought", COUNT),
    "rows_new": ColumnEntry("rows of keys that were not held before", COUNT),
    "rows_changed": ColumnEntry("rows that were held and came with other values", COUNT),
    "rows_checked": ColumnEntry("rows that were held already and came again, changed or not", COUNT),
    "rows_unchanged": ColumnEntry("rows that were held and came with the same values", COUNT),
    "rows_conflicting": ColumnEntry("rows of a key that the same body holds twice, with other values", COUNT),
    "rows_quarantined": ColumnEntry("rows that could not be read", COUNT),
    "envelope": ColumnEntry("ok, or what was wrong with the body as a whole"),
    # sums
    "calls_paid": ColumnEntry("purchases that are spent or exposed", COUNT, _SETTLED),
    "in_doubt": ColumnEntry("the part of amount that was sent and is neither proved spent nor void", ASSET, _SETTLED),
    "calls_avoided": ColumnEntry("calls not made because the cache had the answer", COUNT, "avoided_at"),
    "saved": ColumnEntry("what those calls would have cost, at their last quoted price", ASSET, "avoided_at"),
    "avoided_at": ColumnEntry("when the call was not made", TIME),
    "price": _PRICE[0],
    "price_atomic": _PRICE[1],
    "day": ColumnEntry("day of the settlement or, until then, of the order", DAY),
    "month": ColumnEntry("first day of the month of the settlement or, until then, of the order", DAY),
    "brought": ColumnEntry("what the money brought: rows by what they said, or no row"),
    "rows": ColumnEntry("rows of the group", COUNT),
    "purchases": ColumnEntry("purchases of the group", COUNT),
    "amount_per_row": _SHARE[0],
    "amount_per_row_atomic": _SHARE[1],
    "amount_per_new_row": ColumnEntry(
        "amount divided by rows_new, a mean; null without new rows", f"{ASSET} per row", _SETTLED
    ),
    # quality
    "key": ColumnEntry("what a row is about: a token id, an index id, a query; * for a listing"),
    "table_name": ColumnEntry("the published table"),
    "kind": ColumnEntry("series, snapshot or reference"),
    "cadence": ColumnEntry("length of a slot", "duration"),
    "repaired_by": ColumnEntry("the dataset that sells missed slots later; null for none"),
    "watched": ColumnEntry("true if the schedule requests this key; null for a dataset without a watch list"),
    "oldest_slot": ColumnEntry("beginning of the oldest slot that is held", TIME),
    "newest_slot": ColumnEntry("beginning of the newest slot that is held", TIME),
    "oldest_newest_slot": ColumnEntry("the newest slot of the key that is furthest behind", TIME),
    "due_at": ColumnEntry("when the next slot is due by the dataset's cadence", TIME),
    "judged_by": ColumnEntry("the rule that lateness was judged by: schedule or cadence"),
    "expected_at": ColumnEntry("when the next slot counts as late", TIME),
    "late": ColumnEntry("true if it is late; null for a key that the schedule doesn't request", NONE, "now"),
    "keys": ColumnEntry("keys that are held or watched", COUNT),
    "keys_late": ColumnEntry("keys that are late", COUNT, "now"),
    "keys_with_gaps": ColumnEntry("keys with at least one gap", COUNT),
    "last_delivery": ColumnEntry("when the newest body arrived", TIME),
    "last_news": ColumnEntry("when the newest body with a new or changed row arrived", TIME),
    "first_slot": ColumnEntry("beginning of the first slot of the gap", TIME),
    "last_slot": ColumnEntry("beginning of its last slot", TIME),
    "slots": ColumnEntry("slots in it", COUNT),
    "slots_missing": ColumnEntry("slots in gaps, over all keys", COUNT),
    "slots_unconfirmed": ColumnEntry("slots that were asked for and not delivered, over all keys", COUNT),
    "slots_confirmed_empty": ColumnEntry("slots that the seller has no row for, over all keys", COUNT),
    "can_be_bought": ColumnEntry("true if a verb still buys it"),
    "state": ColumnEntry("never asked, unconfirmed, failed or confirmed empty"),
    "asked": ColumnEntry("times that it was asked for", COUNT),
    "last_asked_at": ColumnEntry("when it was last asked for", TIME),
    "asked_again_at": ColumnEntry("when it is asked for again", TIME),
    "before_first_row": ColumnEntry("true for slots before the key's first row"),
    "unconfirmed": ColumnEntry("slots that were asked for and not delivered", COUNT),
    "confirmed_empty": ColumnEntry("slots that the seller has no row for", COUNT),
    "ended": ColumnEntry("true if no more rows of the key are expected"),
    "deliveries": ColumnEntry("bodies that arrived", COUNT),
    "failed_bodies": ColumnEntry("bodies that could not be used", COUNT),
    "columns_drifted": ColumnEntry("columns that came, went or changed", COUNT),
    "column": ColumnEntry("the column, in the seller's spelling"),
    "change": ColumnEntry("new, vanished or changed"),
    "detail": ColumnEntry("the type that was seen"),
    "first_seen": ColumnEntry("when it was first seen", TIME),
    "last_seen": ColumnEntry("when it was last seen", TIME),
    "raw": ColumnEntry("the row as it was delivered", NONE, _ANSWER, _OBSERVED),
    "example": ColumnEntry("the reason in full, of the first such row"),
    "example_raw": ColumnEntry("the first such row as it was delivered", NONE, NONE, _OBSERVED),
    "column_name": ColumnEntry("the column whose value changed"),
    "seen_before": ColumnEntry("when the body with the value before arrived", TIME),
    "seen_at": ColumnEntry("when the body with the value after arrived", TIME),
    "before": ColumnEntry("the value before", "that of the column"),
    "after": ColumnEntry("the value after", "that of the column"),
    # the file itself
    "layout": ColumnEntry("version of the file's layout"),
    "shape": ColumnEntry("fingerprint of its tables, views and comments"),
    "ledger_seq": ColumnEntry("the ledger's newest event that the file shows"),
    "ledger_mark": ColumnEntry("hash of that event: tells one ledger from another"),
    "loads": ColumnEntry("bodies loaded", COUNT),
    "avoided_seq": ColumnEntry("the newest avoided call that the file shows"),
    "build": ColumnEntry("the cache that the file was made from"),
    "rewinds": ColumnEntry("replays of that cache that the file shows", COUNT),
    "published_at": ColumnEntry("when the file was published", TIME),
    "part": ColumnEntry("a row's seq, in steps of 1,024; of costs and provenance its day since 1970"),
    "digest": ColumnEntry("XOR of DuckDB's hash of each row"),
    "engine": ColumnEntry("version of the DuckDB that hashed them"),
    "natural_key": ColumnEntry("the columns that tell its rows apart"),
    "time_column": ColumnEntry("the column that dates its rows; null for none"),
    "datasets": ColumnEntry("the datasets that fill it; none for a table of our own"),
    "row_key": ColumnEntry("the natural key as text, joined by slashes, as provenance takes it"),
    "own_file": ColumnEntry("true: macros ask for this view to see that they run in their own file"),
    # elements of nested lists
    "token_id": ColumnEntry("the seller's id of the token; null where the row is of no token", NONE, NONE, _OBSERVED),
    "token_symbol": ColumnEntry("symbol of the token", NONE, NONE, _OBSERVED),
    "date": ColumnEntry("UTC day of the row", DAY, NONE, _DOCUMENTED),
    "number": ColumnEntry("place of the element in the list, from 1", COUNT),
    "element": ColumnEntry("the element as it was delivered, as JSON", NONE, _ANSWER, _OBSERVED),
    "level": ColumnEntry("price level of resistance or support", "USD", "level_date", Evidence.INFERRED),
    "level_date": ColumnEntry("day of the level", DAY, NONE, Evidence.INFERRED),
    "with_token": ColumnEntry("the other token, as the seller names it", NONE, NONE, Evidence.INFERRED),
    "correlation": ColumnEntry("correlation of the two", "-1 to 1", _ANSWER, Evidence.INFERRED),
    "scenario": ColumnEntry(
        "name of the scenario, such as 4T: the market's capitalisation in USD", NONE, NONE, _DOCUMENTED
    ),
    "value": ColumnEntry("value of the scenario", "unknown", _ANSWER, Evidence.INFERRED),
    "predicted_date": ColumnEntry("day that the prediction is for", DAY, NONE, _DOCUMENTED),
    "current_price": ColumnEntry("price when the prediction was made", "USD", _ANSWER, _DOCUMENTED),
    "price_bear": ColumnEntry("price in the scenario, bear case", "USD", "predicted_date", _DOCUMENTED),
    "price_base": ColumnEntry("price in the scenario, base case", "USD", "predicted_date", _DOCUMENTED),
    "price_moon": ColumnEntry("price in the scenario, best case", "USD", "predicted_date", _DOCUMENTED),
}

SPECIAL: Mapping[tuple[str, str], ColumnEntry] = {
    ("quality_quarantined", "reason"): ColumnEntry("why the rows could not be read, without the value"),
    ("quarantined", "reason"): ColumnEntry("why the row could not be read"),
    ("cost_per_row", "amount_per_row"): ColumnEntry(
        "amount divided by rows, a mean; null without rows", f"{ASSET} per row", _SETTLED
    ),
    ("quality_datasets", "dataset"): ColumnEntry("the dataset, whether bought or not"),
}
"""Columns that mean something of their own in one table."""
