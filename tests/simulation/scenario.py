"""The meaning of a seed: the shape of a world and the faults in it. Small enough to print, to replay and to shrink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from random import Random
from typing import Any

FAULTS: dict[str, tuple[float, str]] = {
    # the network between buyer and seller
    "refused": (0.10, "no connection: provably not sent"),
    "drop": (0.10, "the request is lost, the buyer waits for nothing"),
    "lose": (0.15, "the answer is lost"),
    "half": (0.08, "half a body arrives"),
    "garbage": (0.08, "a proxy answers 502 with HTML"),
    "slow": (0.08, "the answer takes longer than the buyer waits"),
    "duplicate": (0.15, "a proxy sends the same request again, at once or minutes later"),
    # the seller and its facilitator
    "late": (0.12, "settled long after the buyer gave up, or one second around validBefore"),
    "settle_402": (0.10, "settled, then answered 402"),
    "settle_503": (0.08, "settled, then answered 503 with a true receipt"),
    "settle_404": (0.06, "settled, then answered 404, to each claim too"),
    "spoil": (0.08, "settled, then answered 200 with a body that can't be used"),
    "settle_hang": (0.08, "settled, then silent"),
    "crash_500": (0.08, "500 and nothing settled"),
    "busy_429": (0.08, "429 with Retry-After"),
    "new_price": (0.10, "402 with a price that moved"),
    "new_terms": (0.10, "402 with terms that moved in all but price and payee; the echo of the old ones is refused"),
    "nothing_404": (0.06, "404 and nothing settled"),
    "conflict": (0.06, "409, 412 or 400 and nothing settled"),
    "spike": (0.05, "402 with a price far beyond the drift policy allows"),
    "swap": (0.05, "402 with another payee"),
    "raise": (0.8, "the price rises further than policy allows, until an operator accepts it"),
    "wrong_date": (0.10, "an answer whose Date is hours off"),
    "forge": (0.08, "402 with a forged receipt of success, nothing settled"),
    "gift": (0.05, "200 with a body and a forged receipt, never settled"),
    "deny_resend": (0.50, "a payment presented again is refused although it settled"),
    "old_signature": (0.30, "of several signatures over a nonce the seller settles an earlier one"),
    # the chain
    "reorg": (0.30, "the newest blocks are replaced; what was in them comes again later, or never"),
    "slow_block": (0.15, "a transaction waits in the pool"),
    "cancel": (0.02, "someone with the key cancels the nonce"),
    # the RPC server
    "rpc_down": (0.10, "no answer"),
    "rpc_error": (0.10, "an error for one call"),
    "rpc_stale": (0.15, "an older head"),
    "rpc_forget": (0.04, "a used nonce is shown as unused, at the final block, too"),
    "rpc_ghost": (0.04, "an unused nonce is shown as used, without a log"),
    "rpc_no_logs": (0.08, "no logs"),
    "rpc_other_chain": (0.03, "another chain"),
    "rpc_liar": (0.7, "where there are several servers, the first of them lies to a process about every nonce"),
    # the buyer's machine
    "crash": (0.35, "a process dies at an await, a crash point or a commit"),
    "clock": (0.25, "a process's clock is up to ten minutes off"),
    "stop": (0.30, "a process is asked to stop in the ordinary way"),
    "delisted": (0.5, "a recovery whose policy names the seller no more"),
    "stricter": (0.5, "a recovery whose policy lists another payee, or lets a call cost less"),
    "freeze": (0.15, "an operator freezes the seller, or lifts that"),
    "other_key": (0.5, "a recovery with another wallet's key"),
    "disk_full": (0.02, "a commit fails"),
    "disk_unsure": (0.02, "a commit fails and was durable"),
    "disk_down": (0.20, "no commit succeeds for some seconds: bodies that come meanwhile go to the spool"),
    "disk_gone": (0.20, "the ledger can neither be read nor written for some seconds, as with a database server"),
    "lost": (0.5, "the ledger is lost"),
    "rollback": (0.5, "the ledger is an earlier backup"),
}
"""Every kind of fault: how often it strikes at most where it can, and what it is."""

LATER = ("disk_down", "raise", "wrong_date", "disk_gone")
"""Drawn from a stream of their own, so that older seeds keep the faults they had."""

ONCE = (
    "raise",
    "crash",
    "clock",
    "stop",
    "lost",
    "rollback",
    "reorg",
    "deny_resend",
    "old_signature",
    "delisted",
    "other_key",
    "rpc_liar",
    "stricter",
)
"""Faults that strike a process, a world or a choice rather than each message: rare by nature, so never made rarer."""

DISHONEST = ("rpc_forget", "cancel", "lost", "rollback")
"""After these the books of one machine are whole again only once it has reconciled."""


@dataclass(frozen=True)
class Scenario:
    """One world. `rates` holds the faults that strike in it."""

    seed: int
    pieces: int = 24
    machines: int = 1
    slots: int = 2
    jobs: int = 2
    tight: bool = False
    version: int = 2
    finality_blocks: int = 15
    planned: bool = False
    rpc: bool = False
    servers: int = 1
    any_payee: bool = False
    forgiving: bool = False
    free: bool = False
    remote: bool = False
    past: int = 0
    overlapping: bool = False
    rates: dict[str, float] = field(default_factory=dict)

    @property
    def honest(self) -> bool:
        """One ledger that is never lost, and a chain that never lies about what is final."""
        return self.machines == 1 and not any(name in self.rates for name in DISHONEST)

    @property
    def plans(self) -> bool:
        """True where the real planner says what is wanted: all of it, or in `overlapping` worlds a range a run."""
        return self.planned or self.overlapping

    @property
    def cells_once(self) -> bool:
        """Every run sees the others' purchases: no clock is off, and neither ledger nor chain forgets one."""
        forgetful = ("clock", "lost", "rollback", "reorg", "cancel", *(name for name in FAULTS if name[:4] == "rpc_"))
        return self.overlapping and self.machines == 1 and not any(name in self.rates for name in forgetful)

    @property
    def caps_hold(self) -> bool:
        """Nothing is booked after it was freed: no ledger goes back in time, and no server is alone with a lie that
        frees what is spent."""
        return not any(name in self.rates for name in ("rollback", "rpc_forget"))

    @property
    def wallet_caps_hold(self) -> bool:
        """Every server shows every transfer: what one leaves out, where no other answers, nobody can count."""
        return not any(name in self.rates for name in ("rpc_no_logs", "rpc_forget", "rpc_liar"))

    def without(self, fault: str) -> Scenario:
        return replace(self, rates={name: rate for name, rate in self.rates.items() if name != fault})

    def describe(self) -> str:
        """The world in one line."""
        shape = [f"{name}={getattr(self, name)}" for name in SHAPE]
        return " ".join([*shape, "faults=" + (",".join(self.rates) or "none")])

    def arguments(self) -> str:
        """The differences of this world from its seed's, as the command line takes them; empty for the seed's own."""
        own = from_seed(self.seed)
        shape = [f"{name}={getattr(self, name)}" for name in SHAPE if getattr(self, name) != getattr(own, name)]
        named = [name if own.rates.get(name) == rate else f"{name}:{rate}" for name, rate in self.rates.items()]
        faults = [f"--faults {','.join(named) or 'none'}"] if self.rates != own.rates else []
        return " ".join([*(["--world", *shape] if shape else []), *faults])


