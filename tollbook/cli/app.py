"""The command tree: every verb, in the order in which help lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from tollbook.cli.verbs import (
    accept_loss,
    backfill,
    backup,
    costs,
    demo,
    doctor,
    plan,
    probe,
    rebuild,
    reconcile,
    recover,
    report,
    run,
    sandbox,
    status,
)

app = typer.Typer(
    name="tollbook",
    help="Buys data sold by the call over HTTP 402, on a schedule, and pays for each piece exactly once.",
    epilog="Exit codes: 0 done, 2 usage or configuration, 3 refused by policy or cap, 4 money in doubt (run again "
    "later), 5 paid but undelivered, 6 seller or chain unreachable.",
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)

VERBS: dict[str, tuple[Callable[..., int | None], str]] = {
    "demo": (demo.demo, "The whole path in a paid world on loopback; costs nothing."),
    "sandbox": (sandbox.sandbox, "That paid world in the foreground, to try things in."),
    "plan": (plan.plan, "What would be bought, and the exact bill. Signs nothing."),
    "run": (run.run, "Buy what is missing or due, load it and publish."),
    "backfill": (backfill.backfill, "Buy what is missing of a past range, bill first."),
    "status": (status.status, "Where things stand: money, open purchases, caps."),
    "costs": (costs.costs, "What was spent, on what, and saved by the cache."),
    "report": (report.report, "One page on money and data."),
    "recover": (recover.recover, "Finish or free open purchases. Buys nothing new."),
    "reconcile": (reconcile.reconcile, "Compare ledger, chain and bodies, to the unit."),
    "rebuild": (rebuild.rebuild, "Cache and published files from the ledger, for $0."),
    "backup": (backup.backup, "The ledger to one file, while others write it."),
    "restore": (backup.restore, "A backup into an empty ledger."),
    "accept-loss": (accept_loss.accept_loss, "Let an undelivered purchase be bought again."),
    "doctor": (doctor.doctor, "Is everything in place? Pays nothing."),
    "probe": (probe.probe, "Every endpoint's terms now, judged. Pays nothing."),
}
"""Every verb with its line in `tollbook --help`, in that order."""

for _name, (_verb, _line) in VERBS.items():
    app.command(_name, short_help=_line)(_verb)


@app.callback(invoke_without_command=True)
def tollbook(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(f"tollbook {installed('tollbook')}")
        raise typer.Exit


def command(arguments: list[str]) -> int:
    """Run one verb; its exit code. Errors of usage and of the payer are raised, not printed."""
    result = typer.main.get_command(app).main(args=arguments or ["--help"], prog_name="tollbook", standalone_mode=False)
    return result if isinstance(result, int) else 0
