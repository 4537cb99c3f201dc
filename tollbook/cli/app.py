"""Every verb of the command, in the order of `tollbook --help`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated

import typer

from tollbook.cli.verbs import (
    accept,
    backfill,
    backup,
    columns,
    costs,
    deploy,
    freeze,
    health,
    init,
    lake,
    plan,
    probe,
    publish,
    reconcile,
    report,
    run,
    sandbox,
    status,
    tokens,
    watch,
)

app = typer.Typer(
    name="tollbook",
    help="Buys data sold by the call over HTTP 402, on a schedule, and pays for each piece exactly once.",
    epilog="Exit codes: 0 done, 2 usage or configuration, 3 refused by policy or cap, 4 money in doubt or work "
    "left (run again later), 5 paid but undelivered, 6 seller or chain unreachable, 130 or 143 stopped.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

VERBS: dict[str, tuple[Callable[..., int | None], str]] = {
    "demo": (sandbox.demo, "Show the whole path in a paid world on loopback, for $0."),
    "sandbox": (sandbox.sandbox, "Serve that paid world in the foreground."),
    "init": (init.init, "Set up a folder: policy, wallet, watch list."),
    "plan": (plan.plan, "Show what would be bought, and the exact bill."),
    "run": (run.run, "Buy what is missing or due, load it and publish."),
    "backfill": (backfill.backfill, "Buy what is missing of a past range."),
    "status": (status.status, "Show money, open purchases and caps."),
    "watch": (watch.watch, "Show each call as it happens, of every process."),
    "costs": (costs.costs, "Show what was spent, and what the cache saved."),
    "columns": (columns.columns, "Explain what is published: meaning, unit, time, source."),
    "report": (report.report, "Show one page on money and data."),
    "recover": (reconcile.recover, "Finish or free open purchases."),
    "reconcile": (reconcile.reconcile, "Compare ledger, chain and bodies."),
    "publish": (publish.publish, "Load and publish what any worker bought."),
    "rebuild": (publish.rebuild, "Make cache and published files again, for $0."),
    "lake": (lake.lake, "Write what is published to a DuckLake catalog."),
    "backup": (backup.backup, "Copy the ledger to one file."),
    "restore": (backup.restore, "Put a backup into an empty ledger."),
    "accept-loss": (accept.accept_loss, "Let a lost purchase be bought again."),
    "accept-price": (accept.accept_price, "Make a price that rose the new base."),
    "freeze": (freeze.freeze, "Sign nothing new, from this moment on."),
    "unfreeze": (freeze.unfreeze, "Let buying go on after a freeze."),
    "deploy": (deploy.deploy, "Put the schedules on a Prefect server, each once."),
    "doctor": (health.doctor, "Check that everything is in place."),
    "health": (health.health, "Find what may need a person, and tell it once."),
    "tokens": (tokens.tokens, "Find tokens by id, symbol or name, for $0."),
    "probe": (probe.probe, "Check every endpoint's terms by policy."),
}
"""Every verb with its line in `tollbook --help`, in that order."""

for _name, (_verb, _line) in VERBS.items():
    app.command(_name, short_help=_line)(_verb)


@app.callback(invoke_without_command=True)
def tollbook(
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version and stop.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(f"tollbook {installed('tollbook')}")
        raise typer.Exit


def verb_first(arguments: list[str]) -> list[str]:
    """Move the options that stand before the verb behind it: `--json status` is `status --json`."""
    if not arguments or not arguments[0].startswith("-"):
        return arguments
    at = next((at for at, word in enumerate(arguments) if word in VERBS), 0)
    return [arguments[at], *arguments[:at], *arguments[at + 1 :]]


_built = cache(typer.main.get_command)
"""Every verb with its options, built once in a process that runs several."""


def command(arguments: list[str]) -> int:
    """Run one verb and return its exit code. Errors of usage and of the payer are raised, not printed."""
    words = verb_first(arguments) or ["--help"]
    result = _built(app).main(args=words, prog_name="tollbook", standalone_mode=False)
    return result if isinstance(result, int) else 0
