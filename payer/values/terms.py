"""From a seller's offer to a signed payment: terms, quote, authorization, header. Amounts in atomic units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from payer.values.money import Asset


@dataclass(frozen=True, slots=True)
class Terms:
    """One `accepts` entry that policy allows. The texts are JSON as the seller wrote it, echoed unchanged (x402 v2)."""

    version: int
    asset: Asset
    pay_to: str
    amount: int
    max_timeout: int
    accepted: str
    resource: str = "{}"
    extensions: str = "{}"


@dataclass(frozen=True, slots=True)
class AcceptedPrice:
    """A price that a bill reserved, or an operator accepted, at one time."""

    at: datetime
    amount: int


@dataclass(frozen=True, slots=True)
class Quote:
    """Terms of one endpoint at one time. A quote by itself accepts nothing.

    `baseline` is the price that the last bill reserved for the endpoint; before any bill, the first price quoted.
    `base` is the fixed price that only an operator moves, at first that of the first bill; `accepted` are the prices of
    the last 30 days that count, newest last.
    """

    endpoint: str
    seller: str
    terms: Terms
    quoted_at: datetime
    baseline: int | None = None
    base: int | None = None
    accepted: tuple[AcceptedPrice, ...] = ()

    @property
    def measure(self) -> int:
        """The price of the last bill, or the first one quoted."""
        return self.terms.amount if self.baseline is None else self.baseline

    @property
    def fixed_base(self) -> int:
        """The base that drift is measured from; before the first bill, the first price quoted."""
        return self.measure if self.base is None else self.base


@dataclass(frozen=True, slots=True)
class Authorization:
    """EIP-3009 TransferWithAuthorization: exactly what is signed.

    Valid strictly between `valid_after` and `valid_before`, both in unix seconds.
    """

    asset: Asset
    payer: str
    pay_to: str
    value: int
    valid_after: int
    valid_before: int
    nonce: str


class SecretStr(str):
    """Text to send and never to show: signatures, payment headers (I10). Its repr hides it, in tracebacks too."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"


@dataclass(frozen=True, slots=True)
class SignedPayment:
    """An authorization with the header that presents it. The header is a bearer secret until settled."""

    authorization: Authorization
    header_name: str
    header_value: SecretStr
