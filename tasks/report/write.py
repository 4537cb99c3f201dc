"""Make the HTML report and put it in its place at once."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from payer.values.errors import Misconfigured
from tasks.bucket.publish_remote import send_page
from tasks.ops.publish import up_to_date
from tasks.report.figures import read_figures
from tasks.report.page import check_installed, render
from tasks.report.wallet import read_funds
from tasks.workspace.workspace import Workspace

SUFFIXES = (".html", ".htm")


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A page that was written: its size in bytes, why its figures are older (or None), and what was lost."""

    path: Path
    size: int
    stale: str | None
    losses: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        return {"html": str(self.path), "bytes": self.size, "stale": self.stale, "losses": list(self.losses)}


async def write_report(ws: Workspace, path: Path) -> WrittenReport:
    """Bring the published file up to date and write the page.

    Raises Misconfigured for a path that can't be written or is no .html file, or without the extra `report`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise Misconfigured(
            f"--html {path}: the name must end in .html; nothing was written", advice="name it report.html, for example"
        )
    if not path.parent.is_dir():
        raise Misconfigured(f"{path} can't be written: there is no such folder", advice="make the folder first")
    check_installed()
    return await _write(ws, path, await up_to_date(ws))


async def publish_report(ws: Workspace) -> str:
    """Write the page beside the published file, of what is published, and send it to object storage where that is
    published; return where it is, or why there is none.

    It publishes nothing itself: where several workers share a ledger, one of them does.
    """
    path = ws.home / "published" / "report" / "index.html"
    try:
        check_installed()
        path.parent.mkdir(parents=True, exist_ok=True)
        await _write(ws, path, None)
    except (OSError, Misconfigured) as error:
        return f"no report page: {str(error).strip().splitlines()[0]}"
    return "; ".join(filter(None, (f"report page: {path}", await send_page(ws, path))))


async def _write(ws: Workspace, path: Path, stale: str | None) -> WrittenReport:
    watched = _watched(ws)
    figures = await ws.in_thread(read_figures, ws.home, watched)
    at = ws.clock.now().isoformat()
    flows = sorted({row["flow"] for row in figures.spending if row["day"] == at[:10]})
    funds = await read_funds(ws, [row["wallet"] for row in figures.wallets], flows)
    text = await asyncio.to_thread(render, figures, funds, at, watched, stale)
    _put(path, text)
    losses = tuple(f"{one['loss']} {one['asset']}" for one in figures.lost)
    return WrittenReport(path, len(text.encode()), stale, losses)


def _watched(ws: Workspace) -> tuple[int, ...]:
    """The tokens of every watch list, in policy's order; none where policy can't be read."""
    try:
        return tuple(dict.fromkeys(token for seller in ws.policy.sellers.values() for token in seller.tokens))
    except Misconfigured:
        return ()


def _put(path: Path, text: str) -> None:
    """Replace the file whole: a reader sees the old page or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        draft.write_text(text, "utf-8")
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise Misconfigured(
            f"{path} can't be written: {error.strerror}; no money was sent",
            advice="name a file in a folder that exists and that this user may write",
        ) from None
