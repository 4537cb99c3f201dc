"""The invariants, checked while the world runs: after each step what has changed, at each header, at each transfer.

They look at the chain's truth and at the ledger's committed rows, never at what the payer believes in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec.structs import replace

from payer.http.exchange import Answer, answer_time
from payer.ledger.database import rows
from payer.policy.rules import Policy, SellerCaps
from payer.values.events import Answered, Intent, fold
from payer.values.identifiers import nonce, purchase_key
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Order
from payer.values.terms import Authorization
from tests.simulation import terms
from tests.simulation.chain import BLOCK_SECONDS, FIRST_BLOCK, Tx
from tests.simulation.failure import Broken
from tests.simulation.machine import Machine, Process
from tests.simulation.prices import PriceChecks
from tests.simulation.seller import Message

if TYPE_CHECKING:
    from tests.simulation.world import World

GENERATIONS = 4
DISK = ("disk_full", "disk_unsure", "disk_down", "disk_gone")
STALEST = 201
"""Blocks that a server may be behind at most (rpc_stale)."""


@dataclass(slots=True)
class Row:
    """A nonce's state in one machine's ledger now."""

    money: str
    data: str
    committed: int
    spent: int
    settling: bool = False


@dataclass(slots=True)
class Known:
    """One machine's ledger as the checks know it, kept up to date from its newest rows."""

    seq: int = 0
    rows: dict[str, Row] = field(default_factory=dict)
    total: int = 0


