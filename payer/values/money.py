"""Money as an integer of atomic units with its asset, and its text. Floats raise; Decimal is for texts only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,36})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asset:
    """One token contract on one chain, with policy's EIP-712 data for it, never the seller's."""

    symbol: str
    chain_id: int
    address: str
    eip712_name: str
    eip712_version: str
    decimals: int

    @property
    def network(self) -> str:
        """The chain's CAIP-2 name, as x402 v2 writes it."""
        return f"eip155:{self.chain_id}"


@dataclass(frozen=True, slots=True)
class Amount:
    """A whole number of atomic units of one asset; its text is "0.017 USDC". Raises TypeError for all but an int."""

    amount_atomic: int
    asset: Asset

    def __post_init__(self) -> None:
        if type(self.amount_atomic) is not int:
            raise TypeError(f"money is an integer of atomic units, not {type(self.amount_atomic).__name__}")

    @property
    def decimal(self) -> str:
        """The amount without the symbol, exactly: "0.017"."""
        return decimal_text(self.amount_atomic, self.asset.decimals)

    def __str__(self) -> str:
        return f"{self.decimal} {self.asset.symbol}"


def decimal_text(amount_atomic: int, decimals: int) -> str:
    """Write atomic units as an exact decimal: 17000 at 6 decimals is "0.017"."""
    text = format(exact_decimal(amount_atomic, decimals), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact_decimal(amount_atomic: int, decimals: int) -> Decimal:
    """Convert atomic units to a Decimal with all its digits: 17000 at 6 decimals is Decimal("0.017000")."""
    return Decimal(f"{amount_atomic}E-{decimals}")


def parse_decimal(text: str, decimals: int) -> int:
    """Read a decimal string as atomic units: "0.10" at 6 decimals is 100000.

    Raises TypeError for anything but a string (a TOML float has already lost digits) and ValueError for a
    sign, an exponent, a non-ASCII digit or more decimals than the asset has.
    """
    if not isinstance(text, str):
        raise TypeError(f'write money as a string such as "0.10", not {type(text).__name__} {text!r}')
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f'{text!r} is not an amount: write plain digits such as "0.10"')
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > decimals:
        raise ValueError(f"{text!r} has more than the asset's {decimals} decimals")
    return int(whole + fraction.ljust(decimals, "0"))