SHAPE = tuple(f.name for f in fields(Scenario) if f.name not in ("seed", "rates"))


def from_seed(seed: int) -> Scenario:
    """The world of a seed. One in ten has no faults; the others draw a few kinds, so that all kinds meet each other.

    One in ten is a storm: few pieces, and every third thing goes wrong. In the others most pieces meet no fault or one.
    """
    chance = Random(f"{seed}/scenario")
    first = sorted(FAULTS.keys() - set(LATER))
    kinds = [] if chance.random() < 0.1 else chance.sample(first, k=chance.choice((1, 2, 3, 4, 5, 6, 8)))
    storm = chance.random() < 0.07
    low, high = (0.5, 1.0) if storm else (0.15, 0.8)
    rates = {kind: round(FAULTS[kind][0] * chance.uniform(low, high), 4) for kind in kinds}
    rates |= {kind: FAULTS[kind][0] for kind in kinds if kind in ONCE}
    rates |= later_faults(seed) if kinds else {}
    servers = chance_of_servers(seed, kinds)
    scenario = Scenario(
        seed=seed,
        pieces=chance.choice((8, 16, 24) if storm else (64, 96, 128, 192)),
        machines=2 if chance.random() < 0.08 else 1,
        slots=chance.choice((1, 1, 2, 3)),
        jobs=chance.choice((1, 1, 2, 3)),
        tight=chance.random() < 0.08,
        version=chance.choice((1, 2)),
        finality_blocks=chance.choice((8, 15, 40)),
        planned=chance.random() < 0.04,
        rpc=chance.random() < 0.08,
        servers=servers,
        any_payee=Random(f"{seed}/payees").random() < 0.08,
        forgiving=chance.random() < 0.6,
        free=chance.random() < 0.15,
        remote=Random(f"{seed}/remote").random() < 0.08,
        past=past_of(seed),
        overlapping=Random(f"{seed}/overlapping").random() < 0.04,
        rates=rates,
    )
    workers = many_workers(seed)
    return replace(scenario, slots=workers, jobs=1) if workers else scenario


