"""The errors that keep the lake from being written, each with what to do. None touches money, or what is published."""

from __future__ import annotations

from warehouse.errors import WarehouseError


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
