"""Read many bodies on every core.

Each worker is a fresh interpreter fed through pipes: nothing is forked beside open files, a caller's script needs no
guard around its main part (nor is a Prefect worker's main module imported again), no secret is in a worker's
environment (I10), and a worker ends when its parent does, however that ends. `concurrent.futures` gives none of these.
Pages are packed for the pipe: one table per dataset instead of one per page.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING

from sources import registry
from warehouse.load.parse import read

if TYPE_CHECKING:
    import pyarrow as pa

    from payer.values.purchase import Delivery
    from warehouse.coverage.page import Page

    Packed = tuple[list[Page], list[tuple[int, int]], dict[str, pa.Table]]

WORTH_IT = 4_000
"""Deliveries above which starting workers pays."""


def in_chunks(deliveries: Iterable[Delivery], count: int, size: int) -> Iterator[list[Delivery]]:
    """Split deliveries, in order, into chunks of at most `count` and not many more bytes of bodies than `size`."""
    chunk: list[Delivery] = []
    total = 0
    for delivery in deliveries:
        chunk.append(delivery)
        total += len(delivery.body)
        if len(chunk) >= count or total >= size:
            yield chunk
            chunk, total = [], 0
    if chunk:
        yield chunk


def read_chunks(chunks: Iterable[Sequence[Delivery]], expected: int) -> Iterator[list[Page]]:
    """Read each chunk, in order: here when few deliveries are expected, else by workers, a few chunks ahead."""
    workers = len(os.sched_getaffinity(0))
    if expected < WORTH_IT or workers < 2:
        yield from (list(read(chunk)) for chunk in chunks)
        return
    with ThreadPoolExecutor(workers) as pool:
        idle: SimpleQueue[_Worker] = SimpleQueue()
        started = [_Worker() for _ in range(workers)]
        for worker in started:
            idle.put(worker)
        try:
            yield from _read_ahead(pool, idle, chunks, workers + 1)
        finally:
            for worker in started:
                worker.stop()


def _read_ahead(
    pool: ThreadPoolExecutor, idle: SimpleQueue[_Worker], chunks: Iterable[Sequence[Delivery]], most: int
) -> Iterator[list[Page]]:
    running: deque[Future[list[Page]]] = deque()
    for chunk in chunks:
        running.append(pool.submit(_read_by_worker, idle, chunk))
        if len(running) >= most:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def _read_by_worker(idle: SimpleQueue[_Worker], chunk: Sequence[Delivery]) -> list[Page]:
    worker = idle.get()
    try:
        return worker.read(chunk)
    finally:
        idle.put(worker)


def packed(pages: Sequence[Page]) -> Packed:
    """Pages without their rows, each page's first row and count in its dataset's table, and these tables: a hundred
    small ones cost more to send than to read."""
    import pyarrow as pa

    parts: dict[str, list[pa.Table]] = {}
    filled: dict[str, int] = {}
    places: list[tuple[int, int]] = []
    without_rows: list[Page] = []
    for page in pages:
        if page.parsed is None:
            places.append((0, 0))
            without_rows.append(page)
            continue
        start, count = filled.get(page.name, 0), len(page.parsed.table)
        parts.setdefault(page.name, []).append(page.parsed.table)
        filled[page.name] = start + count
        places.append((start, count))
        without_rows.append(replace(page, parsed=replace(page.parsed, table=None)))
    tables = {name: pa.concat_tables(part).combine_chunks() for name, part in parts.items()}
    return without_rows, places, tables


def unpacked(sent: Packed) -> list[Page]:
    """The pages with their rows again."""
    pages, places, tables = sent
    return [
        page
        if page.parsed is None
        else replace(page, parsed=replace(page.parsed, table=tables[page.name].slice(start, count)))
        for page, (start, count) in zip(pages, places, strict=True)
    ]


_PASSED = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT")


def child_environment() -> dict[str, str]:
    """The few variables that an interpreter reads. Keys and passwords are in none of them."""
    return {name: os.environ[name] for name in _PASSED if name in os.environ}


class _Worker:
    """One interpreter that reads chunks until its input ends."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "warehouse.load.parallel"],
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        pickle.dump(registry.declared(), self._process.stdin, pickle.HIGHEST_PROTOCOL)

    def read(self, chunk: Sequence[Delivery]) -> list[Page]:
        """Read a chunk in the worker. Raises EOFError when it died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump(list(chunk), self._process.stdin, pickle.HIGHEST_PROTOCOL)
        self._process.stdin.flush()
        return unpacked(pickle.load(self._process.stdout))

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def serve(incoming: IO[bytes], outgoing: IO[bytes]) -> None:
    """Read the declared sellers, then chunks, and answer with pages until the input ends."""
    registry.declare(pickle.load(incoming))
    while True:
        try:
            chunk = pickle.load(incoming)
        except EOFError:
            return
        pickle.dump(packed(list(read(chunk))), outgoing, pickle.HIGHEST_PROTOCOL)
        outgoing.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
