"""Name a run (its flow, its reason, its deployment), and the operator who decides; call its steps. Every purchase names
its run.
"""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import ParamSpec, Protocol, TypeVar

from payer.values.request import Run
from tasks.workspace.workspace import Workspace, in_ledger_thread

__all__ = ["AsStep", "Run", "new_run", "plain", "start_run"]

P = ParamSpec("P")
R = TypeVar("R")


class AsStep(Protocol):
    """A way to call the steps of a run: `plain`, as Prefect tasks, or with words for a person before each."""

    def __call__(self, step: Callable[P, Awaitable[R]], /) -> Callable[P, Awaitable[R]]: ...


def plain(step: Callable[P, Awaitable[R]], /) -> Callable[P, Awaitable[R]]:
    return step


@in_ledger_thread
def start_run(ws: Workspace, run: Run) -> None:
    """Record in the ledger who runs and why."""
    ws.ledger.start_run(run)


def new_run(
    flow: str,
    reason: str,
    started_at: datetime,
    *,
    budget: int | None = None,
    deployment: str | None = None,
    flow_run_id: str | None = None,
) -> Run:
    """Return a run with a unique id that sorts by time. `budget` is in atomic units."""
    return Run(
        run_id=f"{started_at:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        flow=flow,
        reason=reason,
        started_at=started_at,
        deployment=deployment,
        flow_run_id=flow_run_id,
        budget=budget,
    )


def operator_name() -> str:
    """Return the name of the user who runs the command, or "unknown"."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
