"""One seeded world: machines, a seller, a chain, people; faults first, then quiet, then the reckoning."""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

from payer.policy.file import parse_policy
from payer.policy.rules import Caps, Policy, SellerCaps
from payer.wallet.eip3009 import Wallet
from payer.wallet.sign import Signer
from tests.simulation import terms
from tests.simulation.actors import Actors
from tests.simulation.chain import FIRST_BLOCK, SimChain
from tests.simulation.checks import Checks
from tests.simulation.dice import Dice
from tests.simulation.disk import Store
from tests.simulation.loop import VirtualLoop
from tests.simulation.machine import PROCESS, Crashed, Machine
from tests.simulation.scenario import Scenario
from tests.simulation.seller import SimSeller
from tests.simulation.signer import SimSigner

TRACE = 400
PAST_PRICE = 20_000
POLICY = f"""
[network]
chain_id = {terms.CHAIN_ID}
v1_name = "{terms.V1_NAME}"
rpc_url = "https://rpc.example"
finality = "safe"
max_head_ahead = 15
lookback_blocks = 20000
[payment]
quote_max_age = 1800
[assets.USDC]
address = "{terms.ASSET.address}"
eip712_name = "{terms.ASSET.eip712_name}"
eip712_version = "{terms.ASSET.eip712_version}"
decimals = 6
[caps.USDC]
per_call = "0.03"
per_run = "100"
per_flow_day = "200"
per_day = "500"
per_month = "900"
price_drift = "0.25"
[sellers.s]
base_url = "{terms.BASE_URL}"
pay_with = "USDC"
pay_to = ["{terms.PAYEE}"]
timeout_seconds = 30
loss_limit = "1000"
"""


@cache
def base_policy() -> Policy:
    return parse_policy(POLICY)


KEY = b"\x11" * 32


@cache
def the_wallet() -> Wallet:
    return Wallet(KEY)


_stores: list[Store] = []


def store(number: int) -> Store:
    """Ledgers are used again by the next world, blank."""
    while len(_stores) <= number:
        _stores.append(Store())
    return _stores[number]


class World:
    """Everything of one seed. `run` raises Broken, or returns when all invariants held to the end."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.loop = VirtualLoop(Random(f"{scenario.seed}/schedule"))
        self.dice = Dice(scenario)
        self.chance = Random(f"{scenario.seed}/world")
        self.network_chance = Random(f"{scenario.seed}/network")
        # Some time of a day near the end of a month, so that days and months end in the middle of things.
        self.epoch = 1_795_996_800 + self.chance.randrange(0, 3 * 86_400, 2)
        self.wallet: Signer = SimSigner(self, KEY, the_wallet()) if scenario.remote else the_wallet()
        self.policy = self._policy()
        self.checks = Checks(self)
        self.chain = SimChain(
            self.loop, self.dice, Random(f"{scenario.seed}/chain"), self.epoch, scenario.finality_blocks
        )
        for _ in range(scenario.past):
            block = FIRST_BLOCK - self.chance.randint(1, 3 * 43_200)
            self.chain.paid_before(block, terms.PAYEE, PAST_PRICE, terms.ASSET, self.wallet.address)
        self.seller = SimSeller(
            self.chain,
            self.dice,
            Random(f"{scenario.seed}/seller"),
            scenario.version,
            scenario.forgiving,
            scenario.any_payee,
        )
        self.machines = [Machine(self, f"m{number}", store(number)) for number in range(scenario.machines)]
        self._trace: deque[tuple[Any, ...]] = deque(maxlen=TRACE)
        self.traced = 0
        self._wire()

    def _policy(self) -> Policy:
        urls = tuple(f"https://rpc{number}.example" for number in range(self.scenario.servers))
        policy = replace(base_policy(), servers=urls)
        if self.scenario.any_payee:
            policy = replace(policy, sellers={"s": replace(policy.sellers["s"], pay_to=(), any_payee=True)})
        if not self.scenario.tight:
            return policy
        price = 20_000
        fits = self.chance.randint(1, max(1, self.scenario.pieces))
        limits = [price * fits * times for times in (1, 2, 3, 4)]
        self.chance.shuffle(limits)
        sellers = {name: replace(seller, loss_limit=5 * price) for name, seller in policy.sellers.items()}
        own = SellerCaps(*(price * fits * self.chance.randint(1, 4) for _ in range(2)))
        return replace(policy, caps={"USDC": Caps(30_000, *limits, sellers={"s": own})}, sellers=sellers)

    def _wire(self) -> None:
        self.chain.on_mined = self.checks.mined
        self.chain.on_undone = self.checks.undone
        self.loop.after_step = self.checks.step
        self.loop.new_task = _belongs
        self.loop.on_stray = self._stray

    def _stray(self, error: BaseException) -> None:
        if not isinstance(error, (Crashed, asyncio.CancelledError)):
            self.checks.require(False, "unexpected", lambda: f"{type(error).__name__}: {error}")

    def trace(self, *words: object) -> None:
        """Remember what happened; only shown when something breaks."""
        self.traced += 1
        self._trace.append((self.loop.time(), *words))

    def tail(self) -> list[str]:
        return [f"{at:10.3f}  " + " ".join(str(word) for word in words) for at, *words in self._trace]

    def run(self) -> Actors:
        """Play the seed to its end."""
        actors = Actors(self)
        context = Context()
        context.run(self.loop.run, actors.play())
        self.checks.step()
        return actors


def _belongs(task: asyncio.Task[Any]) -> None:
    process = PROCESS.get()
    if process is not None:
        process.tasks.append(task)
