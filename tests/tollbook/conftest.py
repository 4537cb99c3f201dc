"""A published home to read from."""

from __future__ import annotations

from tests.warehouse.conftest import market_home

__all__ = ["market_home"]
