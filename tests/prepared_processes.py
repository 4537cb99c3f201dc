"""Fresh processes at the price of a fork: one server for each worker has imported what children need, whichever test
asks first. Python keeps one list of that for all who use it.
"""

from __future__ import annotations

import multiprocessing

PREPARED = multiprocessing.get_context("forkserver")
PREPARED.set_forkserver_preload(
    [
        *("tests.crash.child", "tests.warehouse.publications", "alembic.command", "psycopg", "httpx", "httpcore"),
        *("anyio._backends._asyncio", "coincurve", "Crypto.Hash.keccak", "duckdb", "pyarrow.parquet"),
        *("tollbook.cli.app", "tollbook.cli.selection", "flows.ingest"),
    ]
)
