"""Token Metrics: grades, signals, moonshots, prices and more, by the call, in USDC on Base."""

from __future__ import annotations

from tollbook.sources.model import Seller
from tollbook.sources.tokenmetrics import catalog, grades, moonshots, signals
from tollbook.sources.tokenmetrics.base import NAME

SELLER = Seller(
    name=NAME,
    base_url="https://api.tokenmetrics.com/v2",
    headers={"x-coinbase-402": "true"},
    datasets=(*grades.DATASETS, *signals.DATASETS, *moonshots.DATASETS, *catalog.DATASETS),
    payment_token_header="x-payment-token",
    doc="Never send x-api-key beside the x402 header: it turns the call into a subscription call.",
)
