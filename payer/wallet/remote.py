"""A signer that holds the key elsewhere and speaks JSON-RPC: eth_signTypedData_v4 (Web3Signer, Clef and others).

Its answer is a stranger's: each signature is proved to be the wallet's before it is used. Nothing relies on two
signatures of one authorization being equal; what can settle once is the nonce. No message shows the URL, which may hold
a password (I10).
"""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from payer.http.pool import ConnectionPool, network_cause
from payer.policy.rules import is_https_or_loopback
from payer.values.errors import Misconfigured, SignerRefused, SignerUnreachable
from payer.values.terms import Authorization, SecretStr
from payer.wallet.eip3009 import check_signable, typed_data
from payer.wallet.sign import checked_signature
from payer.wire.addresses import checksum
from payer.wire.strict_json import Malformed, dump, parse, shown

SIGNER_URL = "TOLLBOOK_SIGNER_URL"
SIGNER_ADDRESS = "TOLLBOOK_SIGNER_ADDRESS"
TIMEOUT_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
_ANSWER_LIMIT = 64 * 1024
_KEPT = 256
_OTHER_FORM = frozenset({-32601, -32602, -32600, -32700, -32603})
"""JSON-RPC errors that say "not in this form"; all others are the signer's decision."""
_FORMS = (
    ("eth_signTypedData_v4", False),
    ("eth_signTypedData_v4", True),
    ("eth_signTypedData", True),
    ("account_signTypedData", False),
)
"""Methods that sign EIP-712 data, and whether the data is sent as JSON text: MetaMask's, Web3Signer's, Clef's."""


class SignerError(Exception):
    """Raised when the signer answers a call with a JSON-RPC error; `of_form`: it may be the form alone that it does not
    know."""

    def __init__(self, what: str, *, of_form: bool) -> None:
        super().__init__(what)
        self.of_form = of_form


class SignerBroke(SignerError):
    """Raised when the signer broke off, or answered an HTTP error without JSON-RPC: some do for an unknown form."""


