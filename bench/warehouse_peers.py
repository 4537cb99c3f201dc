"""The cache's peers: dlt and read_json on the same pages, hishel and requests-cache on as many URLs."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

COLUMNS = """{success: 'BOOLEAN', message: 'VARCHAR', data: 'STRUCT(TOKEN_ID BIGINT, TOKEN_NAME VARCHAR,
    TOKEN_SYMBOL VARCHAR, DATE DATE, TM_GRADE DOUBLE, TM_GRADE_24h_PCT_CHANGE DOUBLE,
    TM_TRADER_GRADE_24H_CHANGE DOUBLE, TM_GRADE_SIGNAL VARCHAR, MOMENTUM VARCHAR)[]'}"""


def dlt_pipeline(folder: Path) -> Any:
    """A dlt pipeline into a DuckDB file of its own."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt

    logging.getLogger("dlt").setLevel(logging.ERROR)
    return dlt.pipeline(
        "bench",
        pipelines_dir=str(folder / "pipelines"),
        destination=dlt.destinations.duckdb(str(folder / "dlt.duckdb")),
        dataset_name="bought",
    )


def dlt_merge(pipeline: Any, page: bytes) -> None:
    """One page merged on the natural key."""
    pipeline.run(
        json.loads(page)["data"], table_name="grades", write_disposition="merge", primary_key=["TOKEN_ID", "DATE"]
    )


def read_json(folder: Path, pages: Sequence[bytes]) -> float:
    """Seconds a page for DuckDB's own reader with declared columns, each page inserted and committed; nothing is
    deduplicated."""
    import duckdb

    file = folder / "page.json"
    with duckdb.connect(str(folder / "read_json.duckdb")) as con:
        con.execute(f"CREATE TABLE IF NOT EXISTS grades AS {_select(file, pages[0])} LIMIT 0")
        started = time.perf_counter()
        for page in pages:
            con.execute(f"INSERT INTO grades {_select(file, page)}")
        return (time.perf_counter() - started) / len(pages)


def read_json_alone(folder: Path, page: bytes) -> None:
    """The same for one page, from opening the file to closing it."""
    import duckdb

    database, select = folder / "read_json_alone.duckdb", _select(folder / "page.json", page)
    known = database.exists()
    with duckdb.connect(str(database)) as con:
        con.execute(f"INSERT INTO grades {select}" if known else f"CREATE TABLE grades AS {select}")


def _select(file: Path, page: bytes) -> str:
    file.write_bytes(page)
    return f"SELECT unnest(r) FROM (SELECT unnest(data) AS r FROM read_json('{file}', columns = {COLUMNS}))"


def hishel_hit(folder: Path, urls: int, body: bytes) -> float:
    """Seconds for one answer out of hishel's SQLite storage."""
    import hishel
    import httpx
    from hishel.httpx import CacheTransport

    def answer(_request: httpx.Request) -> httpx.Response:
        headers = {"cache-control": "max-age=86400", "content-type": "application/json"}
        return httpx.Response(200, headers=headers, content=body)

    storage = hishel.SqliteStorage(database_path=str(folder / "hishel.db"))
    transport = CacheTransport(httpx.MockTransport(answer), storage=storage)
    with httpx.Client(transport=transport) as client:
        return _per_hit([lambda url=url: client.get(url).read() for url in _urls(urls)])


def requests_cache_hit(folder: Path, urls: int, body: bytes) -> float:
    """Seconds for one answer out of requests-cache's SQLite storage."""
    import requests
    from requests.adapters import BaseAdapter
    from requests_cache import CachedSession

    class Answers(BaseAdapter):
        """The seller, without a network."""

        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            import io

            from urllib3 import HTTPResponse

            raw = HTTPResponse(io.BytesIO(body), status=200, preload_content=False)
            response = requests.Response()
            response.status_code, response.raw, response.url, response.request = 200, raw, str(request.url), request
            return response

        def close(self) -> None:
            """Nothing is open."""

    with CachedSession(str(folder / "requests_cache")) as session:
        session.mount("https://", Answers())
        return _per_hit([lambda url=url: session.get(url).content for url in _urls(urls)])


def _urls(count: int) -> Iterator[str]:
    return (f"https://seller.test/v2/tm-grade-history?page=1&token_id={number}" for number in range(count))


def _per_hit(asks: Sequence[Any]) -> float:
    """Ask for everything once to fill the cache, then time it again."""
    for ask in asks:
        ask()
    return _timed(lambda: [ask() for ask in asks]) / len(asks)


def _timed(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
