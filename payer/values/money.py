"""Money as integers of atomic units with the asset beside them (design rule: floats raise, Decimal only in reports)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,36})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asset:
    """One token contract on one chain, with *our* EIP-712 data for it (never the seller's)."""

    symbol: str
    chain_id: int
    address: str
    eip712_name: str
    eip712_version: str
    decimals: int

    @property
    def network(self) -> str:
        """CAIP-2 name, as x402 v2 writes it."""
        return f"eip155:{self.chain_id}"


@dataclass(frozen=True, slots=True, order=False)
class Amount:
    """A whole number of atomic units of one asset. Arithmetic across assets raises ValueError."""

    atoms: int
    asset: Asset

    def __post_init__(self) -> None:
        if type(self.atoms) is not int:
            raise TypeError(f"money is an integer of atomic units, not {type(self.atoms).__name__}")

    def _same(self, other: Amount) -> None:
        if self.asset != other.asset:
            raise ValueError(f"amounts of different assets: {self.asset.symbol} and {other.asset.symbol}")

    def __add__(self, other: Amount) -> Amount:
        self._same(other)
        return Amount(self.atoms + other.atoms, self.asset)

    def __sub__(self, other: Amount) -> Amount:
        self._same(other)
        return Amount(self.atoms - other.atoms, self.asset)

    def __mul__(self, times: int) -> Amount:
        return Amount(self.atoms * times, self.asset)

    def __str__(self) -> str:
        return f"{decimal_text(self.atoms, self.asset.decimals)} {self.asset.symbol}"


def decimal_text(atoms: int, decimals: int) -> str:
    """Exact decimal notation of an amount in the asset: 17000 at 6 decimals is "0.017"."""
    text = format(Decimal(atoms).scaleb(-decimals), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact_decimal(atomic: int, decimals: int) -> Decimal:
    """An amount in the asset with all its digits, however many: 17000 at 6 decimals is Decimal("0.017000")."""
    return Decimal(f"{atomic}E-{decimals}")


def parse_decimal(text: str, decimals: int) -> int:
    """Atoms of a decimal string in the asset ("0.10" at 6 decimals is 100000).

    Raises TypeError for anything but a string (a TOML float has already lost digits) and ValueError for a
    sign, an exponent, a non-ASCII digit or more decimals than the asset has.
    """
    if not isinstance(text, str):
        raise TypeError(f'write money as a string such as "0.10", not {type(text).__name__} {text!r}')
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f'{text!r} is not an amount: write plain digits such as "0.10"')
    atoms = Decimal(text).scaleb(decimals)
    if atoms != atoms.to_integral_value():
        raise ValueError(f"{text!r} has more than the asset's {decimals} decimals")
    return int(atoms)
