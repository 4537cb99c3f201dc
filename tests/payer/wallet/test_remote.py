"""A remote signer: what it is asked, what its answers must be, and what is said when it fails. Nothing is sent."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import pytest

from payer.values.errors import Misconfigured, PayerError, SignerRefused, SignerUnreachable
from payer.values.terms import Authorization
from payer.wallet.eip3009 import Wallet, digest, recover
from payer.wallet.remote import RemoteSigner, check_signer_url, signer_address
from payer.wallet.sign import Signer, checked_signature
from tests.payer import purchases as p
from tests.payer.wallet import signer_stub
from tests.payer.wallet.signer_stub import SignerStub, running

T = TypeVar("T")
KEY = b"\x11" * 32
LOCAL = Wallet(KEY)
PAYMENT = Authorization(p.USDC, LOCAL.address, p.PAYEE, 20_000, 1_700_000_000, 1_700_000_120, "0x" + "ab" * 32)


@pytest.fixture
def stub() -> Iterator[SignerStub]:
    with running(SignerStub(KEY)) as signer:
        yield signer


def of(stub: SignerStub, work: Callable[[RemoteSigner], Awaitable[T]], *, timeout: float = 5.0) -> T:
    async def open_and_work() -> T:
        signer = RemoteSigner(stub.url, LOCAL.address, b"s" * 32, timeout=timeout)
        try:
            return await work(signer)
        finally:
            await signer.aclose()

    return asyncio.run(open_and_work())


def signed(stub: SignerStub, payment: Authorization = PAYMENT, *, timeout: float = 5.0) -> str:
    return of(stub, lambda signer: signer.signature_of(payment), timeout=timeout)


def failure(stub: SignerStub, *, timeout: float = 5.0) -> PayerError:
    with pytest.raises(PayerError) as caught:
        signed(stub, timeout=timeout)
    assert caught.value.money == "none was sent"
    assert caught.value.repeat.startswith("yes")
    return caught.value


def test_a_local_key_and_a_remote_one_are_both_signers() -> None:
    signers: list[Signer] = [LOCAL, RemoteSigner("http://127.0.0.1:1", LOCAL.address, b"s" * 32)]
    assert [signer.repeats for signer in signers] == [True, False]
    assert asyncio.run(LOCAL.signature_of(PAYMENT)) == LOCAL.sign(PAYMENT)


def test_the_typed_data_has_the_digest_that_this_process_would_sign(stub: SignerStub) -> None:
    assert recover(digest(PAYMENT), signed(stub)) == LOCAL.address
    assert stub.signed == [
        {
            "from": LOCAL.address,
            "to": p.PAYEE,
            "value": "20000",
            "validAfter": "1700000000",
            "validBefore": "1700000120",
            "nonce": PAYMENT.nonce,
        }
    ]


@pytest.mark.parametrize(
    ("method", "as_text"),
    [
        ("eth_signTypedData_v4", False),
        ("eth_signTypedData_v4", True),
        ("eth_signTypedData", True),
        ("account_signTypedData", False),
    ],
)
def test_each_signers_form_is_found_at_the_first_signature_and_kept(method: str, as_text: bool) -> None:
    async def two(signer: RemoteSigner) -> tuple[str, str]:
        first = await signer.signature_of(PAYMENT)
        return first, await signer.signature_of(replace(PAYMENT, value=1))

    with running(SignerStub(KEY, method=method, as_text=as_text)) as stub:
        first, second = of(stub, two)
    assert recover(digest(PAYMENT), first) == recover(digest(replace(PAYMENT, value=1)), second) == LOCAL.address
    assert stub.calls[-1:] == [method]
    assert len(stub.signed) == 2


def test_a_form_at_which_a_signer_breaks_off_is_followed_by_the_next() -> None:
    with running(SignerStub(KEY, as_text=True, breaks_off=True)) as stub:
        assert recover(digest(PAYMENT), signed(stub)) == LOCAL.address


def test_one_process_presents_one_signature_though_the_signer_never_repeats_itself(stub: SignerStub) -> None:
    async def twice(signer: RemoteSigner) -> tuple[str, str]:
        return await signer.signature_of(PAYMENT), await signer.signature_of(PAYMENT)

    first, again = of(stub, twice)
    assert first == again
    assert signed(stub) != first
    assert len(stub.signatures) == 2


def test_a_last_byte_of_0_or_1_is_written_as_27_or_28(stub: SignerStub) -> None:
    stub.wrong = signer_stub.with_0_or_1
    signature = signed(stub)
    assert signature[-2:] in ("1b", "1c")
    assert recover(digest(PAYMENT), signature) == LOCAL.address


@pytest.mark.parametrize("wrong", [signer_stub.of_another_key, signer_stub.over_another_message])
def test_a_signature_by_another_address_is_refused(stub: SignerStub, wrong: signer_stub.Reply) -> None:
    stub.wrong = wrong
    error = failure(stub)
    assert isinstance(error, SignerRefused)
    assert LOCAL.address in error.what
    assert "was signed by" in error.what


WRONG_ANSWERS: dict[str, object] = {
    "none": None,
    "a number": 7,
    "a list": [1],
    "empty": "0x",
    "64 bytes, as EIP-2098 has them": "0x" + "11" * 64,
    "66 bytes": "0x" + "11" * 66,
    "not hexadecimal": "0x" + "zz" * 65,
    "another recovery id": "0x" + "11" * 64 + "1d",
    "all zero": "0x" + "00" * 65,
    "r above the order": "0x" + "ff" * 32 + "11" * 32 + "1b",
}


@pytest.mark.parametrize("answer", WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
def test_what_is_no_signature_is_refused(answer: object) -> None:
    with pytest.raises(SignerRefused, match="the signer's answer"):
        checked_signature(PAYMENT, answer)


def test_the_malleable_twin_is_refused_and_stays_out_of_tracebacks(stub: SignerStub) -> None:
    twins: list[str] = []

    def twin(signer: SignerStub, data: dict[str, object]) -> str:
        twins.append(signer_stub.with_high_s(signer, data))
        return twins[-1]

    stub.wrong = twin
    error = failure(stub)
    assert "high" in error.what
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert twins[0][2:66] not in shown


def test_a_signer_that_refuses_is_quoted_and_asked_once(stub: SignerStub) -> None:
    def no(_stub: SignerStub, _data: object) -> str:
        raise signer_stub.NotSigned(-32000, "Request denied")

    stub.wrong = no
    error = failure(stub)
    assert isinstance(error, SignerRefused)
    assert "Request denied" in error.what
    assert stub.calls == ["eth_signTypedData_v4"]


def test_a_signer_that_is_silent_is_given_up_after_its_timeout(stub: SignerStub) -> None:
    stub.wait = threading.Event()
    error = failure(stub, timeout=0.05)
    assert isinstance(error, SignerUnreachable)
    assert "did not answer within" in error.what


def test_a_signer_that_is_not_there_is_named_by_its_host() -> None:
    error = failure(SignerStub(KEY, url="http://user:s3cret@127.0.0.1:1/path-key"))
    assert isinstance(error, SignerUnreachable)
    assert "127.0.0.1:1 can't be reached: connection refused" in error.what
    assert "s3cret" not in f"{error!r}{error.fix}"
    assert "path-key" not in f"{error!r}{error.fix}"


@pytest.mark.parametrize(
    ("status", "raw", "said"),
    [
        (200, b"<html>log in</html>", "something other than JSON-RPC"),
        (200, b"[]", "did not answer the call"),
        (200, b'{"jsonrpc": "2.0", "id": 99, "result": "0x"}', "did not answer the call"),
        (502, b"bad gateway", "status 502"),
        (200, b"x" * 70_000, "more than 65536 bytes"),
    ],
)
def test_what_is_no_json_rpc_answer_is_named(stub: SignerStub, status: int, raw: bytes, said: str) -> None:
    stub.status, stub.raw = status, raw
    error = failure(stub)
    assert isinstance(error, SignerUnreachable)
    assert said in error.what


def test_a_password_in_the_url_is_sent_as_basic_authentication(stub: SignerStub) -> None:
    stub.url = stub.url.replace("http://", "http://tollbook:p%40ss@")
    signed(stub)
    assert stub.headers[0]["authorization"] == "Basic dG9sbGJvb2s6cEBzcw=="


def test_what_no_policy_allows_is_not_even_asked_for(stub: SignerStub) -> None:
    for wrong in (replace(PAYMENT, payer=p.PAYEE), replace(PAYMENT, value=0), replace(PAYMENT, valid_before=2**40)):
        with pytest.raises(ValueError, match=r"payer|value|window"):
            signed(stub, wrong)
    assert stub.calls == []


def test_a_remote_signer_in_a_log_shows_its_address_only() -> None:
    signer = RemoteSigner("https://user:s3cret@signer.example", LOCAL.address, b"s" * 32)
    assert repr(signer) == f"RemoteSigner({LOCAL.address})"


@pytest.mark.parametrize("url", ["https://signer.example/key", "http://127.0.0.1:8550", "http://localhost:9000/x"])
def test_https_anywhere_and_http_to_this_machine_are_allowed(url: str) -> None:
    check_signer_url(url)


@pytest.mark.parametrize(
    "url",
    ["http://signer.example", "http://10.0.0.7:8550", "ftp://127.0.0.1", "127.0.0.1:8550", "https://", "http://[x"],
)
def test_other_signer_addresses_are_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        check_signer_url(url + "/s3cret")
    assert "TOLLBOOK_SIGNER_URL" in caught.value.what
    assert "s3cret" not in f"{caught.value.what}{caught.value.fix}"


def test_the_only_account_pays(stub: SignerStub) -> None:
    assert signer_address(stub.url, None) == LOCAL.address
    assert signer_address(stub.url, LOCAL.address.lower()) == LOCAL.address
    assert stub.calls == ["eth_accounts"]


@pytest.mark.parametrize("accounts", [[], [LOCAL.address, p.PAYEE]])
def test_none_or_several_accounts_need_a_name(stub: SignerStub, accounts: list[str]) -> None:
    stub.accounts = accounts
    with pytest.raises(Misconfigured, match=rf"holds {len(accounts)} accounts") as caught:
        signer_address(stub.url, None)
    assert "TOLLBOOK_SIGNER_ADDRESS" in caught.value.fix


def test_accounts_are_asked_for_inside_a_running_loop_too(stub: SignerStub) -> None:
    async def inside() -> str:
        return signer_address(stub.url, None)

    assert asyncio.run(inside()) == LOCAL.address


def test_accounts_that_are_none_are_refused(stub: SignerStub) -> None:
    stub.accounts = ["0x123"]
    with pytest.raises(SignerUnreachable, match="no list of addresses"):
        signer_address(stub.url, None)


def test_a_mistyped_address_is_a_configuration_error() -> None:
    with pytest.raises(Misconfigured, match="TOLLBOOK_SIGNER_ADDRESS"):
        signer_address("http://127.0.0.1:1", LOCAL.address[:-1])
