"""The choice among several offers, our own request, and a second asset by policy."""

from __future__ import annotations

import pytest

from tests.payer.offers import (
    DOMAIN,
    PAYEE,
    POLICY_TOML,
    POLYGON_USDC,
    STRANGER,
    challenge_of,
    judged,
    policy,
    refusal,
    v2_offer,
)


class TestSeveralOffers:
    def test_a_cheaper_offer_on_another_chain_is_not_taken(self) -> None:
        cheap = v2_offer(amount="1", network="eip155:137", asset=POLYGON_USDC)
        assert judged(challenge_of(2, cheap, v2_offer())).amount == 20000

    def test_of_several_allowed_offers_the_cheapest_is_taken(self) -> None:
        assert judged(challenge_of(2, v2_offer(), v2_offer(amount="15000"), v2_offer(amount="19999"))).amount == 15000

    def test_a_cheaper_offer_to_a_stranger_is_not_taken(self) -> None:
        assert judged(challenge_of(2, v2_offer(amount="1", payTo=STRANGER), v2_offer())).pay_to == PAYEE

    def test_when_only_permit2_and_other_schemes_are_offered_the_refusal_explains_each(self) -> None:
        permit2 = v2_offer(extra={**DOMAIN, "assetTransferMethod": "permit2"})
        error = refusal(2, v2_offer(scheme="upto"), permit2, v2_offer(scheme="batch-settlement"))
        assert "none of 3 offers is payable in USDC on eip155:8453" in error.what
        for word in ("Permit2", "'upto'", "'batch-settlement'"):
            assert word in error.what

    def test_an_unreadable_offer_is_explained_beside_the_refused_one(self) -> None:
        error = refusal(2, v2_offer(amount=20000), v2_offer(payTo=STRANGER))
        assert error.what.index("payTo") < error.what.index("accepts[0]: amount is 20000")

    @pytest.mark.parametrize("order", [1, -1])
    def test_the_offer_nearest_to_being_allowed_is_explained_first(self, order: int) -> None:
        offers = [v2_offer(network="solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"), v2_offer(payTo=STRANGER)][::order]
        assert "USDC on eip155:8453. payTo: the seller offers" in refusal(2, *offers).what


class TestRequest:
    """Our own request must be the seller's too: nothing is paid because somebody's URL led elsewhere."""

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/v2/tm-grade",
            "http://api.tokenmetrics.com/v2/tm-grade",
            "https://api.tokenmetrics.com/v3/tm-grade",
            "https://api.tokenmetrics.com/v2evil",
            "https://api.tokenmetrics.com/v2/../admin",
            "https://api.tokenmetrics.com@evil.example/v2/tm-grade",
            "ftp://api.tokenmetrics.com/v2/tm-grade",
        ],
    )
    def test_a_request_outside_the_sellers_base_url_is_refused(self, url: str) -> None:
        assert refusal(2, request_url=url).what.startswith("url: ")

    def test_plain_http_is_for_this_machine_only(self) -> None:
        text = POLICY_TOML.replace("https://api.tokenmetrics.com/v2", "http://127.0.0.1:4021/v2")
        local = "http://127.0.0.1:4021/v2/tm-grade"
        assert judged(challenge_of(2, resource={"url": local}), policy(text), request_url=local).amount == 20000
        error = refusal(2, request_url="http://api.tokenmetrics.com/v2/tm-grade")
        assert "https (http to this machine only)" in error.what

    def test_a_seller_that_policy_does_not_name_is_refused(self) -> None:
        error = refusal(2, seller="tokenmetric")
        assert "tokenmetrics" in error.what
        assert "[sellers.tokenmetric]" in error.fix


TMAI = "0xca4569949699d56e1834efe9f58747ca0f151b01"
TMAI_TOML = (
    POLICY_TOML.replace('pay_with = "USDC"', 'pay_with = "TMAI"')
    + f"""
[assets.TMAI]
address = "{TMAI}"
eip712_name = "Token Metrics AI"
eip712_version = "1"
decimals = 18

[caps.TMAI]
per_call = "2.5"
per_run = "20"
per_flow_day = "20"
per_day = "20"
per_month = "100"
"""
)


class TestSecondAsset:
    """TMAI by policy: 18 decimals, caps in its own units, one asset per seller."""

    RULES = policy(TMAI_TOML)
    OFFER = v2_offer(asset=TMAI, amount=str(2 * 10**18), extra={"name": "Token Metrics AI", "version": "1"})

    def test_it_is_paid_when_policy_says_so_and_the_other_is_not(self) -> None:
        terms = judged(challenge_of(2, v2_offer(), self.OFFER), self.RULES)
        assert (terms.asset.symbol, terms.asset.decimals, terms.amount) == ("TMAI", 18, 2 * 10**18)
        assert refusal(2, v2_offer(), rules=self.RULES).what.startswith("asset: ")

    def test_it_is_off_by_default(self) -> None:
        assert refusal(2, self.OFFER).what.startswith("asset: ")

    def test_its_caps_are_in_its_own_atomic_units(self) -> None:
        dear = {**self.OFFER, "amount": str(25 * 10**17 + 1)}
        assert "2.500000000000000001 TMAI" in refusal(2, dear, rules=self.RULES).what

    def test_a_402_with_permit2_alone_is_refused_with_an_explanation(self) -> None:
        offer = {**self.OFFER, "extra": {"assetTransferMethod": "permit2"}}
        assert "Permit2" in refusal(2, offer, rules=self.RULES).what
