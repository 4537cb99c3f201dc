"""Every known way to make a payer sign what it should not, tried on the judge: no terms come out, the message says why.

Attacks on the transport are in http/test_left.py, on the chain's word in chain/test_reader.py, on the wire in wire/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from payer.policy.rules import Policy
from payer.values.errors import QuoteUnacceptable
from tests.payer.offers import (
    FIRST_USE_TOML,
    PAYEE,
    POLICY_TOML,
    STRANGER,
    URL,
    USDC,
    WALLET,
    challenge_of,
    judged,
    offer_of,
    policy,
    v2_offer,
)

POLYGON_USDC = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"
LOOK_ALIKE = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02914".lower()
PERMIT2_PROXY = "0x402085c248EeA27D92E8b30b2C58ed07f9E20001"


def refusal(version: int, *offers: dict[str, Any], rules: Policy | None = None, **changes: Any) -> QuoteUnacceptable:
    """The refusal of some offers; `changes` are of the document or of how it is judged."""
    asked = {name: changes.pop(name) for name in tuple(changes) if name in JUDGED}
    with pytest.raises(QuoteUnacceptable) as caught:
        judged(challenge_of(version, *offers, **changes), rules, **asked)
    return caught.value


JUDGED = ("seller", "request_url", "pinned_pay_to", "last_price", "order_cap", "payer")


@dataclass(frozen=True)
class Attack:
    """An offer changed in one way, the field that the refusal must name, and what else it must say."""

    name: str
    field: str
    change: dict[str, Any]
    says: str = ""
    versions: tuple[int, ...] = (1, 2)


DOMAIN = {"name": "USD Coin", "version": "2"}
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
    Attack("no validity at all", "maxTimeoutSeconds", {"maxTimeoutSeconds": 0}, "1 to 86400"),
    Attack("negative validity", "maxTimeoutSeconds", {"maxTimeoutSeconds": -60}, "1 to 86400"),
    Attack("ten years of validity", "maxTimeoutSeconds", {"maxTimeoutSeconds": 315_360_000}, "1 to 86400"),
    Attack("endless validity", "maxTimeoutSeconds", {"maxTimeoutSeconds": 10**60}, "1 to 86400"),
]
CASES = [pytest.param(version, a, id=f"v{version}: {a.name}") for a in ATTACKS for version in a.versions]


@pytest.mark.parametrize(("version", "attack"), CASES)
def test_an_offer_outside_policy_is_refused_naming_the_field_and_what_is_allowed(version: int, attack: Attack) -> None:
    """I6. The refusal says what was offered, what is allowed, and what a person can do."""
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


def test_a_label_beside_the_domains_name_needs_a_persons_leave() -> None:
    offer = v2_offer(extra={"name": "usdc", "version": "2"})
    assert "also_named" in refusal(2, offer).fix
    allowed = policy(POLICY_TOML.replace("decimals = 6", 'decimals = 6\nalso_named = ["usdc"]'))
    assert judged(challenge_of(2, offer), allowed).asset.eip712_name == "USD Coin"


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


class TestPrice:
    def test_a_price_beyond_the_drift_from_the_last_one_is_refused(self) -> None:
        error = refusal(2, v2_offer(amount="25001"), last_price=20000)
        assert "caps.USDC.price_drift over the last price, 0.02 USDC" in error.what
        assert "0.025001 USDC" in error.what

    @pytest.mark.parametrize(("last", "price"), [(20000, 25000), (20000, 1), (3, 3)])
    def test_a_price_within_the_drift_is_allowed(self, last: int, price: int) -> None:
        assert judged(challenge_of(2, v2_offer(amount=str(price))), last_price=last).amount == price

    def test_a_drift_is_never_rounded_up(self) -> None:
        """25 % over 3 atoms is 3.75: four are too many."""
        assert "price_drift" in refusal(2, v2_offer(amount="4"), last_price=3).what

    def test_a_dataset_has_a_ceiling_of_its_own(self) -> None:
        assert "the dataset's own ceiling" in refusal(2, order_cap=19_999).what
        assert judged(challenge_of(2), order_cap=20_000).amount == 20_000

    def test_the_cap_of_a_call_is_inclusive(self) -> None:
        assert judged(challenge_of(2, v2_offer(amount="100000"))).amount == 100_000


class TestResource:
    """The signature does not bind a URL, so terms for another resource must never be answered."""

    @pytest.mark.parametrize("version", [1, 2])
    @pytest.mark.parametrize(
        "url",
        [
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
        ],
    )
    def test_terms_for_another_resource_are_refused(self, version: int, url: str) -> None:
        error = refusal(1, offer_of(1, resource=url)) if version == 1 else refusal(2, resource={"url": url})
        assert error.what.startswith("resource: the seller offers")
        assert f"allowed is {URL}" in error.what

    @pytest.mark.parametrize("version", [1, 2])
    def test_terms_for_no_resource_are_refused(self, version: int) -> None:
        error = refusal(1, offer_of(1, resource=None)) if version == 1 else refusal(2, resource=None)
        assert "terms that name no resource" in error.what

    @pytest.mark.parametrize("url", [URL + "?token_id=3375", "https://API.tokenmetrics.com:443/v2/tm-grade"])
    def test_our_own_resource_in_another_spelling_is_ours(self, url: str) -> None:
        asked = URL + "?token_id=3375,3306"
        assert judged(challenge_of(2, resource={"url": url}), request_url=asked).amount == 20000

    def test_an_inner_origin_needs_a_persons_leave(self) -> None:
        inner = {"url": "http://10.0.0.5:3000/v2/tm-grade"}
        assert "resource_origins" in refusal(2, resource=inner).fix
        text = POLICY_TOML.replace("tokens =", 'resource_origins = ["http://10.0.0.5:3000"]\ntokens =')
        assert judged(challenge_of(2, resource=inner), policy(text)).amount == 20000


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
    """TMAI by policy: 18 decimals, its own caps in its own atoms, one rail per seller."""

    RULES = policy(TMAI_TOML)
    OFFER = v2_offer(asset=TMAI, amount=str(2 * 10**18), extra={"name": "Token Metrics AI", "version": "1"})

    def test_it_is_paid_when_policy_says_so_and_the_other_is_not(self) -> None:
        terms = judged(challenge_of(2, v2_offer(), self.OFFER), self.RULES)
        assert (terms.asset.symbol, terms.asset.decimals, terms.amount) == ("TMAI", 18, 2 * 10**18)
        assert refusal(2, v2_offer(), rules=self.RULES).what.startswith("asset: ")

    def test_it_is_off_by_default(self) -> None:
        assert refusal(2, self.OFFER).what.startswith("asset: ")

    def test_its_caps_are_in_its_own_atoms(self) -> None:
        dear = {**self.OFFER, "amount": str(25 * 10**17 + 1)}
        assert "2.500000000000000001 TMAI" in refusal(2, dear, rules=self.RULES).what

    def test_a_402_with_permit2_alone_is_refused_with_an_explanation(self) -> None:
        offer = {**self.OFFER, "extra": {"assetTransferMethod": "permit2"}}
        assert "Permit2" in refusal(2, offer, rules=self.RULES).what
