"""Compare what is published with the manifest and the ledger. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from payer.values.ledger_reads import CostRow, LedgerReader
from warehouse.cache.integrity import first_line, read_through
from warehouse.cache.locking import file_lock
from warehouse.cache.store import Cache
from warehouse.errors import CacheDamaged
from warehouse.publish.publish import read_error
from warehouse.snapshots.layout import PUBLISH_LOCK, is_older
from warehouse.snapshots.manifest import FILES, Manifest, ManifestDamaged, SnapshotFile, contents, read_manifest
from warehouse.snapshots.verify import rows_and_purchases, sha256_of
from warehouse.snapshots.write import total_cost

_NAMED = 3
"""Purchases named in a fault that has more."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, as a sentence, and the purchases whose rows it concerns.

    `repairable` False: a thorough publication doesn't repair it.
    """

    detail: str
    purchases: tuple[str, ...] = ()
    repairable: bool = True

    def __str__(self) -> str:
        named = ", ".join(self.purchases[:_NAMED])
        more = f" and {len(self.purchases) - _NAMED} more" if len(self.purchases) > _NAMED else ""
        return f"{self.detail} (purchases {named}{more})" if named else self.detail


def check_published(home: Path, ledger: LedgerReader) -> list[Fault]:
    """Check snapshots, the analysts' file and its standby, while no other process publishes. Empty: all is well."""
    published = home / "published"
    if not published.exists():
        return []
    with file_lock(published / PUBLISH_LOCK):
        faults = check_snapshots(published / "snapshots", ledger)
        for name in ("warehouse.duckdb", ".private/standby.duckdb"):
            if why := read_error(published / name):
                faults.append(Fault(f"{name} can't be read: {why}"))
        return faults


def check_cache(home: Path) -> list[Fault]:
    import duckdb

    cache = Cache(home)
    if not cache.path.exists():
        return []
    try:
        with cache.open() as con:
            read_through(con, "cache")
    except (CacheDamaged, duckdb.Error) as error:
        return [Fault(f"the cache can't be read: {first_line(error)}")]
    return []


def check_snapshots(root: Path, ledger: LedgerReader | None = None) -> list[Fault]:
    """Find files that are missing, damaged or not in the manifest, and rows or purchases other than in the manifest.

    With a ledger, also purchases that it lacks and costs that differ. What an older tollbook published is checked once
    the next publication has moved it. Callers hold PUBLISH_LOCK.
    """
    if is_older(root):
        return []
    try:
        manifest = read_manifest(root)
    except ManifestDamaged as error:
        return [Fault(str(error))]
    costs = None if ledger is None else {row.purchase_id: row for row in ledger.cost_rows()}
    faults = [*_unknown_files(root, manifest)]
    for file in manifest.files:
        damaged = [Fault(detail, file.purchases) for detail in _damage(root, file)]
        faults += damaged or [*_check_content(root, file)]
        if costs is not None:
            faults += _compare_with_ledger(costs, file)
    return faults


def _unknown_files(root: Path, manifest: Manifest) -> Iterator[Fault]:
    links = {file.link for file in manifest.files}
    known = {file.content for file in manifest.files} | set(manifest.retired)
    shown = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    stored = {f"{FILES}/{path.name}" for path in contents(root).glob("*")}
    for name in sorted((shown - links) | (stored - known)):
        yield Fault(f"{name.removeprefix('../')} is not in the manifest")


def _damage(root: Path, file: SnapshotFile) -> Iterator[str]:
    for name in (file.content, file.link):
        if not (root / name).exists():
            yield f"{name} is missing"
        elif sha256_of(root / name) != file.sha256:
            yield f"{name} does not have the hash in the manifest"


def _check_content(root: Path, file: SnapshotFile) -> Iterator[Fault]:
    """Compare a file that has its hash with the manifest's rows and purchases."""
    content = rows_and_purchases(root / file.content)
    if content is None:
        yield Fault(f"{file.content} can't be read", file.purchases)
        return
    rows, purchases = content
    if rows != file.rows:
        yield Fault(f"{file.link} has {rows} rows, {file.rows} by the manifest", file.purchases)
    if other := purchases.symmetric_difference(file.purchases):
        yield Fault(f"{file.link} has rows of other purchases than the manifest says", tuple(sorted(other)))


def _compare_with_ledger(costs: Mapping[str, CostRow], file: SnapshotFile) -> Iterator[Fault]:
    lacking = tuple(purchase for purchase in file.purchases if purchase not in costs)
    if lacking:
        yield Fault(f"{file.link} has rows of purchases that the ledger lacks", lacking, repairable=False)
    elif (cost := total_cost(costs[purchase] for purchase in file.purchases)) != file.cost:
        detail = f"{file.link} cost {_text(cost)} by the ledger, {_text(file.cost)} by the manifest"
        yield Fault(detail, file.purchases)


def _text(amounts: Mapping[str, str]) -> str:
    return ", ".join(f"{amount} {asset}" for asset, amount in amounts.items()) or "nothing"
