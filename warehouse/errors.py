"""The errors of the warehouse and the lake, and what counts as an error of the disk. Importing this costs no DuckDB."""

from __future__ import annotations

import sys


class WarehouseError(RuntimeError):
    """Base of the warehouse's own errors: no money is lost by any; whatever was bought is in the ledger."""


class CacheBusy(WarehouseError):
    """Raised when a program that doesn't take our lock, such as a DuckDB shell, holds the cache open."""


class CacheDamaged(WarehouseError):
    """Raised when the cache file can't be read. The next load rebuilds it from the ledger."""


class CacheIncomplete(WarehouseError):
    """Raised when the cache doesn't know everything that was bought: planning on it would buy again. Load first."""


class OtherRelease(WarehouseError):
    """Raised when a published file lacks what this release asks of it: another one wrote it."""


def is_disk_error(error: Exception) -> bool:
    """True for an OSError, and for what DuckDB raises in its place. Who raised one of DuckDB's has imported it."""
    duckdb = sys.modules.get("duckdb")
    if duckdb is not None and isinstance(error, (duckdb.IOException, duckdb.OutOfMemoryException)):
        return True
    return isinstance(error, OSError)


class LakeError(WarehouseError):
    """Base of the lake's errors. `advice` is a sentence for whoever runs tollbook."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice


class LakeMisconfigured(LakeError):
    """Raised for an address that names no lake, and for extensions of DuckDB that aren't installed."""


class LakeUnreachable(LakeError):
    """Raised when the catalog or the storage does not answer, or refuses."""


class LakeTooNew(LakeError):
    """Raised when the lake was written by a newer tollbook, or by a newer DuckLake."""


class LakeBusy(LakeError):
    """Raised when another process wrote the lake at the same time. Nothing of this one's is visible."""


class LakeDiffers(LakeError):
    """Raised when the lake's rows are not the published ones. Nothing was committed."""