def many_workers(seed: int) -> int:
    """10 to 100 workers over one ledger in one world of 30, else 0. A stream of its own: other seeds stay."""
    chance = Random(f"{seed}/workers")
    return chance.choice((10, 10, 30, 30, 100)) if chance.random() < 1 / 30 else 0


def later_faults(seed: int) -> dict[str, float]:
    """In a third of the worlds one or two kinds of faults more."""
    chance = Random(f"{seed}/later")
    kinds = chance.sample(LATER, k=chance.choice((1, 1, 2))) if chance.random() < 0.33 else []
    shares = {kind: 1.0 if kind in ONCE else chance.uniform(0.3, 1.0) for kind in kinds}
    return {kind: round(FAULTS[kind][0] * share, 4) for kind, share in shares.items()}


def past_of(seed: int) -> int:
    """Transfers that the wallet made before the world began, in one world of four. A stream of its own: older seeds
    stay."""
    chance = Random(f"{seed}/past")
    return chance.randint(1, 4) if chance.random() < 0.25 else 0


def chance_of_servers(seed: int, kinds: Sequence[str]) -> int:
    """Several servers in half of the worlds that have a liar, else in few. A stream of its own: older seeds stay."""
    chance = Random(f"{seed}/servers")
    return chance.choice((2, 3)) if chance.random() < (0.5 if "rpc_liar" in kinds else 0.02) else 1


def narrowed(scenario: Scenario, world: Sequence[str] = (), faults: str | None = None) -> Scenario:
    """The scenario with some of its fields given as text ("pieces=4"), and only some faults ("lose,drop:0.5").

    A fault without a rate has the seed's, or its full one where the seed doesn't have it.
    """
    changes: dict[str, Any] = {}
    for text in world:
        name, _, value = text.partition("=")
        if name not in SHAPE:
            raise ValueError(f"a world has no {name!r}: {', '.join(SHAPE)}")
        changes[name] = value == "True" if isinstance(getattr(scenario, name), bool) else int(value)
    if faults is not None:
        changes["rates"] = dict(_rate(scenario, text) for text in faults.split(",") if text != "none")
    return replace(scenario, **changes)


def _rate(scenario: Scenario, text: str) -> tuple[str, float]:
    name, _, rate = text.partition(":")
    if name not in FAULTS:
        raise ValueError(f"there is no fault {name!r}: {', '.join(FAULTS)}")
    return name, float(rate) if rate else scenario.rates.get(name, FAULTS[name][0])
