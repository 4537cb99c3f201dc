"""The judge of a body: the payer knows no datasets, so its caller says what can be used."""

from __future__ import annotations

from typing import Protocol

from payer.values.purchase import Delivery


class BodyCheck(Protocol):
    """Say whether a delivered body can be used. Pure, and never raises for what a body contains."""

    def __call__(self, delivery: Delivery) -> str:
        """Return why nothing in the body can be used, "" if something can or if it is an honest empty answer."""
        ...
