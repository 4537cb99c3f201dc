"""Whether what is published is what the manifest and the ledger say. Asks nobody, changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from payer.values.ledger_reads import CostRow, LedgerReader
from warehouse.cache.damage import first_line
from warehouse.cache.fingerprint import read_through
from warehouse.cache.store import Cache
from warehouse.errors import CacheDamaged
from warehouse.publish.repair import trouble_with
from warehouse.snapshots.manifest import File, Manifest, ManifestDamaged, read_manifest
from warehouse.snapshots.verify import says, sha256_of
from warehouse.snapshots.write import cost

_NAMED = 3
"""Purchases named for a file that has more."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, as a sentence, and whose rows it concerns. Not `mendable`: no publication mends it."""

    detail: str
    purchases: tuple[str, ...] = ()
    mendable: bool = True

    def __str__(self) -> str:
        named = ", ".join(self.purchases[:_NAMED])
        more = f" and {len(self.purchases) - _NAMED} more" if len(self.purchases) > _NAMED else ""
        return f"{self.detail} (purchases {named}{more})" if named else self.detail


def check_published(home: Path, ledger: LedgerReader) -> list[Fault]:
    """Snapshots, the analysts' file and its standby, while nobody publishes. Empty: all is well."""
    published = home / "published"
    if not published.exists():
        return []
    with FileLock(published / ".publish.lock"):
        return [*check(published / "snapshots", ledger), *_files(published)]


def check_cache(home: Path) -> list[Fault]:
    """Whether the cache can be read to its end."""
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


def _files(published: Path) -> Iterator[Fault]:
    for name in ("warehouse.duckdb", ".private/standby.duckdb"):
        if why := trouble_with(published / name):
            yield Fault(f"{name} can't be read: {why}")


def check(root: Path, ledger: LedgerReader | None = None) -> list[Fault]:
    """What is wrong with the snapshots: files that are missing, damaged or unknown, or say other than the manifest of
    rows and purchases; with a ledger, also other than it says of purchases and cost. Hold the publication's lock."""
    try:
        manifest = read_manifest(root)
    except ManifestDamaged as error:
        return [Fault(str(error))]
    books = None if ledger is None else {row.purchase_id: row for row in ledger.cost_rows()}
    faults = [*_unknown(root, manifest)]
    for file in manifest.files:
        broken = [Fault(words, file.purchases) for words in _bytes(root, file)]
        faults += broken or [*_content(root, file)]
        if books is not None:
            faults += _against(books, file)
    return faults


def _unknown(root: Path, manifest: Manifest) -> Iterator[Fault]:
    links = {file.link for file in manifest.files}
    contents = {file.content for file in manifest.files} | set(manifest.retired)
    for pattern, known in (("dataset=*/month=*/*", links), (".files/*", contents)):
        for path in sorted(root.glob(pattern)):
            if str(path.relative_to(root)) not in known:
                yield Fault(f"{path.relative_to(root)} is not in the manifest")


def _bytes(root: Path, file: File) -> Iterator[str]:
    for name in (file.content, file.link):
        if not (root / name).exists():
            yield f"{name} is missing"
        elif sha256_of(root / name) != file.sha256:
            yield f"{name} does not have the hash in the manifest"


def _content(root: Path, file: File) -> Iterator[Fault]:
    """A file that has its hash, against what the manifest says is in it."""
    found = says(root / file.content)
    if found is None:
        yield Fault(f"{file.content} can't be read", file.purchases)
        return
    rows, brought = found
    if rows != file.rows:
        yield Fault(f"{file.link} has {rows} rows, {file.rows} by the manifest", file.purchases)
    if other := brought.symmetric_difference(file.purchases):
        yield Fault(f"{file.link} has rows of other purchases than the manifest says", tuple(sorted(other)))


def _against(books: Mapping[str, CostRow], file: File) -> Iterator[Fault]:
    lacking = tuple(purchase for purchase in file.purchases if purchase not in books)
    if lacking:
        yield Fault(f"{file.link} has rows of purchases that the ledger lacks", lacking, mendable=False)
    elif (now := cost(books[purchase] for purchase in file.purchases)) != file.cost:
        yield Fault(
            f"{file.link} cost {_money(now)} by the ledger, {_money(file.cost)} by the manifest", file.purchases
        )


def _money(amounts: Mapping[str, str]) -> str:
    return ", ".join(f"{amount} {asset}" for asset, amount in amounts.items()) or "nothing"
