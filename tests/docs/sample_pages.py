"""Write the report pages that screenshots are taken of: `python -m tests.docs.sample_pages FOLDER`, at any clock."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from tasks.report.figures import Figures, read_figures
from tasks.report.page import render
from tasks.report.wallet import Funds, read_funds
from tasks.workspace.workspace import Workspace
from tests.tasks.report import sample_home

HELD, DAYS = "4.18", 71
"""Of the wallet, as no chain is there to be asked."""


def write(folder: Path) -> None:
    """Write all.html of a home in which all is well, and trouble.html of one with losses."""
    for name, trouble in (("all", False), ("trouble", True)):
        home = sample_home.build(folder / name, sample_home.now(), trouble=trouble)
        text = asyncio.run(page({"TOLLBOOK_HOME": str(home), "TOLLBOOK_POLICY": str(home / "policy.toml")}))
        (folder / f"{name}.html").write_text(text, "utf-8")


async def page(environ: dict[str, str]) -> str:
    async with Workspace.open(environ) as ws:
        figures, now = read_figures(ws.home, tuple(sample_home.TOKENS)), ws.clock.now().isoformat()
        funds = await _funds(ws, figures)
        return render(on_base(figures), funds, now, tuple(sample_home.TOKENS))


async def _funds(ws: Workspace, figures: Figures) -> Funds:
    funds = await read_funds(ws, [row["wallet"] for row in figures.wallets], ["grades", "signals"])
    return replace(funds, balances=tuple(replace(one, held=HELD, days=DAYS) for one in funds.balances))


def on_base(figures: Figures) -> Figures:
    """The same on Base, where transactions have links."""
    lists = {
        name: [{**row, "network": "eip155:8453"} if "network" in row else row for row in getattr(figures, name)]
        for name in ("totals", "by_flow", "by_day", "months", "spending", "new_rows", "lost", "losses", "latest")
    }
    return replace(figures, **lists)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
