"""The reckoning: one transfer per purchase, caps, books, and the published set against the ledger's bodies."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path
from typing import Any

import duckdb

from payer.ledger import Ledger
from payer.values.money import Amount
from payer.values.purchase import Money
from tests import blank_file
from tests.cluster import lake
from tests.cluster.play import Cluster
from tests.crash.child import begin

TABLES = ("grades", "grades_versions", "grades_snapshots", "signals", "signals_versions", "moonshots", "loads")
PATIENCE = 8


def command(env: dict[str, str], words: list[str], out: str) -> None:
    """Do what `tollbook …` does, in this process; its exit code and words are in `out`."""
    from tollbook.cli.main import run as tollbook

    blank_file.use()
    os.environ.update(env)
    if not env.get("TOLLBOOK_PUBLISH"):
        os.environ.pop("TOLLBOOK_PUBLISH", None)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        code = tollbook([*words, "--json"])
    Path(out).write_text(json.dumps([code, said.getvalue()]))


def tollbook(cluster: Cluster, env: dict[str, str], *words: str) -> tuple[int, Any]:
    """A command in a process of its own: its exit code and document."""
    out = cluster.folder / "said.json"
    process = begin(command, env, list(words), str(out))
    process.join(300)
    assert process.exitcode is not None, f"{words} hangs"
    code, said = json.loads(out.read_text())
    return code, json.loads(said) if said.strip() else None


def reckon(cluster: Cluster) -> None:
    """Carry everything to its end, then compare; what is wrong goes to the proof."""
    env, wrong = cluster.env(1), cluster.proof.wrong
    for _ in range(PATIENCE):
        cluster.world.clock.advance(60)
        env = cluster.env(1)
        codes = [tollbook(cluster, env, "recover")[0]]
        books, document = tollbook(cluster, env, "reconcile")
        # 5: the answer to a killed worker is lost with a seller that serves a payment once; it is told, not hidden.
        if {*codes, books} <= {0, 5} and document["clean"]:
            break
    else:
        wrong.append(f"recover ends with {codes}, reconcile with {books}: {document}")
    _transfers(cluster)
    code, done = tollbook(cluster, env, "publish")
    if code != 0:
        wrong.append(f"publish ends with {code}: {done}")
    _published(cluster)
    _lake(cluster)


def _transfers(cluster: Cluster) -> None:
    transfers = cluster.world.transfers(cluster.buyer.address)
    moved, spent = [str(transfer["tx_hash"]) for transfer in transfers], sum(each["value"] for each in transfers)
    with Ledger.open(cluster.postgres.url()) as ledger:
        held = [p for p in ledger.purchases() if p.money is Money.SPENT]
        keys = [(p.purchase_key, p.generation) for p in ledger.purchases()]
        cells = [(p.order.dataset, str(p.order.request), p.order.edition) for p in held]
        cluster.proof.purchases, cluster.proof.transfers = len(held), len(moved)
        cluster.proof.wrong += [f"{problem}" for problem in ledger.verify_projection()]
        for asset in {p.asset for p in held}:
            months = sum(v for (scope, _), v in ledger.committed(asset).items() if scope == "month")
            days = [v for (scope, _), v in ledger.committed(asset).items() if scope == "day"]
            if months != spent:
                cluster.proof.wrong.append(f"the caps hold {Amount(months, asset)}, the chain {Amount(spent, asset)}")
            if days and max(days) > cluster.proof.per_day_atomic:
                cluster.proof.wrong.append(f"a day holds {max(days)} of {cluster.proof.per_day_atomic}")
        cluster.proof.publications = ledger.workers.publisher.last().shown
    if len(moved) != len(set(moved)) or sorted(moved) != sorted(p.settlement.tx_hash for p in held if p.settlement):
        cluster.proof.wrong.append(f"{len(moved)} transfers, {len(held)} purchases that are spent")
    if len(keys) != len(set(keys)) or len(cells) != len(set(cells)):
        cluster.proof.wrong.append("a piece was bought twice")


def _published(cluster: Cluster) -> None:
    """The set that all workers wrote together is what one home makes of the ledger's bodies, row by row."""
    fresh = {**cluster.env(1), "TOLLBOOK_HOME": str(cluster.folder / "fresh"), "TOLLBOOK_PUBLISH": ""}
    code, document = tollbook(cluster, fresh, "rebuild")
    if code:
        cluster.proof.wrong.append(f"rebuild ends with {code}: {document}")
        return
    both = {"ours": cluster.shared, "fresh": cluster.folder / "fresh" / "published"}
    with duckdb.connect() as con:
        for name, folder in both.items():
            con.execute(f"ATTACH '{folder / 'warehouse.duckdb'}' AS {name} (READ_ONLY)")
        for table in TABLES:
            [(count,)] = con.execute(f"SELECT count(*) FROM ours.{table}").fetchall()
            cluster.proof.published_rows += count
            for one, other in (("ours", "fresh"), ("fresh", "ours")):
                query = f"SELECT count(*) FROM (FROM {one}.{table} EXCEPT ALL FROM {other}.{table})"
                [(rows,)] = con.execute(query).fetchall()
                if rows:
                    cluster.proof.wrong.append(f"{rows} rows of {table} are in {one} and not in {other}")
        [(rows,)] = con.execute("SELECT count(*) FROM ours.signals_versions").fetchall()
        files = f"{cluster.shared}/snapshots/dataset=trading-signals/month=*/*.parquet"
        [(parquet,)] = con.execute(f"SELECT count(*) FROM read_parquet('{files}')").fetchall()
    if not rows or parquet == 0:
        cluster.proof.wrong.append(f"{rows} signals, {parquet} in Parquet")
    _bucket(cluster)


def _bucket(cluster: Cluster) -> None:
    """The newest version in the store is the local one."""
    os.environ.update(cluster.store.server.environment())
    from tollbook_bucket.fetch import fetch

    copy = fetch("s3://cluster/published")
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{copy}' AS remote (READ_ONLY)")
        con.execute(f"ATTACH '{cluster.shared / 'warehouse.duckdb'}' AS ours (READ_ONLY)")
        [(rows,)] = con.execute("SELECT count(*) FROM (FROM ours.loads EXCEPT ALL FROM remote.loads)").fetchall()
    if rows:
        cluster.proof.wrong.append(f"the store lacks {rows} deliveries")


def _lake(cluster: Cluster) -> None:
    """The lake has each published row once, and no other."""
    if cluster.lake is None:
        return
    cluster.write_lake()
    done = lake.compared({**cluster.env(1), **cluster.lake}, cluster.shared / "warehouse.duckdb")
    if done.returncode:
        cluster.proof.wrong.append(f"the lake can't be compared: {done.stderr[-600:]}")
        return
    found = json.loads(done.stdout)
    cluster.proof.lake_snapshots = found.pop("snapshots")[0]
    for table, (rows, missing, more) in found.items():
        cluster.proof.lake_rows += rows
        if missing or more:
            cluster.proof.wrong.append(f"the lake lacks {missing} of {rows} rows of {table}, and has {more} more")
