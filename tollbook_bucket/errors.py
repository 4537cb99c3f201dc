"""The errors of object storage. No money is in any: whatever was bought is in the ledger and published locally."""

from __future__ import annotations


class BucketError(Exception):
    """Base: `what` happened, `advice` on what to do. Neither ever holds a credential. `exit_code` is the command's."""

    exit_code = 2

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what, advice)
        self.what = what
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.what}: {self.advice}"


class BadAddress(BucketError, ValueError):
    """Raised for an address with a wrong scheme, without a bucket, or with credentials in it."""


class LibraryMissing(BucketError, ModuleNotFoundError):
    """Raised where the library for object storage is not installed."""


class StoreUnreachable(BucketError):
    """Raised when the store is down, slow or failing."""

    exit_code = 6


class AccessRefused(BucketError, PermissionError):
    """Raised when the store refuses the credentials, or there are none."""


class BucketMissing(BucketError, FileNotFoundError):
    """Raised when the store has no such bucket."""


class NothingPublished(BucketError, FileNotFoundError):
    """Raised when nothing was published at an address."""


class NewerLayout(BucketError):
    """Raised for a publication of a newer tollbook."""


class PublicationDamaged(BucketError):
    """Raised when an object that a publication names is missing, or its bytes are not those of its name."""

    exit_code = 6


class AnotherPublisher(BucketError):
    """Raised when another home publishes at the same address. What it published stays as it is."""
