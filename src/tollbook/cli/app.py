"""The command tree: every verb, in the order in which help lists them."""

from __future__ import annotations

from typing import Annotated

import typer

from tollbook.cli.verbs import (
    accept_loss,
    backfill,
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
    no_args_is_help=True,
)

for _name, _verb in (
    ("demo", demo.demo),
    ("sandbox", sandbox.sandbox),
    ("plan", plan.plan),
    ("run", run.run),
    ("backfill", backfill.backfill),
    ("status", status.status),
    ("costs", costs.costs),
    ("report", report.report),
    ("recover", recover.recover),
    ("reconcile", reconcile.reconcile),
    ("rebuild", rebuild.rebuild),
    ("accept-loss", accept_loss.accept_loss),
    ("doctor", doctor.doctor),
    ("probe", probe.probe),
):
    app.command(_name)(_verb)


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
    result = typer.main.get_command(app).main(args=arguments, prog_name="tollbook", standalone_mode=False)
    return result if isinstance(result, int) else 0
