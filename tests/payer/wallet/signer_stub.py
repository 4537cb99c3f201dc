"""A remote signer on loopback that checks every typed-data request strictly, and can be told to misbehave."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from coincurve import PrivateKey
from coincurve._libsecp256k1 import ffi
from eth_account import Account
from eth_account.messages import encode_typed_data

FIELDS = {
    "EIP712Domain": ["name string", "version string", "chainId uint256", "verifyingContract address"],
    "TransferWithAuthorization": [
        *("from address", "to address", "value uint256"),
        *("validAfter uint256", "validBefore uint256", "nonce bytes32"),
    ],
}
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
Reply = Callable[["SignerStub", dict[str, Any]], Any]


class NotSigned(Exception):
    """An answer of the stub as a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class SignerStub:
    """Holds a key; signs each time with another k, as hardware does. `wrong` takes the place of its signatures."""

    key: bytes
    method: str = "eth_signTypedData_v4"
    as_text: bool = False
    accounts: list[str] | None = None
    wrong: Reply | None = None
    raw: bytes | None = None
    status: int = 200
    wait: threading.Event | None = None
    signed: list[dict[str, Any]] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    breaks_off: bool = False

    @property
    def address(self) -> str:
        return str(Account.from_key(self.key).address)

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        assert call["jsonrpc"] == "2.0"
        self.calls.append(call["method"])
        try:
            return {"jsonrpc": "2.0", "id": call["id"], "result": self._result(call["method"], call["params"])}
        except NotSigned as error:
            return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": error.code, "message": str(error)}}

    def _result(self, method: str, params: list[Any]) -> Any:
        if method == "eth_accounts":
            assert params == []
            return [self.address] if self.accounts is None else self.accounts
        if method != self.method:
            raise NotSigned(-32601, f"the method {method} does not exist")
        address, data = params
        if isinstance(data, str) != self.as_text:
            if self.breaks_off:
                raise ConnectionAbortedError
            raise NotSigned(-32602, "invalid typed data")
        data = json.loads(data) if isinstance(data, str) else data
        check(address, data, self.address)
        self.signed.append(data["message"])
        if self.wrong is not None:
            return self.wrong(self, data)
        self.signatures.append(self.sign(data))
        return self.signatures[-1]

    def sign(self, data: dict[str, Any], key: bytes | None = None) -> str:
        """Another signature each time, by this key or another."""
        signable = encode_typed_data(full_message=data)
        message = _keccak(b"\x19" + signable.version + signable.header + signable.body)
        extra = ffi.new("unsigned char[32]", os.urandom(32))
        raw = PrivateKey(key or self.key).sign_recoverable(message, hasher=None, custom_nonce=(ffi.NULL, extra))
        return "0x" + raw[:64].hex() + format(27 + raw[64], "02x")


def check(address: str, data: dict[str, Any], payer: str) -> None:
    """Accept EIP-3009 typed data as the standard has it, and nothing beside it."""
    if address.lower() != payer.lower():
        raise NotSigned(-32000, f"no key for {address}")
    expect(set(data) == {"types", "primaryType", "domain", "message"}, "its parts")
    expect(data["primaryType"] == "TransferWithAuthorization", "the primary type")
    found = {name: [f"{each['name']} {each['type']}" for each in fields] for name, fields in data["types"].items()}
    expect(found == FIELDS, "the types")
    domain, message = data["domain"], data["message"]
    expect(set(domain) == {"name", "version", "chainId", "verifyingContract"}, "the domain")
    expect(domain["chainId"] == 31337, "the chain")
    expect(domain["name"] == "USD Coin" and domain["version"] == "2", "the token's name and version")
    expect(ADDRESS.fullmatch(domain["verifyingContract"]) is not None, "the token's address")
    expect(set(message) == {"from", "to", "value", "validAfter", "validBefore", "nonce"}, "the message")
    expect(message["from"] == payer, "the payer")
    expect(ADDRESS.fullmatch(message["to"]) is not None, "the payee")
    numbers = (message["value"], message["validAfter"], message["validBefore"])
    expect(all(isinstance(text, str) and text.isdecimal() for text in numbers), "the numbers")
    expect(re.fullmatch(r"0x[0-9a-f]{64}", message["nonce"]) is not None, "the nonce")


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise NotSigned(-32000, f"refused by the signer's rules: {what}")


def _keccak(data: bytes) -> bytes:
    from eth_utils import keccak

    return bytes(keccak(data))


def of_another_key(stub: SignerStub, data: dict[str, Any]) -> str:
    """A sound signature, by a key that is not the wallet's."""
    return stub.sign(data, b"\x77" * 32)


def over_another_message(stub: SignerStub, data: dict[str, Any]) -> str:
    """The wallet's signature over a larger value."""
    return stub.sign({**data, "message": {**data["message"], "value": "999"}})


def with_high_s(stub: SignerStub, data: dict[str, Any]) -> str:
    """The malleable twin, which tokens refuse."""
    raw = bytes.fromhex(stub.sign(data)[2:])
    s = CURVE_ORDER - int.from_bytes(raw[32:64], "big")
    return "0x" + raw[:32].hex() + s.to_bytes(32, "big").hex() + format(55 - raw[64], "02x")


def with_0_or_1(stub: SignerStub, data: dict[str, Any]) -> str:
    """As ledgers and some libraries write the last byte."""
    signature = stub.sign(data)
    return signature[:-2] + format(int(signature[-2:], 16) - 27, "02x")


@contextmanager
def running(stub: SignerStub) -> Iterator[SignerStub]:
    """The stub at a port of its own."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            stub.headers.append({name.lower(): value for name, value in self.headers.items()})
            call = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if stub.wait is not None:
                stub.wait.wait(10)
            try:
                content = stub.raw if stub.raw is not None else json.dumps(stub.answer(call)).encode()
            except ConnectionAbortedError:
                self.close_connection = True
                return
            self.send_response(stub.status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield stub
    finally:
        if stub.wait is not None:
            stub.wait.set()
        server.shutdown()
        server.server_close()
        thread.join()
