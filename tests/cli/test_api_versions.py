"""Token Metrics' v2 and v3: other names, the same columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cli.conftest import Command
from warehouse.cache.tables import declared_tables
from warehouse.query import query

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

RANGE = ("--from", "2026-10-01", "--to", "2026-10-20", "--tokens", "3375,3306")
SERIES = ("grades", "signals", "trader-grades", "daily-ohlcv")
ONLY_V2 = {"signals": {"tm_trader_grade", "tm_investor_grade"}}
ONLY_V3 = {
    "signals": {"signal_word", "trend_word", "tm_grade", "fundamental_grade"},
    "grades": {"slug"},
    "fundamental_grades": {"slug"},
}


def bought(tollbook: Command, buyer: Buyer, **env: str) -> dict[str, list[dict[str, Any]]]:
    """Rows by table of a backfill and a snapshot; nothing unknown, nothing quarantined."""
    for arguments in (("backfill", *SERIES, *RANGE, "--yes"), ("run", "fundamental-grade", "--tokens", "3375")):
        done = tollbook(*arguments, "--json", **{**buyer.env, **env})
        assert done.code == 0, done.out
        assert [(flow["quarantined"], flow["drift"]) for flow in done.document["flows"]] == [(0, [])]
    found = {}
    for table in ("grades", "signals", "trader_grades", "ohlcv_daily", "fundamental_grades"):
        names = [column.name for column in declared_tables()[table].columns]
        rows = query(buyer.home, f"SELECT {', '.join(names)} FROM {table} ORDER BY token_id, date")[1]
        found[table] = [dict(zip(names, row, strict=True)) for row in rows]
    return found


def test_what_v3_sells_loads_into_the_columns_that_v2_fills(bare: Command, world: World, tmp_path: Path) -> None:
    v2 = bought(bare, world.buyer("reads-v2"))
    buyer, policy = world.buyer("reads-v3"), tmp_path / "policy.toml"
    policy.write_text(Path(buyer.env["TOLLBOOK_POLICY"]).read_text().replace('/v2"', '/v3"'))
    v3 = bought(bare, buyer, TOLLBOOK_POLICY=str(policy))
    assert {visit.path.split("/")[1] for visit in world.seller.visits} == {"v2", "v3"}
    for table, rows in v3.items():
        assert len(rows) == len(v2[table]) > 0
        for row, other in zip(rows, v2[table], strict=True):
            more, less = ONLY_V3.get(table, set()), ONLY_V2.get(table, set())
            assert {name for name in row if row[name] != other[name]} == more | less
            assert {name for name in more if row[name] is None} == set()
            assert {name for name in less if other[name] is None} == set()
