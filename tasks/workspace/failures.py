"""The payer's errors by the name that flows know them by."""

from __future__ import annotations

from payer.values.errors import PayerError

__all__ = ["PayerError"]
