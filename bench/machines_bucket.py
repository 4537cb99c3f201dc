"""A day's change on its way to S3, and a reader's fetch of it, against copying the whole file by the same library.

The server (moto) runs on loopback in a process of its own: the network is as fast as it gets, so what is measured is
the work of both sides. The bytes say what a slower one would add.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from bench.publishing import ROWS, TOKENS, add_rows
from bench.rows import Row
from payer.ledger import Ledger
from tests.warehouse.purchases import open_ledger
from tollbook_bucket.address import parse_address
from tollbook_bucket.documents import Publisher
from tollbook_bucket.fetch import Copies, fetch_newest
from tollbook_bucket.store import BucketStore, open_bucket
from warehouse.bucket.send import SendOptions, SentPublication, read_pointer, send
from warehouse.publish.publish import publish

T = TypeVar("T")
WARM, TURNS = 3, 3

_SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def s3_server() -> Iterator[BucketStore]:
    """An S3 server on loopback, and a bucket in it; the environment has what a client needs."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        endpoint = f"http://127.0.0.1:{int(server.stdout.readline())}"
        credentials = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}
        os.environ.update(credentials, AWS_ENDPOINT_URL=endpoint)
        try:
            urllib.request.urlopen(urllib.request.Request(f"{endpoint}/bench", method="PUT"), timeout=10).close()
            yield open_bucket(parse_address("s3://bench/published"))
        finally:
            server.kill()


def rows() -> Iterator[Row]:
    """Sending and fetching a day's change: seconds and bytes."""
    with tempfile.TemporaryDirectory() as folder, s3_server() as bucket:
        home, copies = Path(folder) / "home", Copies(Path(folder) / "copies")
        copies.folder.mkdir()
        with open_ledger(home) as ledger:
            yield from _sending(home, ledger, bucket, copies)


def _sending(home: Path, ledger: Ledger, bucket: BucketStore, copies: Copies) -> Iterator[Row]:
    days = max(4, ROWS // TOKENS)
    add_rows(home, "history", 1, 0, days)
    publish(home, ledger)
    _send(home, bucket)
    for day in range(WARM):
        add_rows(home, f"warm-{day}", 2 + day, days + day, days + day + 1)
        publish(home, ledger)
        _send(home, bucket)
    fetch_newest(bucket, copies)
    ours, whole, fetched, sent = [], [], [], []
    public = home / "published" / "warehouse.duckdb"
    for turn in range(TURNS):
        day = days + WARM + turn
        add_rows(home, f"day-{turn}", 2 + WARM + turn, day, day + 1)
        publish(home, ledger)
        seconds, done = _timed(lambda: _send(home, bucket))
        ours.append(seconds)
        sent.append(done.bytes / done.total_bytes)
        whole.append(_timed(lambda: bucket.put("whole.duckdb", public))[0])
        fetched.append(_timed(lambda: fetch_newest(bucket, copies))[0])
    mine, theirs = statistics.median(ours), statistics.median(whole)
    megabytes = public.stat().st_size / 1e6
    copied = f"{theirs:.2f} s to copy the file there, {megabytes:,.0f} MB"
    label = f"a day's change at {ROWS:,} rows"
    yield Row(f"{label} to S3, seconds", f"{mine:.2f} s", copied, mine / theirs, 0.25)
    part = statistics.median(sent)
    yield Row(f"{label} to S3, bytes", f"{part * megabytes:,.0f} MB", f"{megabytes:,.0f} MB", part, 0.25)
    again = statistics.median(fetched)
    yield Row(f"{label} fetched by a reader", f"{again:.2f} s", copied, again / theirs, 1.0)


def _send(home: Path, bucket: BucketStore) -> SentPublication:
    options = SendOptions(Publisher("bench", "bench"))
    done = send(home / "published", bucket, read_pointer(bucket), datetime.now(UTC), options)
    assert done is not None
    return done


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    done = work()
    return time.perf_counter() - started, done