class Checks:
    """Collects what is wrong; the first thing found ends the world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.broken: Broken | None = None
        self.due = False
        self.made = 0
        self.headers = 0
        self.purchase_of: dict[str, tuple[str, int]] = {}
        self.accepted: set[tuple[str, int]] = set()
        self.knew: dict[str, frozenset[str]] = {}
        """Of what is bought, the purchases that its plan knew to be held."""
        self._wanted: set[str] = set()
        self._transfers: dict[str, int] = {}
        self._ever_moved: dict[str, set[int]] = {}
        self._known: dict[str, Known] = {}
        self._in_hand: dict[tuple[str, str], Process] = {}
        self._awaited: Counter[Process] = Counter()
        self._broke_off: dict[tuple[str, str], tuple[Process, int]] = {}
        self.prices = PriceChecks()

    def require(self, holds: bool, rule: str, detail: Callable[[], str]) -> None:
        self.made += 1
        if not holds and self.broken is None:
            self.due = True
            self.broken = Broken(rule, detail(), self._world.tail())

    def want(self, order: Order) -> None:
        """Someone is about to buy this piece: its nonces are legitimate from here on."""
        key = purchase_key(order.request, order.edition)
        if key in self._wanted:
            return
        self._wanted.add(key)
        for generation, used in enumerate(_nonces(self._world.wallet.nonce_secret, key)):
            self.purchase_of[used] = (key, generation)

    # ── at the network's edge ────────────────────────────────────────────────────────────────────────────────────

    def leaves(self, process: Process, message: Message) -> None:
        """A payment header is about to leave a machine."""
        assert message.payment is not None
        a, policy = message.payment.authorization, process.policy or self._world.policy
        self.require(not process.stop.requested, "I11 begun", lambda: f"{process.name} was asked to stop and paid")
        piece = self.purchase_of.get(a.nonce)
        self.require(piece is not None, "I2 nonce", lambda: f"a nonce nobody derived: {a.nonce}")
        if piece is not None and piece[1] > 0:
            word = (piece[0], piece[1] - 1) in self.accepted
            self.require(word, "I2 generation", lambda: f"generation {piece[1]} of {piece[0][:16]} without a word")
        allowed = (
            message.payment.signer == a.payer == self._world.wallet.address
            and a.pay_to in self._world.seller.payees
            and 0 < a.value <= self.prices.highest(process.machine, a.value)
            and a.valid_before - a.valid_after <= policy.validity_seconds + policy.clock_skew_seconds
            and message.request.url.startswith(terms.BASE_URL)
        )
        self.require(allowed, "I6 policy", lambda: f"signed outside policy: {a} for {message.request.url}")
        self._written_ahead(process.machine, a)
        self._evidence(process, a.nonce)
        if process.policy is not None:
            self._still_allowed(process, policy, a)

    def _still_allowed(self, process: Process, policy: Policy, a: Authorization) -> None:
        """Nothing that can still pay is presented under a policy that would not have it signed."""
        found = process.machine.store.peek("SELECT money FROM purchases WHERE nonce = ?", a.nonce)
        allowed = "s" in policy.sellers and (
            a.pay_to in policy.sellers["s"].pay_to and a.value <= policy.caps[terms.ASSET.symbol].per_call
        )
        rule = allowed or found == [("spent",)]
        self.require(rule, "I6 stricter", lambda: f"presented again against policy: {a}")

    def _written_ahead(self, machine: Machine, a: Authorization) -> None:
        """Durable before the first byte leaves, and what is reserved covers it."""
        found = machine.store.peek("SELECT doc FROM purchases WHERE nonce = ?", a.nonce)
        held = rows.purchase(found[0][0]) if found else None
        self.headers += held is None or held.money is not Money.SPENT
        durable = held is not None and held.money in (Money.EXPOSED, Money.SPENT) and held.authorization == a
        covered = held is not None and (held.reserved >= a.value or held.spent > 0)
        alive = held is not None and held.valid_until >= a.valid_before
        rule = durable and covered and alive
        self.require(rule, "write ahead", lambda: f"sent and not in the ledger: {a}, which holds {held}")

    def broke_off(self, process: Process, used: str, status: int) -> None:
        """An answer to a payment broke off after its headers: its status is evidence that the process has to book."""
        self._broke_off[process.machine.name, used] = process, status

    def _evidence(self, process: Process, used: str) -> None:
        """Before the same process presents a payment again, what came of the last answer is in the ledger."""
        heard_by, status = self._broke_off.pop((process.machine.name, used), (None, 0))
        if heard_by is not process:
            return
        [[booked]] = process.machine.store.peek("SELECT purchase_id FROM purchases WHERE nonce = ?", used)
        events = process.machine.store.open().events(booked)
        kept = any(isinstance(event, Answered) and event.broke_off and event.status == status for event in events)
        self.require(kept, "I4 evidence", lambda: f"{process.name} presents {used} and never booked {status}")

    def handed_over(self, process: Process, used: str) -> None:
        """A body arrived in a living process: from here on it must not be lost (I4)."""
        self._in_hand[process.machine.name, used] = process

    @contextmanager
    def awaiting(self, process: Process) -> Iterator[None]:
        """Mark a payment as on its way. It stays so where its sender stops waiting for the answer."""
        self._awaited[process] += 1
        yield
        self._awaited[process] -= 1

    def died(self, process: Process) -> None:
        del self._awaited[process]
        self._in_hand = {place: owner for place, owner in self._in_hand.items() if owner is not process}

    def finished(self, process: Process) -> None:
        """A process came to its end by itself: what it was handed is in its ledger, what it did not send is free."""
        dice = self._world.dice
        if process.stop.requested and not any(map(dice.may, DISK)):
            reserved = process.machine.store.peek("SELECT doc FROM purchases WHERE money = 'reserved'")
            leases = [p.lease for p in (rows.purchase(doc) for (doc,) in reserved) if not p.order.free]
            kept = [lease for lease in leases if lease is not None and lease.owner.startswith(f"{process.name}@")]
            self.require(not kept, "I11 reserved", lambda: f"{process.name} was asked to stop and left {len(kept)}")
        for (_, used), owner in list(self._in_hand.items()):
            if owner is process:
                found = process.machine.store.peek("SELECT purchase_id, data FROM purchases WHERE nonce = ?", used)
                kept = any(data == "delivered" or process.machine.spool.holds(name) for name, data in found)
                self.require(kept, "I4 body", lambda used=used: f"a body that came for {used} is lost")
        abandoned = self._awaited[process]
        self.require(not abandoned, "I11 answers", lambda: f"{process.name} ended and left {abandoned} on their way")
        self.died(process)

    # ── on the chain ─────────────────────────────────────────────────────────────────────────────────────────────

    def mined(self, tx: Tx) -> None:
        """A transfer, or a cancellation, is in a block."""
        if tx.cancels:
            return
        used, value = tx.authorization.nonce, tx.moved
        self._world.trace("chain:", used[:8], "moved", value, "in", tx.block)
        key, _ = self.purchase_of.get(used, (used, 0))
        self._transfers[key] = self._transfers.get(key, 0) + 1
        self._ever_moved.setdefault(used, set()).add(value)
        allowed = 1 + sum(1 for accepted, _ in self.accepted if accepted == key)
        self.require(self._transfers[key] <= allowed, "I1 transfers", lambda: f"{self._transfers[key]} for {key[:16]}")
        if self._world.scenario.honest:
            row = self._known[self._world.machines[0].name].rows.get(used)
            held = row is not None and row.money in ("exposed", "spent") and row.committed >= value
            self.require(held, "I5 covered", lambda: f"{value} moved by {used}, the ledger has {row}")

    def undone(self, tx: Tx) -> None:
        """A reorg took a transaction back."""
        if not tx.cancels:
            key, _ = self.purchase_of.get(tx.authorization.nonce, (tx.authorization.nonce, 0))
            self._transfers[key] -= 1

    # ── after each step ──────────────────────────────────────────────────────────────────────────────────────────

    def step(self) -> None:
        """Look at every ledger that was written in this step; raise what is broken."""
        if not self.due:
            return
        self.due = False
        for machine in self._world.machines:
            if machine.changed:
                machine.changed = False
                self._books(machine)
        if self.broken is not None:
            raise self.broken

    def forget(self, machine: Machine) -> None:
        """Its ledger was replaced."""
        self._known[machine.name] = Known()
        self.prices.forget(machine)

    def _books(self, machine: Machine) -> None:
        known = self._known.setdefault(machine.name, Known())
        changed = machine.store.peek(
            "SELECT seq, nonce, money, data, committed, generation, purchase_key, doc FROM purchases WHERE seq > ?",
            known.seq,
        )
        moved, reserved = False, list[Purchase]()
        for seq, used, money, data, text, generation, key, doc in changed:
            known.seq = max(known.seq, seq)
            state = rows.purchase(doc) if money == "spent" else None
            spent, settling = (0, False) if state is None else (state.spent, state.settling)
            row, before = Row(money, data, int(text), spent, settling), known.rows.get(used)
            known.rows[used] = row
            self._world.trace(machine.name, "ledger:", used[:8], money, data, text)
            difference = row.committed - (before.committed if before else 0)
            known.total += difference
            moved = moved or difference != 0
            self._row(used, row, key, generation)
            if row.money == "reserved" and (before is None or before.money == "void") and row.committed:
                reserved.append(rows.purchase(doc))
            if row.money == "exposed" and (before is None or before.money == "reserved"):
                self._breaker(machine, used)
                self._clock(machine, used)
                frozen = machine.store.peek("SELECT seller FROM freezes")
                self.require(not frozen, "I6 frozen", lambda used=used: f"signed {used} while frozen")
        for purchase in reserved:
            self._reserved(machine, known, purchase)
        if moved:
            buckets = machine.store.peek("SELECT scope, atoms FROM committed")
            self._caps(known, [(scope, int(held)) for scope, held in buckets])

    def _row(self, used: str, row: Row, key: str, generation: int) -> None:
        word = generation == 0 or (key, generation - 1) in self.accepted
        self.require(word, "I2 generation", lambda: f"generation {generation} of {key[:16]} without operator approval")
        # A forged settlement may be booked while the other servers are silent: it frees nothing, and is never final.
        forged = row.settling and self._world.dice.may("rpc_liar")
        if row.money == "spent" and not forged:
            moved = row.spent in self._ever_moved.get(used, ())
            self.require(moved, "I9 proof", lambda: f"{used} is booked as spent ({row.spent}) and never was")
        if row.money == "void" and self._world.scenario.honest:
            moved = used in self._world.chain.used
            self.require(not moved, "I9 void", lambda: f"{used} is void in the ledger and used on the chain")

    def _breaker(self, machine: Machine, signed: str) -> None:
        """Check that a signature followed no more loss than policy bears. Answers that came since don't count."""
        limit = self._world.policy.sellers["s"].loss_limit
        if self._world.scenario.tight:
            risk = "SELECT doc FROM purchases WHERE data = 'absent' AND money IN ('exposed', 'spent') AND nonce != ?"
            held = [rows.purchase(doc) for (doc,) in machine.store.peek(risk, signed)]
            failed = "SELECT committed FROM purchases WHERE failed AND nonce != ?"
            lost = sum(p.committed for p in held if p.at_risk and not self._unheard(machine, p))
            lost += sum(int(committed) for (committed,) in machine.store.peek(failed, signed))
            self.require(lost < limit, "I3 losses", lambda: f"signed {signed} with {lost} lost, the limit is {limit}")

    def _unheard(self, machine: Machine, purchase: Purchase) -> bool:
        """A process died, or was stopped at once, before the answer: two sends with nothing booked between them."""
        kinds = [type(event).__name__ for event in machine.store.open().events(purchase.purchase_id)]
        told = [kind for kind in kinds if kind in ("Sent", "Answered", "Delivered", "Unsent")]
        return any(pair == ("Sent", "Sent") for pair in pairwise(told))

    def heard(self, process: Process, answer: Answer) -> None:
        """An answer told its maker's time."""
        told = answer_time(answer.headers)
        if told is not None:
            process.heard.append(self._world.chain.now() + process.offset - told)

    def _clock(self, machine: Machine, signed: str) -> None:
        """Nothing is signed by a clock that the seller's last answers showed to be further off than the window."""
        policy, latest = self._world.policy, [] if machine.writer is None else machine.writer.heard[-2:]
        # An answer is up to two minutes old when it is heard; one that came while this was signed may be an honest one.
        wrong = [off for off in latest if off > policy.clock_skew_seconds + 130 or -off > policy.validity_seconds]
        sound = not latest or len(wrong) < len(latest)
        self.require(sound, "I6 clock", lambda: f"signed {signed} by a clock that is {latest} s ahead")

    def _caps(self, known: Known, buckets: list[tuple[str, int]]) -> None:
        months = sum(held for scope, held in buckets if scope == "month")
        self.require(months == known.total, "I3 sums", lambda: f"months hold {months}, purchases {known.total}")
        sold = sum(held for scope, held in buckets if scope == "seller_month")
        self.require(sold == known.total, "I3 sums", lambda: f"sellers hold {sold}, purchases {known.total}")
        if self._world.scenario.caps_hold:
            caps = self._world.policy.caps[terms.ASSET.symbol]
            own = caps.sellers.get("s", SellerCaps(caps.per_day, caps.per_month))
            limits = {"run": caps.per_run, "flow_day": caps.per_flow_day, "day": caps.per_day, "month": caps.per_month}
            limits |= {"seller_day": own.per_day or 0, "seller_month": own.per_month or 0}
            over = [(scope, held) for scope, held in buckets if held > limits[scope]]
            self.require(not over, "I3 caps", lambda: f"{over} are over {limits}")

    def _reserved(self, machine: Machine, known: Known, purchase: Purchase) -> None:
        """One wallet's homes together stay inside the caps: the wallet was counted by this process, and what had
        settled by then leaves room for what is reserved (I3)."""
        counted = machine.store.peek("SELECT through_block FROM spend_scans")
        began = float(purchase.lease.owner.partition("@")[2]) if purchase.lease else 0.0
        oldest = FIRST_BLOCK + int(began) // BLOCK_SECONDS - self._world.scenario.finality_blocks - STALEST
        through = counted[0][0] if counted else -1
        self.require(through >= oldest, "I3 wallet", lambda: f"reserved with a count through {through}, not {oldest}")
        if not (self._world.scenario.tight and self._world.scenario.wallet_caps_hold):
            return
        caps, day = self._world.policy.caps[terms.ASSET.symbol], purchase.run.started_at
        for scope, bucket, cap in (("day", f"{day:%Y-%m-%d}", caps.per_day), ("month", f"{day:%Y-%m}", caps.per_month)):
            held = machine.store.peek("SELECT atoms FROM committed WHERE scope = ? AND bucket = ?", scope, bucket)
            other = self._elsewhere(known, bucket, through)
            total = int(held[0][0]) + other
            told = f"{scope}: {total} of {cap}, of which {other} elsewhere, through {through}"
            self.require(total <= cap, "I3 wallet", lambda told=told: told)

    def _elsewhere(self, known: Known, period: str, through: int) -> int:
        """Atomic units that the chain moved by a block in a period, and this machine's ledger doesn't count."""
        chain, total = self._world.chain, 0
        for tx in (*chain.past, *chain.log):
            row = known.rows.get(tx.authorization.nonce)
            when = datetime.fromtimestamp(chain.time_of(tx.block or 0), UTC)
            if tx.block is not None and tx.block <= through and f"{when:%Y-%m-%d}".startswith(period):
                total += max(0, tx.moved - (row.committed if row else 0))
        return total

    def judged(self, machine: Machine) -> None:
        """Every body that can't be used is a loss in the books, and no other (I12).

        Where a process may die between the body and its verdict, loading books what this world does not load.
        """
        ledger, deadly = machine.store.open(), {"crash", *DISK} & self._world.scenario.rates.keys()
        for purchase in ledger.purchases():
            delivery = ledger.delivery(purchase.purchase_id) if purchase.data is Data.DELIVERED else None
            spoilt = "" if delivery is None else terms.check_body(delivery)
            known = purchase.failure == spoilt or purchase.loss_accepted or (deadly and not purchase.failure)
            self.require(bool(known), "I12 losses", lambda p=purchase: f"{p.purchase_id} is judged {p.failure!r}")

    def refold(self, machine: Machine, purchase: Purchase) -> None:
        """The projection is the fold of the events."""
        ledger = machine.store.open()
        happened = ledger.events(purchase.purchase_id)
        first = happened[0]
        assert isinstance(first, Intent)
        state = Purchase(
            purchase.purchase_id, purchase.purchase_key, purchase.generation, first.order, first.run, purchase.asset,
            purchase.payer, purchase.nonce, purchase.created_at,
        )  # fmt: skip
        for event in happened:
            state = fold(state, event)
        same = replace(state, lease=None) == replace(purchase, lease=None)
        self.require(same, "fold", lambda: f"{purchase.purchase_id} is not the fold of its events")

    def whole(self, machine: Machine) -> None:
        """The ledger finds itself as its events say: purchases, and the buckets of the caps."""
        found = machine.store.open().verify_projection()
        self.require(not found, "projection", lambda: f"{found}")


@lru_cache(maxsize=4096)
def _nonces(secret: bytes, key: str) -> tuple[str, ...]:
    return tuple(nonce(secret, terms.ASSET, key, generation) for generation in range(GENERATIONS))
