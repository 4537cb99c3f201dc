"""Keep the transfers out of a wallet that were read from the chain: for reconciliation, and for the caps (I3).

For the caps, what the wallet paid elsewhere in their periods is summed, in the transaction that checks them. A transfer
counts as far as no purchase of this ledger counts it already: one over a purchase's nonce counts by what it moved
beyond the purchase's own amount, any other counts whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from payer.ledger.caps import Bucket, buckets
from payer.ledger.database import schema
from payer.ledger.database.engine import OnEngine, read_connection, write_connection
from payer.ledger.database.queries import PAID_ON_CHAIN, PAYEE, serialize_scans
from payer.ledger.database.rows import asset_key
from payer.ledger.database.statements import Transaction, transaction
from payer.policy.rules import Caps, SellerCaps
from payer.values.chain_view import TransferOut
from payer.values.money import Asset
from payer.values.purchase import Money
from payer.values.request import Run

KEPT = timedelta(days=70)
"""Time for which a transfer is kept: no cap reaches further back than a month."""

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Counted:
    """One transfer and the atomic units of it that only the chain counts."""

    at: datetime
    pay_to: str
    nonce: str | None
    amount: int


def paid_elsewhere(txn: Transaction, asset: Asset, wallet: str, month: datetime) -> list[Counted]:
    """Return what the wallet paid elsewhere in the UTC month of a time."""
    first = month.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = (first + timedelta(days=32)).replace(day=1)
    found = txn.rows(PAID_ON_CHAIN, wallet=wallet, asset=asset_key(asset), first=first, after=after)
    return [
        Counted(at, pay_to, nonce, value - (held or 0))
        for at, pay_to, nonce, value, held in found
        if value > (held or 0)
    ]


def elsewhere(txn: Transaction, asset: Asset, wallet: str, run: Run, seller: str, caps: Caps) -> dict[Bucket, int]:
    """Return the atomic units paid elsewhere by bucket of a run's calls to a seller: its day and month, and the
    seller's, of which the chain shows the payees. Runs and flows have none: no transfer names one."""
    if not caps.counts_elsewhere:
        return {}
    found = paid_elsewhere(txn, asset, wallet, run.started_at)
    if not found:
        return {}
    today = [each for each in found if each.at.date() == run.started_at.date()]
    payees = _payees(txn, asset, seller, caps)
    places = buckets(run, seller)
    return {
        places["per_day"]: _sum(today),
        places["per_month"]: _sum(found),
        places["seller_day"]: _sum(today, payees),
        places["seller_month"]: _sum(found, payees),
    }


def _payees(txn: Transaction, asset: Asset, seller: str, caps: Caps) -> set[str]:
    """The addresses that a seller is known to be paid at: policy's, or the one recorded at first use."""
    listed = caps.sellers.get(seller, SellerCaps()).payees
    pinned = None if listed else txn.scalar(PAYEE, seller=seller, asset=asset_key(asset))
    return {address.lower() for address in (*listed, *([pinned] if pinned else ()))}


def _sum(found: Collection[Counted], payees: Collection[str] | None = None) -> int:
    return sum(each.amount for each in found if payees is None or each.pay_to.lower() in payees)


@dataclass(frozen=True, slots=True)
class SpendScan:
    """The blocks that were read: from the first one of `since` (the beginning of a day or a month) through a final one.

    Blocks above `through_block` are read again each time, as they may still be replaced.
    """

    since: datetime
    first_block: int
    through_block: int


class SpentElsewhere(OnEngine):
    """The part of a ledger about transfers that other homes of its wallet made, and those that a lost ledger made."""

    def scan(self, asset: Asset, wallet: str) -> SpendScan | None:
        """The blocks read for a wallet, None before the first time."""
        found = self._fetched(_scan_of(_key(asset, wallet)))
        return SpendScan(*found[0]) if found else None

    def begin(self, asset: Asset, wallet: str, scan: SpendScan, at: datetime) -> SpendScan:
        """Begin at a scan's first block; return what holds then, which another process may have begun before."""
        table, key = schema.spend_scans, _key(asset, wallet)
        with write_connection(self._engine) as connection:
            serialize_scans(connection)
            row = connection.execute(_scan_of(key)).first()
            kept = None if row is None else SpendScan(*row)
            if kept is not None and kept.since <= scan.since and kept.through_block >= scan.first_block - 1:
                return kept
            connection.execute(sa.delete(table).where(_of_wallet(table, key)))
            connection.execute(sa.insert(table).values({**key, **asdict(scan), "scanned_at": at}))
        return scan

    def close(
        self,
        asset: Asset,
        wallet: str,
        blocks: range,
        paid: Sequence[tuple[TransferOut, datetime]],
        through: int,
        at: datetime,
    ) -> None:
        """Replace the transfers of some blocks by those read now, each with its block's time; `through` is the last of
        the blocks that is final."""
        table, scans, key = schema.paid_on_chain, schema.spend_scans, _key(asset, wallet)
        with write_connection(self._engine) as connection:
            serialize_scans(connection)
            replaced = table.c.block_number.between(blocks.start, blocks.stop - 1) | (table.c.at < at - KEPT)
            _replace(connection, table, key, replaced, [{**asdict(transfer), "at": when} for transfer, when in paid])
            later = _of_wallet(scans, key) & (scans.c.through_block < through)
            connection.execute(sa.update(scans).where(later).values(through_block=through, scanned_at=at))

    def not_settled_here(self, transfers: Iterable[TransferOut]) -> list[TransferOut]:
        """Leave out transfers that this ledger has booked as spent: they count in its own caps for good."""
        found = list(transfers)
        nonces = sorted({transfer.nonce for transfer in found if transfer.nonce is not None})
        table, booked = schema.purchases, set[str]()
        with read_connection(self._engine) as connection:
            for first in range(0, len(nonces), _AT_ONCE):
                spent = (table.c.money == Money.SPENT.value) & table.c.nonce.in_(nonces[first : first + _AT_ONCE])
                booked |= set(connection.execute(sa.select(table.c.nonce).where(spent)).scalars())
        return [transfer for transfer in found if transfer.nonce not in booked]

    def totals(self, asset: Asset, run: Run, seller: str, caps: Caps, wallet: str | None) -> dict[Bucket, int]:
        """Atomic units that the wallet paid elsewhere, by bucket of a run's caps; those that are zero may be absent.

        Without a wallet, that of the newest count.
        """
        if (counted := wallet or self._newest_wallet(asset)) is None:
            return {}
        with transaction(self._engine, write=False) as txn:
            return elsewhere(txn, asset, counted, run, seller, caps)

    def nonces(self, asset: Asset, wallet: str | None, at: datetime) -> Collection[str]:
        """Nonces over which the wallet (None: that of the newest count) paid elsewhere in the month of a time."""
        if (counted := wallet or self._newest_wallet(asset)) is None:
            return set()
        with transaction(self._engine, write=False) as txn:
            found = paid_elsewhere(txn, asset, counted, at)
        return {each.nonce for each in found if each.nonce is not None}

    def _newest_wallet(self, asset: Asset) -> str | None:
        table = schema.spend_scans
        query = sa.select(table.c.wallet).where(table.c.asset == asset_key(asset)).order_by(table.c.scanned_at.desc())
        return next((str(wallet) for (wallet,) in self._fetched(query)), None)


