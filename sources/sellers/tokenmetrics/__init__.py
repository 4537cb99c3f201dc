"""Token Metrics: grades, signals, moonshots, prices and more, sold by the call in USDC on Base.

Reading order: base (what all endpoints share) · meanings (of columns) · grades · signals · market · research.
Left out: the chat at /tmai, which is no dataset, and the legacy trader-, investor-, sector- and index- endpoints.
"""

from __future__ import annotations

from sources.model import Seller
from sources.sellers.tokenmetrics import grades, market, research, signals
from sources.sellers.tokenmetrics.base import NAME

SELLER = Seller(
    name=NAME,
    base_url="https://api.tokenmetrics.com/v2",
    headers={"x-coinbase-402": "true"},
    datasets=(*grades.DATASETS, *signals.DATASETS, *market.DATASETS, *research.DATASETS, *market.FREE),
    payment_token_header="x-payment-token",
    doc="Never send x-api-key beside the x402 header: it turns the call into a subscriber's (documented).",
)
