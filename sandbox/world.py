"""A whole paid world on loopback: node, tokens, facilitator, sellers, faults and one clock, in this process."""

from __future__ import annotations

import contextlib
import copy
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from eth_account import Account
from filelock import FileLock, Timeout

from sandbox import config_files
from sandbox.chain.chain import BlockPace, LocalChain
from sandbox.chain.http import RpcApp, add_control
from sandbox.chain.rpc import NodeRpc
from sandbox.chain.token import TMAI, USDC, Deployer, TokenContract, make_genesis
from sandbox.clock import WorldClock
from sandbox.control import ControlApp
from sandbox.facilitator import Facilitator
from sandbox.faults import Faults
from sandbox.keys import CHAIN_ID, PAY_TO, WALLET_KEY, buyer_key
from sandbox.market.market import Market
from sandbox.market.tokens import day_of
from sandbox.seller import other_sellers
from sandbox.seller.seller import SellerApp
from sandbox.seller.shop import Shop, tokenmetrics_products
from sandbox.servers import HOST, App, PortTaken, Servers, listen
from sandbox.settings import WorldSettings
from sources import registry
from sources.declaration.read import read_declaration
from sources.declaration.table import DeclarationFault

FACES = ("rpc", "facilitator", "seller", "control")
FUNDS = 1_000
"""Whole units of each token that a wallet is given."""


class HomeInUse(RuntimeError):
    """Raised when another sandbox serves the same home."""


class UnusableDeclaration(Exception):
    """Raised for a file that declares nothing the sandbox could sell; `fix` says what to write instead."""

    def __init__(self, fault: DeclarationFault) -> None:
        super().__init__(f"{fault.file}, line {fault.line}: {fault.what}")
        self.fix = fault.fix


@dataclass(frozen=True, slots=True)
class Buyer:
    """A funded throwaway wallet with a home of its own; `env` is all that a tollbook process needs."""

    address: str
    private_key: str
    home: Path
    env: Mapping[str, str]


