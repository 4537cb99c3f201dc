"""Every known way to make a payer sign what it should not: no terms come out, and the error says why.

Attacks on the transport are in tests/payer/http/test_not_sent.py, by a chain server in tests/payer/chain/, by malformed
terms in tests/payer/wire/.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from payer.policy.price_drift import PriceLimit, limit_of
from payer.values.terms import Quote
from tests.payer.offers import (
    DOMAIN,
    FIRST_USE_TOML,
    NOW,
    PAYEE,
    POLICY_TOML,
    POLYGON_USDC,
    STRANGER,
    URL,
    USDC,
    WALLET,
    challenge_of,
    judged,
    offer_of,
    paid,
    policy,
    refusal,
    v2_offer,
)

LOOK_ALIKE = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02914".lower()


@dataclass(frozen=True)
class Attack:
    """An offer changed in one way, the field that the refusal must name, and what else it must say."""

    name: str
    field: str
    change: dict[str, Any]
    says: str = ""
    versions: tuple[int, ...] = (1, 2)


ATTACKS = [
    Attack("payTo swapped in transit", "payTo", {"payTo": STRANGER}, PAYEE),
    Attack("payTo is the zero address", "payTo", {"payTo": "0x" + "00" * 20}),
    Attack("payTo is ourselves", "payTo", {"payTo": WALLET.address}),
    Attack("payTo is the token itself", "payTo", {"payTo": USDC}),
    Attack("payTo with a mistyped checksum", "payTo", {"payTo": PAYEE.replace("6afc", "6Afc")}, "checksum"),
    Attack("payTo is no address", "payTo", {"payTo": "tokenmetrics.eth"}, "0x"),
    Attack("payTo is too long", "payTo", {"payTo": PAYEE + "00"}),
    Attack("payTo in look-alike letters", "payTo", {"payTo": PAYEE.replace("a", "а")}),
    Attack("a look-alike asset", "asset", {"asset": LOOK_ALIKE}, USDC),
    Attack("another chain's USDC", "asset", {"asset": POLYGON_USDC}, USDC),
    Attack("another chain", "network", {"network": "eip155:137"}, "eip155:8453", (2,)),
    Attack("another chain, v1", "network", {"network": "polygon"}, "base", (1,)),
    Attack("the test chain", "network", {"network": "eip155:84532"}, "eip155:8453", (2,)),
    Attack("v1's network name in v2", "network", {"network": "base"}, "eip155:8453", (2,)),
    Attack("v2's network name in v1", "network", {"network": "eip155:8453"}, "base", (1,)),
    Attack("a network in another case", "network", {"network": "EIP155:8453"}, "eip155:8453", (2,)),
    Attack("the wrong EIP-712 name", "extra.name", {"extra": {"name": "USDC", "version": "2"}}, "USD Coin"),
    Attack("the wrong EIP-712 version", "extra.version", {"extra": {"name": "USD Coin", "version": "1"}}, "'2'"),
    Attack("an EIP-712 version of the wrong type", "extra.version", {"extra": {**DOMAIN, "version": 2}}, "'2'"),
    Attack("scheme upto", "scheme", {"scheme": "upto"}, "exact"),
    Attack("scheme batch-settlement", "scheme", {"scheme": "batch-settlement"}, "exact"),
    Attack("scheme in another case", "scheme", {"scheme": "Exact"}, "exact"),
    Attack("Permit2", "extra.assetTransferMethod", {"extra": {**DOMAIN, "assetTransferMethod": "permit2"}}, "Permit2"),
    Attack("ERC-7710", "extra.assetTransferMethod", {"extra": {**DOMAIN, "assetTransferMethod": "erc7710"}}, "eip3009"),
    Attack("a method that is no text", "extra.assetTransferMethod", {"extra": {**DOMAIN, "assetTransferMethod": 1}}),
    Attack(
        "paymentFlow upfront", "extra.paymentFlow", {"extra": {**DOMAIN, "paymentFlow": "upfront"}}, "authorization"
    ),
    Attack("paymentFlow escrow", "extra.paymentFlow", {"extra": {**DOMAIN, "paymentFlow": "escrow"}}, "authorization"),
    Attack("a price over the cap of one call", "amount", {"amount": "100001"}, "caps.USDC.per_call"),
    Attack("a price of 10^30", "amount", {"amount": "1" + "0" * 30}, "caps.USDC.per_call"),
    Attack("the largest uint256", "amount", {"amount": str(2**256 - 1)}, "0.1 USDC"),
    Attack("no validity at all", "maxTimeoutSeconds", {"maxTimeoutSeconds": 0}, "1 to 31536000"),
    Attack("negative validity", "maxTimeoutSeconds", {"maxTimeoutSeconds": -60}, "1 to 31536000"),
    Attack("ten years of validity", "maxTimeoutSeconds", {"maxTimeoutSeconds": 315_360_000}, "1 to 31536000"),
    Attack("endless validity", "maxTimeoutSeconds", {"maxTimeoutSeconds": 10**60}, "1 to 31536000"),
]
CASES = [pytest.param(version, a, id=f"v{version}: {a.name}") for a in ATTACKS for version in a.versions]


@pytest.mark.parametrize(("version", "attack"), CASES)
def test_an_offer_outside_policy_is_refused_naming_the_field_and_what_is_allowed(version: int, attack: Attack) -> None:
    """I6. The refusal says what was offered, what is allowed, and what an operator can do."""
    error = refusal(version, offer_of(version, **attack.change))
    assert error.what.startswith(f"{attack.field}: the seller offers ")
    assert "allowed is" in error.what
    assert attack.says in error.what
    assert error.fix
    assert error.what.isprintable()
    assert (error.exit_code, error.money) == (3, "none was sent")


@pytest.mark.parametrize("version", [1, 2])
def test_good_terms_are_allowed_and_signed_with_our_own_domain(version: int) -> None:
    """The control: without an attack the same judge says yes, so no refusal above is an accident."""
    terms = judged(challenge_of(version))
    assert (terms.version, terms.amount, terms.pay_to, terms.max_timeout) == (version, 20000, PAYEE, 60)
    assert terms.asset == policy().assets["USDC"]


@pytest.mark.parametrize("extra", [None, {}, {"name": "USD Coin"}, {**DOMAIN, "assetTransferMethod": "eip3009"}])
def test_missing_domain_data_is_taken_from_policy_only(extra: dict[str, Any] | None) -> None:
    terms = judged(challenge_of(2, v2_offer(extra=extra)))
    assert (terms.asset.eip712_name, terms.asset.eip712_version) == ("USD Coin", "2")


def test_a_label_beside_the_domains_name_needs_operator_approval() -> None:
    offer = v2_offer(extra={"name": "usdc", "version": "2"})
    assert "also_named" in refusal(2, offer).fix
    allowed = policy(POLICY_TOML.replace("decimals = 6", 'decimals = 6\nalso_named = ["usdc"]'))
    assert judged(challenge_of(2, offer), allowed).asset.eip712_name == "USD Coin"


class TestExtensions:
    @pytest.mark.parametrize("name", ["erc20ApprovalGasSponsoring", "eip2612GasSponsoring"])
    def test_a_wish_for_an_approval_is_refused_even_beside_good_terms(self, name: str) -> None:
        error = refusal(2, v2_offer(), extensions={name: {"info": {}}})
        assert error.what.startswith(f"extensions.{name}")

    def test_an_unknown_extension_is_echoed_and_nothing_of_it_is_signed(self) -> None:
        terms = judged(challenge_of(2, extensions={"sign-in-with-x": {"info": {"domain": "evil.example"}}}))
        assert terms.amount == 20000


class TestPayee:
    FIRST_USE = policy(FIRST_USE_TOML)

    def test_the_first_payee_is_taken_when_policy_says_first_use(self) -> None:
        assert judged(challenge_of(2, v2_offer(payTo=STRANGER)), self.FIRST_USE).pay_to == STRANGER

    def test_a_change_of_the_recorded_payee_is_refused_and_shown(self) -> None:
        error = refusal(2, v2_offer(payTo=STRANGER), rules=self.FIRST_USE, pinned_pay_to=PAYEE)
        assert STRANGER in error.what
        assert f"{PAYEE}, recorded at first use" in error.what
        assert "confirm the new address with the seller" in error.fix

    @pytest.mark.parametrize("spelling", [PAYEE, PAYEE.lower(), "0x" + PAYEE[2:].upper()])
    def test_one_address_in_any_spelling_is_the_same_payee(self, spelling: str) -> None:
        offer = v2_offer(payTo=spelling)
        assert judged(challenge_of(2, offer)).pay_to == PAYEE
        assert judged(challenge_of(2, offer), self.FIRST_USE, pinned_pay_to=PAYEE.lower()).pay_to == PAYEE

    def test_a_list_in_policy_overrules_what_was_recorded_before(self) -> None:
        assert judged(challenge_of(2), pinned_pay_to=STRANGER).pay_to == PAYEE

    def test_first_use_never_records_zero_ourselves_or_the_token(self) -> None:
        for payee in ("0x" + "00" * 20, WALLET.address, USDC):
            assert refusal(2, v2_offer(payTo=payee), rules=self.FIRST_USE).what.startswith("payTo")


def over(base: int) -> PriceLimit:
    """The limit of an endpoint whose base price that is, at a drift of 25 %."""
    terms = replace(judged(challenge_of(2)), amount=base)
    quote = Quote("e", "tokenmetrics", terms, NOW, base=base)
    return limit_of(quote, policy().drift_for("tokenmetrics", "tm-grade"), NOW)


class TestPrice:
    def test_a_price_beyond_the_drift_from_the_last_one_is_refused(self) -> None:
        error = refusal(2, v2_offer(amount="25001"), price_limit=over(20000))
        assert "caps.USDC.price_drift over the base price, 0.02 USDC" in error.what
        assert "0.025001 USDC" in error.what

    @pytest.mark.parametrize(("last", "price"), [(20000, 25000), (20000, 1), (3, 3)])
    def test_a_price_within_the_drift_is_allowed(self, last: int, price: int) -> None:
        assert judged(challenge_of(2, v2_offer(amount=str(price))), price_limit=over(last)).amount == price

    def test_a_drift_is_never_rounded_up(self) -> None:
        """25 % over 3 atomic units is 3.75: four are too many."""
        assert "price_drift" in refusal(2, v2_offer(amount="4"), price_limit=over(3)).what

    def test_a_dataset_has_a_ceiling_of_its_own(self) -> None:
        assert "the dataset's own ceiling" in refusal(2, order_cap=19_999).what
        assert judged(challenge_of(2), order_cap=20_000).amount == 20_000

    def test_the_cap_of_a_call_is_inclusive(self) -> None:
        assert judged(challenge_of(2, v2_offer(amount="100000"))).amount == 100_000


LISTED, ANY = f'pay_to = ["{PAYEE}"]', 'pay_to = "any"'


class TestAnyPayee:
    """Sellers that name a new address in each 402: only by an explicit choice."""

    RULES = policy(POLICY_TOML.replace(LISTED, ANY))

    def test_whichever_payee_is_named_is_paid_where_policy_says_any(self) -> None:
        for payee in (PAYEE, STRANGER):
            assert judged(challenge_of(2, v2_offer(payTo=payee)), self.RULES, pinned_pay_to=PAYEE).pay_to == payee

    @pytest.mark.parametrize("payee", ["0x" + "00" * 20, WALLET.address, USDC, "", "0x12"])
    def test_zero_ourselves_the_token_and_no_address_are_no_payee_all_the_same(self, payee: str) -> None:
        assert refusal(2, v2_offer(payTo=payee), v2_offer(payTo=payee), rules=self.RULES).what.count("payTo")

    def test_a_first_use_seller_with_a_new_payee_is_refused_with_that_choice_named(self) -> None:
        error = refusal(2, v2_offer(payTo=STRANGER), rules=policy(FIRST_USE_TOML), pinned_pay_to=PAYEE)
        assert ANY in error.fix


class TestLongValidity:
    @pytest.mark.parametrize("seconds", [86_400, 600_000, 604_900])
    def test_terms_that_are_valid_for_long_are_signed_for_as_short_as_any(self, seconds: int) -> None:
        terms = judged(challenge_of(2, v2_offer(maxTimeoutSeconds=seconds)))
        assert paid(terms).valid_before == int(NOW.timestamp()) + policy().validity_seconds


OTHER_RESOURCES = [
    "https://api.tokenmetrics.com/v2/quantmetrics",
    "https://api.tokenmetrics.com/v2/tm-grade/",
    "https://api.tokenmetrics.com/v2/../v2/tm-grade",
    "https://evil.example/v2/tm-grade",
    "https://api.tokenmetrics.com@evil.example/v2/tm-grade",
    "https://api.tokenmetrics.com.evil.example/v2/tm-grade",
    "https://api.tokenmetrics.com:8443/v2/tm-grade",
    "http://api.tokenmetrics.com/v2/tm-grade",
    "/v2/tm-grade",
    "https://[bad/v2/tm-grade",
    "https://api.tokenmetrics.com:port/v2/tm-grade",
    "",
]


def resourceful(version: int, resource: object) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """An offer, or changes of the document, with this resource."""
    return ((offer_of(1, resource=resource),), {}) if version == 1 else ((), {"resource": resource})


class TestResource:
    """EIP-3009 signs no URL, and no official seller compares it: a resource is evidence, unless policy says "exact"."""

    EXACT = policy(POLICY_TOML.replace("tokens =", 'resource = "exact"\ntokens ='))

    @pytest.mark.parametrize("version", [1, 2])
    @pytest.mark.parametrize(
        "resource", [None, {"url": 7}, *OTHER_RESOURCES, *({"url": url} for url in OTHER_RESOURCES)]
    )
    def test_terms_for_any_resource_are_allowed_and_our_request_is_what_is_judged(
        self, version: int, resource: object
    ) -> None:
        offers, changes = resourceful(version, resource)
        assert judged(challenge_of(version, *offers, **changes)).amount == 20000
        elsewhere = "https://evil.example/v2/tm-grade"
        assert refusal(version, *offers, **changes, request_url=elsewhere).what.startswith("url: ")

    @pytest.mark.parametrize("version", [1, 2])
    @pytest.mark.parametrize("url", OTHER_RESOURCES)
    def test_terms_for_another_resource_are_refused_where_policy_says_exact(self, version: int, url: str) -> None:
        offers, changes = resourceful(version, {"url": url})
        error = refusal(version, *offers, **changes, rules=self.EXACT)
        assert error.what.startswith("resource: the seller offers")
        assert f"allowed is {URL}" in error.what

    @pytest.mark.parametrize("version", [1, 2])
    def test_terms_for_no_resource_are_refused_where_policy_says_exact(self, version: int) -> None:
        offers, changes = resourceful(version, None)
        assert "terms that name no resource" in refusal(version, *offers, **changes, rules=self.EXACT).what

    @pytest.mark.parametrize("url", [URL + "?token_id=3375", "https://API.tokenmetrics.com:443/v2/tm-grade"])
    def test_our_own_resource_in_another_spelling_is_ours(self, url: str) -> None:
        asked = URL + "?token_id=3375,3306"
        assert judged(challenge_of(2, resource={"url": url}), self.EXACT, request_url=asked).amount == 20000

    def test_an_inner_origin_needs_operator_approval_where_policy_says_exact(self) -> None:
        inner = {"url": "http://10.0.0.5:3000/v2/tm-grade"}
        assert "resource_origins" in refusal(2, resource=inner, rules=self.EXACT).fix
        lines = 'resource = "exact"\nresource_origins = ["http://10.0.0.5:3000"]\ntokens ='
        assert judged(challenge_of(2, resource=inner), policy(POLICY_TOML.replace("tokens =", lines))).amount == 20000