class SignerClient:
    """JSON-RPC calls to one signer. A call that met a broken connection is made once more: signing moves nothing.

    Calls raise SignerError, or SignerUnreachable for whatever is no JSON-RPC answer.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT_SECONDS) -> None:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
        self.name = f"{parts.hostname}{port}"
        self._url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._headers = {"content-type": "application/json", "accept": "application/json", "user-agent": "tollbook"}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        self._timeout = timeout
        self._ids = itertools.count(1)
        self._pool = ConnectionPool(secure=parts.scheme == "https")

    async def call(self, method: str, params: Sequence[Any]) -> Any:
        number = next(self._ids)
        content = dump({"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}).encode("ascii")
        raw = await self._post(content)
        try:
            document = parse(raw, limit=_ANSWER_LIMIT)
        except Malformed as why:
            self._fail(f"answered something other than JSON-RPC: {why}")
        if not isinstance(document, dict) or document.get("id") != number:
            self._fail("did not answer the call that was made")
        if (error := document.get("error")) is not None:
            fault = error if isinstance(error, dict) else {"message": error}
            code, message = fault.get("code"), fault.get("message")
            raise SignerError(f"{shown(message, 160)} (code {shown(code)})", of_form=code in _OTHER_FORM)
        return document.get("result")

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def _post(self, content: bytes) -> bytes:
        import httpx

        try:
            async with asyncio.timeout(self._timeout):
                try:
                    return await self._exchange(content)
                except (httpx.TransportError, OSError):
                    return await self._exchange(content)
        except TimeoutError:
            self._fail(f"did not answer within {self._timeout:g} s")
        except httpx.RemoteProtocolError as error:
            broke = network_cause(error)
        except (httpx.TransportError, OSError) as error:
            self._fail(f"can't be reached: {network_cause(error)}")
        raise SignerBroke(f"broke off: {broke}", of_form=True)

    async def _exchange(self, content: bytes) -> bytes:
        import httpx

        timeout = {"connect": _CONNECT_SECONDS}
        request = httpx.Request(
            "POST", self._url, headers=self._headers, content=content, extensions={"timeout": timeout}
        )
        response, body = await self._pool.send(request, _ANSWER_LIMIT)
        if not body.whole:
            self._fail(f"answered with more than {_ANSWER_LIMIT} bytes")
        if response.status_code != 200 and not body.data.lstrip().startswith(b"{"):
            raise SignerBroke(f"answered with status {response.status_code}", of_form=True)
        return body.data

    def _fail(self, what: str) -> NoReturn:
        raise SignerUnreachable(f"the signer at {self.name} {what}; nothing was sent")


class RemoteSigner:
    """`Signer` over JSON-RPC. Signatures are kept in memory, so that one process presents one payment unchanged."""

    repeats = False

    def __init__(self, url: str, address: str, nonce_secret: bytes, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self.address = address
        self.nonce_secret = nonce_secret
        self._client = SignerClient(url, timeout)
        self._forms = list(_FORMS)
        self._signed: OrderedDict[Authorization, SecretStr] = OrderedDict()

    async def signature_of(self, authorization: Authorization) -> SecretStr:
        """Have it signed, unless this process has the signature already; see `Signer`."""
        check_signable(authorization, self.address)
        if authorization in self._signed:
            self._signed.move_to_end(authorization)
            return self._signed[authorization]
        signature = checked_signature(authorization, await self._ask(authorization))
        self._signed[authorization] = signature
        if len(self._signed) > _KEPT:
            self._signed.popitem(last=False)
        return signature

    async def _ask(self, authorization: Authorization) -> Any:
        """Ask in the form that the signer knows; it is found at the first signature and kept."""
        data = typed_data(authorization)
        first: SignerError | None = None
        for form in tuple(self._forms):
            method, as_text = form
            try:
                answer = await self._client.call(method, [self.address, dump(data) if as_text else data])
            except SignerError as error:
                first = error if first is None or not error.of_form else first
                if error.of_form:
                    continue
                break
            self._forms = [form]
            return answer
        if isinstance(first, SignerBroke):
            raise SignerUnreachable(f"the signer at {self._client.name} {first}; nothing was sent")
        raise SignerRefused(f"the signer at {self._client.name} did not sign: {first}; nothing was sent")

    async def aclose(self) -> None:
        await self._client.aclose()

    def __repr__(self) -> str:
        return f"RemoteSigner({self.address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer never leaves its process")


def check_signer_url(url: str) -> None:
    """Raise Misconfigured for a URL that is not https, or plain http to this machine. Quotes nothing of it."""
    try:
        parts = urlsplit(url)
        allowed = bool(parts.hostname) and (parts.port is None or parts.port > 0) and is_https_or_loopback(parts)
    except ValueError:
        allowed = False
    if not allowed:
        raise Misconfigured(
            f"{SIGNER_URL} is not an https address, nor an http address of this machine",
            advice="write https://…, or http://127.0.0.1:PORT for a signer on this machine: what it signs is money",
        )


def signer_address(url: str, named: str | None, *, timeout: float = 10.0) -> str:
    """The address that a signer pays from: the one named, else its only account (eth_accounts).

    Raises Misconfigured where it has none or several, SignerUnreachable, and SignerRefused.
    """
    if named:
        try:
            return checksum(named.strip())
        except ValueError as why:
            raise Misconfigured(f"{SIGNER_ADDRESS} is wrong: {why}", advice="write the wallet's address") from None
    # In a loop of its own, also from inside a running one, which waits: nothing is on its way yet.
    with ThreadPoolExecutor(max_workers=1) as thread:
        answer = thread.submit(asyncio.run, _accounts_of(url, timeout)).result()
    try:
        accounts = [checksum(str(account)) for account in (answer if isinstance(answer, list) else [answer])]
    except ValueError:
        raise SignerUnreachable(f"the signer's eth_accounts is no list of addresses: {shown(answer)}") from None
    if len(accounts) == 1:
        return accounts[0]
    listed = ", ".join(accounts[:5]) or "none"
    raise Misconfigured(
        f"the signer holds {len(accounts)} accounts ({listed}), and one pays", advice=f"set {SIGNER_ADDRESS} to it"
    )


async def _accounts_of(url: str, timeout: float) -> object:
    client, refusals = SignerClient(url, timeout), list[str]()
    try:
        for method in ("eth_accounts", "account_list"):
            try:
                return await client.call(method, [])
            except SignerBroke as broke:
                raise SignerUnreachable(f"the signer at {client.name} {broke}; nothing was sent") from None
            except SignerError as error:
                refusals.append(str(error))
    finally:
        await client.aclose()
    raise SignerRefused(
        f"the signer at {client.name} does not name its accounts: {refusals[0]}",
        advice=f"set {SIGNER_ADDRESS} to the wallet's address",
    )