def _scan_of(key: Mapping[str, str]) -> sa.Select[Any]:
    table = schema.spend_scans
    return sa.select(table.c.since, table.c.first_block, table.c.through_block).where(_of_wallet(table, key))


RANGE_KEPT = timedelta(days=30)
"""Time for which a learned range counts: a server may allow more later, or have refused for another reason."""


class Scans(OnEngine):
    """The part of a ledger about the transfers read to reconcile, and how many blocks a chain server answers for."""

    def scanned_through(self, asset: Asset, wallet: str) -> int | None:
        """The last block that was scanned for a wallet, None before the first scan."""
        return next((block for (block,) in self._fetched(_through(_key(asset, wallet)))), None)

    def transfers_seen(self, asset: Asset, wallet: str) -> list[TransferOut]:
        """Every transfer out of a wallet that was scanned, in the chain's order."""
        table = schema.transfers
        query = sa.select(*(table.c[field.name] for field in fields(TransferOut)))
        query = query.where(_of_wallet(table, _key(asset, wallet))).order_by(table.c.block_number, table.c.log_index)
        return [TransferOut(*row) for row in self._fetched(query)]

    def close_scan(
        self, asset: Asset, wallet: str, from_block: int, through: int, seen: Sequence[TransferOut], at: datetime
    ) -> None:
        """Replace the transfers known in blocks from `from_block` to `through` by those seen, and record how far.

        Blocks scanned before stay scanned.
        """
        table, scans, key = schema.transfers, schema.scans, _key(asset, wallet)
        with write_connection(self._engine) as connection:
            serialize_scans(connection)
            in_blocks = table.c.block_number.between(from_block, through)
            _replace(connection, table, key, in_blocks, [asdict(transfer) for transfer in seen])
            before = connection.execute(_through(key)).scalar()
            scan = {**key, "through_block": through, "scanned_at": at}
            if before is None:
                connection.execute(sa.insert(scans).values(scan))
            elif through > before:
                connection.execute(sa.update(scans).where(_of_wallet(scans, key)).values(scan))

    def log_range(self, server: str, now: datetime) -> int | None:
        """The block range that a chain server was found to answer for at once, None when that is not known."""
        table = schema.log_ranges
        found = self._fetched(sa.select(table.c.blocks, table.c.learned_at).where(table.c.server == server))
        return next((int(blocks) for blocks, learned_at in found if now - learned_at <= RANGE_KEPT), None)

    def keep_log_range(self, server: str, blocks: int, at: datetime) -> None:
        """Keep the block range that a chain server answers for at once."""
        table = schema.log_ranges
        with write_connection(self._engine) as connection:
            serialize_scans(connection)
            connection.execute(sa.delete(table).where(table.c.server == server))
            connection.execute(sa.insert(table).values(server=server, blocks=blocks, learned_at=at))


def _through(key: Mapping[str, str]) -> sa.Select[Any]:
    return sa.select(schema.scans.c.through_block).where(_of_wallet(schema.scans, key))


def _key(asset: Asset, wallet: str) -> dict[str, str]:
    return {"asset": asset_key(asset), "wallet": wallet}


def _of_wallet(table: sa.Table, key: Mapping[str, str]) -> sa.ColumnElement[bool]:
    return (table.c.asset == key["asset"]) & (table.c.wallet == key["wallet"])


def _replace(
    connection: sa.Connection,
    table: sa.Table,
    key: Mapping[str, str],
    replaced: sa.ColumnElement[bool],
    transfers: Sequence[Mapping[str, object]],
) -> None:
    """Replace a wallet's transfers. A transaction is in one block: read now, it is removed from any other."""
    connection.execute(sa.delete(table).where(_of_wallet(table, key), replaced))
    for tx_hash in {transfer["tx_hash"] for transfer in transfers}:
        connection.execute(sa.delete(table).where(_of_wallet(table, key), table.c.tx_hash == tx_hash))
    if transfers:
        kept = [{name: value for name, value in {**key, **each}.items() if name in table.c} for each in transfers]
        connection.execute(sa.insert(table), kept)
