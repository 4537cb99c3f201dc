"""Metrics in Prometheus' text format, in a file that node_exporter's textfile collector reads.

They are read from the ledger and the published file, not counted in a process: whichever process wrote them last, they
are those of all. docs/operating.md lists them.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.errors import Misconfigured, PayerError
from payer.values.money import exact_decimal
from tasks.ops.status import Status, read_status
from tasks.workspace.workspace import Workspace
from warehouse.query import query, update_errors

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

LOGGER = logging.getLogger("tollbook.metrics")
LATENCY_DAYS = 1
"""Latencies are of the calls of so many days."""
QUANTILES = (0.5, 0.95)
Samples = dict[tuple[str, ...], float]
"""Values by the values of their labels."""
METRICS: Mapping[str, str] = {
    "tollbook_spent_asset_units": "Money that the chain took, in whole units of the asset (0.017 is 0.017 USDC).",
    "tollbook_in_doubt_asset_units": "Money that was sent and is neither proved spent nor void.",
    "tollbook_reserved_asset_units": "Money that is reserved, and not sent.",
    "tollbook_lost_asset_units": "Money paid for nothing that can be used: undelivered and failed deliveries.",
    "tollbook_cap_limit_asset_units": "A cap of the current day or month, by its key in the policy.",
    "tollbook_cap_committed_asset_units": "What counts against that cap now.",
    "tollbook_delivered_purchases": "Purchases whose data came.",
    "tollbook_open_purchases": "Purchases with something left to do.",
    "tollbook_undelivered_purchases": "Purchases that were paid and not delivered, and await an operator.",
    "tollbook_failed_deliveries": "Bodies that can't be used, and await an operator.",
    "tollbook_paid_calls": "Calls that were paid for, by flow and dataset.",
    "tollbook_cached_calls": "Calls that the cache saved, by flow and dataset.",
    "tollbook_call_latency_seconds": "Time to the answer of a call of the last day, by quantile.",
    "tollbook_dataset_newest_slot_timestamp_seconds": "Start of the newest day or hour with a row, as published.",
    "tollbook_dataset_late": "1 where the newest row is later than the dataset declares, else 0.",
    "tollbook_ledger_events": "Number of the newest event in the ledger.",
    "tollbook_metrics_timestamp_seconds": "Time at which these metrics were read.",
}
"""Every metric by its name, which ends in its unit, with its meaning."""


async def write_metrics(ws: Workspace) -> None:
    """Write the metrics where TOLLBOOK_METRICS_FILE says, replaced at once; nothing where it is not set.

    A failure is logged and stops nothing: what was bought is booked, and the next run writes them.
    """
    if ws.settings.metrics_file is None:
        return
    unwritten: tuple[type[Exception], ...] = (PayerError, OSError, *update_errors())
    try:
        await ws.in_thread(_write, ws, ws.settings.metrics_file)
    except unwritten as error:
        LOGGER.warning("the metrics could not be written: %s", error)


def _write(ws: Workspace, path: Path) -> None:
    from prometheus_client import write_to_textfile

    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry_of(ws))


def registry_of(ws: Workspace) -> CollectorRegistry:
    """Read every metric now. Raises Misconfigured where prometheus-client is not installed."""
    try:
        from prometheus_client import CollectorRegistry
    except ImportError:
        raise Misconfigured(
            "TOLLBOOK_METRICS_FILE is set, and prometheus-client is not installed",
            advice="install tollbook[metrics], or unset it",
        ) from None
    registry, now = CollectorRegistry(), ws.clock.now()
    _money(registry, read_status(ws))
    _calls(registry, ws, now)
    _freshness(registry, ws.home)
    _gauge(registry, "tollbook_ledger_events", {(): ws.ledger.last_seq()})
    _gauge(registry, "tollbook_metrics_timestamp_seconds", {(): now.timestamp()})
    return registry


def _gauge(
    registry: CollectorRegistry, name: str, values: Mapping[tuple[str, ...], float], labels: tuple[str, ...] = ()
) -> None:
    from prometheus_client import Gauge

    gauge = Gauge(name, METRICS[name], labels, registry=registry)
    for named, value in values.items():
        (gauge.labels(*named) if labels else gauge).set(value)


def _money(registry: CollectorRegistry, status: Status) -> None:
    sums = {"spent": status.spent, "in_doubt": status.in_doubt, "reserved": status.reserved, "lost": status.lost}
    for name, amounts in sums.items():
        values: Samples = {(symbol,): float(status.text(symbol, amount)) for symbol, amount in amounts.items()}
        _gauge(registry, f"tollbook_{name}_asset_units", values, ("asset",))
    for name in ("limit", "committed"):
        caps: Samples = {
            (cap.name, cap.asset.symbol): float(exact_decimal(getattr(cap, name), cap.asset.decimals))
            for cap in status.caps
        }
        _gauge(registry, f"tollbook_cap_{name}_asset_units", caps, ("cap", "asset"))
    counts = {
        "delivered_purchases": status.delivered,
        "open_purchases": len(status.open),
        "undelivered_purchases": len(status.undelivered),
        "failed_deliveries": len(status.failed),
    }
    for name, count in counts.items():
        _gauge(registry, f"tollbook_{name}", {(): count})


def _calls(registry: CollectorRegistry, ws: Workspace, now: datetime) -> None:
    recent: dict[str, list[int]] = {}
    paid = Counter[tuple[str, ...]]()
    for row in ws.ledger.cost_rows():
        if row.money == "spent":
            paid[row.flow, row.dataset] += 1
        if row.latency_ms is not None and now - row.created_at <= timedelta(days=LATENCY_DAYS):
            recent.setdefault(row.dataset, []).append(row.latency_ms)
    cached = Counter[tuple[str, ...]]((avoided.flow, avoided.dataset) for avoided in ws.ledger.avoided_rows())
    _gauge(registry, "tollbook_paid_calls", paid, ("flow", "dataset"))
    _gauge(registry, "tollbook_cached_calls", cached, ("flow", "dataset"))
    latency: Samples = {
        (name, str(quantile)): quantile_of(values, quantile) / 1000
        for name, values in recent.items()
        for quantile in QUANTILES
    }
    _gauge(registry, "tollbook_call_latency_seconds", latency, ("dataset", "quantile"))


def quantile_of(values: Iterable[int], quantile: float) -> int:
    """The smallest value that at least this part of the values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(quantile * 100) // 100) - 1)]


def _freshness(registry: CollectorRegistry, home: Path) -> None:
    """Read the published file; before the first publication there is nothing to say of any dataset."""
    unreadable: tuple[type[Exception], ...] = (FileNotFoundError, *update_errors())
    try:
        _, rows = query(home, "SELECT dataset, epoch(newest_slot), late FROM quality_summary")
    except unreadable:
        rows = []
    newest: Samples = {(str(name),): float(at) for name, at, _ in rows if at is not None}
    late: Samples = {(str(name),): float(bool(is_late)) for name, _, is_late in rows if is_late is not None}
    _gauge(registry, "tollbook_dataset_newest_slot_timestamp_seconds", newest, ("dataset",))
    _gauge(registry, "tollbook_dataset_late", late, ("dataset",))
