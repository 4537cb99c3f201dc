"""Dictionary entries of the tables and views that are ours: costs, quality, nested lists, the file itself."""

from __future__ import annotations

from collections.abc import Mapping

from warehouse.dictionary.entry import TableEntry

TABLES: Mapping[str, TableEntry] = {
    "costs": TableEntry(
        "What was bought: why, for how much, in which transaction, and how many rows it brought",
        ("purchase_id",),
        "created_at",
    ),
    "ledger_costs": TableEntry(
        "Purchases as the ledger has them: the table behind costs", ("purchase_id",), "created_at"
    ),
    "avoided": TableEntry(
        "Calls not made because the cache had the answer, with their price then", ("seq",), "avoided_at"
    ),
    "loads": TableEntry("Bodies loaded, with what their rows brought", ("purchase_id",), "observed_at"),
    "quarantined": TableEntry("Rows and bodies that could not be read, with the reason", (), "observed_at"),
    "drift": TableEntry(
        "Columns that are new, missing or of another type", ("dataset", "column", "change"), "first_seen"
    ),
    "cost_by_flow": TableEntry("What each flow spent and saved", ("flow", "network", "asset")),
    "cost_by_day": TableEntry("What was spent on each day", ("day", "network", "asset"), "day"),
    "cost_by_month": TableEntry("What was spent in each month", ("month", "network", "asset"), "month"),
    "cost_by_dataset": TableEntry("What each dataset cost", ("dataset", "network", "asset")),
    "cost_by_token": TableEntry(
        "What each token's rows cost. Rows of no token, rows that said nothing new and purchases that brought no row "
        "are lines of their own, so that the sum is that of costs",
        ("token_id", "token_symbol", "network", "asset", "brought"),
        nullable=("token_id", "token_symbol"),
    ),
    "cost_per_row": TableEntry(
        "What the rows of each dataset cost, by what they brought. Purchases that brought no row are a line of their "
        "own, so that the sum is that of costs",
        ("dataset", "network", "asset", "brought"),
    ),
    "cost_per_new_row": TableEntry("What a new row of each dataset cost", ("dataset", "network", "asset")),
    "open_purchases": TableEntry("Purchases that are unfinished, or have no data", ("purchase_id",), "created_at"),
    "quality_summary": TableEntry("How fresh and how whole each dataset is that was ever bought", ("dataset",)),
    "quality_datasets": TableEntry("The declared datasets", ("dataset",)),
    "quality_freshness": TableEntry("How fresh each dataset is, judged when you ask", ("dataset",)),
    "quality_keys": TableEntry("How fresh each key of a dataset is, judged when you ask", ("dataset", "key")),
    "quality_held": TableEntry("What is held of each key: the facts behind quality_keys", ("dataset", "key")),
    "quality_gaps": TableEntry("Slots without a row", ("dataset", "key", "first_slot"), "first_slot"),
    "quality_confirmed_empty": TableEntry(
        "Slots that are confirmed to have no row", ("dataset", "key", "first_slot"), "first_slot"
    ),
    "quality_restatements": TableEntry(
        "Values that changed after their row had settled",
        ("table_name", "row_key", "column_name", "seen_at"),
        "seen_at",
    ),
    "quality_duplicates": TableEntry("Rows bought again that said nothing new, and rows that contradict", ("dataset",)),
    "quality_quarantined": TableEntry("Rows that could not be read, by reason", ("dataset", "reason"), "last_seen"),
    "quality_drift": TableEntry(
        "Columns that came, went or changed, against the declaration", ("dataset", "column", "change"), "first_seen"
    ),
    "resistance_support_levels": TableEntry(
        "Levels that the seller nests in a row of resistance_support", ("token_id", "date", "number"), "date"
    ),
    "correlation_pairs": TableEntry(
        "Tokens that the seller nests in a row of correlations", ("token_id", "date", "number"), "date"
    ),
    "price_scenarios": TableEntry(
        "Scenarios that the seller nests in a row of price_predictions", ("token_id", "date", "number"), "date"
    ),
    "scenario_values": TableEntry(
        "Scenarios that the seller nests in a row of scenario_analyses", ("token_id", "date", "number"), "date"
    ),
    "row_keys": TableEntry("The key of every observation as text", (), "observed_at"),
    "published_tables": TableEntry("What can be read: key, time column and datasets", ("table_name",)),
    "table_parts": TableEntry(
        "Number and digest of each table's rows, by load or by day, once `tollbook lake` is used",
        ("table_name", "part"),
    ),
    "publication": TableEntry("What this file shows, and since when", ("ledger_seq",)),
}
"""Tables and views by name. Their columns are in `columns`."""