class World:
    """A paid world that serves until its `with` block ends. The same home continues the same chain, on the same ports.

    `offset` (seconds) moves a new world's clock; `settings` are fields of WorldSettings; `tokens` is the number on
    sale; `watch` are the token ids of the policy's watch list.
    """

    def __init__(
        self,
        home: Path | str,
        *,
        seed: int = 7,
        tokens: int = 64,
        pace: BlockPace | None = None,
        offset: float | None = None,
        watch: tuple[int, ...] = (3375, 3306, 3988, 3369, 3377),
        declarations: Mapping[str, Path] = MappingProxyType({}),
        **settings: Any,
    ) -> None:
        self.home = Path(home).resolve()
        self.settings = WorldSettings()
        self.settings.update(**settings)
        self._dir = self.home / "sandbox"
        self._seed, self._count, self._pace, self.watch = seed, tokens, pace, watch
        self._notes: dict[str, Any] = {}
        self._wanted_offset, self.declarations = offset, declarations
        self._first_settings = asdict(self.settings)
        self._open = contextlib.ExitStack()

    def __enter__(self) -> World:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        try:
            registry.declare([read_declaration(path, name) for name, path in self.declarations.items()])
        except DeclarationFault as fault:
            raise UnusableDeclaration(fault) from None
        self._dir.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._dir / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise HomeInUse(f"another sandbox serves {self.home}: stop it, or name another home") from None
        self._open.callback(self._lock.release)
        try:
            self._read_notes()
            self._start_chain()
            self._start_servers()
            self._write_files()
        except BaseException:
            self._open.close()
            raise

    def stop(self) -> None:
        self._open.close()

    def _read_notes(self) -> None:
        """Read what must stay the same for a home: ports, clock, the market's first day, seed and size."""
        self._notes_path = self._dir / "world.json"
        if self._notes_path.exists():
            self._notes = json.loads(self._notes_path.read_text())
        offset = self._notes.get("offset", 0.0) if self._wanted_offset is None else self._wanted_offset
        self.clock = WorldClock(offset, on_change=self._write_files)
        self._notes.setdefault("born_day", day_of(self.clock.time()))
        self._notes.setdefault("seed", self._seed)
        self._notes.setdefault("tokens", self._count)

    def _start_chain(self) -> None:
        if "addresses" not in self._notes:
            for path in self._dir.glob("chain.db*"):  # of a start that was killed before it wrote the addresses down
                path.unlink()
        self._chain = LocalChain(self._dir / "chain.db", self.clock, self._pace)
        self._open.callback(self._chain.close)
        self.rpc = NodeRpc(self._chain)
        add_control(self.rpc, self._chain)
        self._deployer = Deployer(self.rpc)
        if self._chain.is_new:
            self._notes["addresses"] = make_genesis(self._chain, self.rpc, self._deployer, FUNDS)
            self._write_notes()
        specs, addresses = {"USDC": USDC, "TMAI": TMAI}, self._notes["addresses"]
        self.tokens = {name: TokenContract(self.rpc, addresses[name], spec) for name, spec in specs.items()}
        self.token = self.tokens["USDC"]
        self.private_key, self.wallet_address = WALLET_KEY, Account.from_key(WALLET_KEY).address
        self.pay_to = PAY_TO

    def _start_servers(self) -> None:
        ports = self._notes.get("ports", {})
        try:
            sockets = {face: listen(ports.get(face)) for face in FACES}
        except PortTaken as problem:
            raise HomeInUse(
                f"{problem}; this home's addresses are kept in {self._notes_path}: remove it to move"
            ) from None
        self._notes["ports"] = {face: opened.getsockname()[1] for face, opened in sockets.items()}
        urls = {face: f"http://{HOST}:{port}" for face, port in self._notes["ports"].items()}
        self.rpc_url, self.facilitator_url = urls["rpc"], urls["facilitator"]
        self.seller_base, self.control_url = urls["seller"], urls["control"]
        self.seller_url = f"{self.seller_base}/v2"
        self.faults = Faults(self._notes["seed"])
        self.market = Market(
            self.clock, seed=self._notes["seed"], tokens=self._notes["tokens"], born_day=self._notes["born_day"]
        )
        on_sale = tokenmetrics_products(self.market, self.settings) + other_sellers.products(self.market, self.clock)
        shop = Shop(on_sale, self.tokens, self.settings)
        self.seller = SellerApp(shop, self.faults, self.settings, self.facilitator_url)
        self.facilitator = Facilitator(self.rpc, self.clock, self.faults, self.settings)
        self.control = ControlApp(self)
        apps: dict[str, App] = {
            "rpc": RpcApp(self.rpc, self.faults),
            "facilitator": self.facilitator,
            "seller": self.seller,
            "control": self.control,
        }
        self._servers = Servers(apps, sockets, self.clock)
        self._servers.at_stop(self.seller.close)
        self._open.callback(self._servers.stop)
        self._servers.start()
        self.seller.open()

    def _write_notes(self) -> None:
        self._notes["offset"] = self.clock.offset
        config_files.write(self._notes_path, json.dumps(self._notes, indent=1))

    def _write_files(self) -> None:
        self._write_notes()
        config_files.write(self.policy_path, self.policy())
        config_files.write(self.home / "sandbox.env", config_files.exports(self.env))

    def policy(self, pay_with: str = "USDC") -> str:
        """The text of a policy file for this world. It has TMAI where the world sells for it, or is paid with it."""
        symbols = ("USDC", "TMAI") if self.settings.tmai or pay_with == "TMAI" else ("USDC",)
        return config_files.policy(
            rpc_url=self.rpc_url,
            seller_url=self.seller_url,
            pay_with=pay_with,
            pay_to=self.pay_to,
            tokens=self.watch,
            assets=[self.asset_of(symbol) for symbol in symbols],
            other_sellers={name: self.seller_base + path for name, path in other_sellers.base_paths().items()},
            declarations=self.declarations,
        )

    @property
    def policy_path(self) -> Path:
        return self.home / "policy.toml"

    @property
    def env(self) -> dict[str, str]:
        return self._env(self.private_key, self.home)

    def _env(self, key: str, home: Path) -> dict[str, str]:
        env = {"TOLLBOOK_POLICY": str(self.policy_path), "TOLLBOOK_HOME": str(home), "TOLLBOOK_PRIVATE_KEY": key}
        if self.clock.offset:
            env["TOLLBOOK_CLOCK_OFFSET"] = repr(self.clock.offset)
        return env

    @property
    def asset(self) -> dict[str, Any]:
        return self.asset_of("USDC")

    def asset_of(self, symbol: str) -> dict[str, Any]:
        """A token as policy names it, with its chain: the fields of payer.values.money.Asset."""
        token = self.tokens[symbol]
        return {
            "symbol": symbol,
            "chain_id": CHAIN_ID,
            "address": token.address,
            "eip712_name": token.spec.eip712_name,
            "eip712_version": token.spec.eip712_version,
            "decimals": token.spec.decimals,
        }

    def buyer(self, name: str, funds: int = FUNDS, symbol: str = "USDC") -> Buyer:
        """Another funded wallet, the same for the same name; its home is inside this world's."""
        key = buyer_key(name)
        address, token = Account.from_key(key).address, self.tokens[symbol]
        if not token.balance(address):
            token.mint(self._deployer, address, funds * 10**token.spec.decimals)
        home = self.home / "buyers" / name
        home.mkdir(parents=True, exist_ok=True)
        return Buyer(address, key, home, self._env(key, home))

    def transfers(self, address: str | None = None, symbol: str = "USDC") -> list[dict[str, Any]]:
        """Every Transfer out of the wallet (or `address`), read from the chain, oldest first."""
        return self.tokens[symbol].transfers(address or self.wallet_address)

    def balance(self, address: str | None = None, symbol: str = "USDC") -> int:
        return self.tokens[symbol].balance(address or self.wallet_address)

    def mine(self, blocks: int = 1) -> None:
        self._chain.mine(blocks)

    def reset(self) -> None:
        """Switch off faults and data changes, restore the first settings, forget visits. Chain and clock stay."""
        self.faults.clear()
        self.settings.update(**copy.deepcopy(self._first_settings))
        self.market.changes.clear()
        self.seller.visits.clear()
        self._chain.restore()

    def cancel(self, nonce: str, private_key: str | None = None) -> None:
        """Cancel an authorization's nonce on chain, as the payer may."""
        self.token.cancel(self._deployer, private_key or self.private_key, nonce)

    def submit(self, authorization: Mapping[str, str], signature: str) -> None:
        """Settle an authorization as a third party that saw it."""
        self.token.submit(self._deployer, authorization, signature)

    def wait_until(self, what: str, condition: Any, timeout: float = 60.0) -> None:
        """Poll a condition, for tests that watch another process."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(what)
            time.sleep(0.02)
