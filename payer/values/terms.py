"""From a seller's offer to a signed payment: terms, quote, authorization, header. Amounts in atomic units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from payer.values.money import Asset
from payer.values.secret import SecretStr


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
class Quote:
    """Terms of one endpoint at one time. A quote by itself accepts nothing.

    `baseline` is the price that the last bill reserved for the endpoint; before any bill, the first price quoted.
    """

    endpoint: str
    seller: str
    terms: Terms
    quoted_at: datetime
    baseline: int | None = None

    @property
    def measure(self) -> int:
        """The price that drift is measured from."""
        return self.terms.amount if self.baseline is None else self.baseline


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


@dataclass(frozen=True, slots=True)
class SignedPayment:
    """An authorization with the header that presents it. The header is a bearer secret until settled."""

    authorization: Authorization
    header_name: str
    header_value: SecretStr
