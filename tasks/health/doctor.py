"""Check a configuration against disk, chain, wallet, Prefect and sellers, without paying."""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from payer.environment.env_file import laid_over
from payer.policy.file import COUNT_NOTHING
from payer.values.errors import ChainUnreachable, Misconfigured, PayerError
from payer.values.money import Amount
from payer.wallet.checks import check_account, check_token, expired_authorization
from tasks.health.finding import Check, failed_check
from tasks.health.outside import BALANCE, check_bucket, clocks, expected_bills, grade_balance, sellers
from tasks.ops.status import doubt_text, exposed, loss_text, unfinished
from tasks.reference.catalogue import FIX, unlisted_text, unlisted_tokens
from tasks.request.schedules import Schedule, read_schedules
from tasks.workspace.private_state import open_to_others
from tasks.workspace.run import new_run
from tasks.workspace.settings import env_file, sources_text
from tasks.workspace.workspace import Workspace, in_ledger_thread
from warehouse.publish.versions import Standby, foreign_log

NOT_SEEN = "What another home has signed and is not settled yet is not seen by anyone"
NOT_SEEN_AT_ALL = "the caps count this ledger alone, whatever other homes of this wallet pay"
FEW_BYTES = 500 * 1024**2
_FREED_BY = "Of {} servers two must agree before money is freed; with fewer it stays exposed"
WRITTEN_FOLDERS = (".", "state", "published", "published/.private", "published/snapshots", "published/.files")
"""Folders under TOLLBOOK_HOME."""


async def checkup(schedules: Path | None = None) -> list[Check]:
    """Run every check; one that fails doesn't hide the next.

    The balance is graded by what the schedules of a prefect.yaml are to buy.
    """
    try:
        file = env_file(os.environ)
        given = Check("environment", True, sources_text(os.environ, file))
    except PayerError as error:
        return [failed_check("environment", error)]
    try:
        workspace = Workspace.open(laid_over(file, os.environ))
        _ = workspace.policy
    except PayerError as error:
        return [failed_check("configuration", error), given]
    async with workspace as ws:
        configured, found = Check("configuration", True, f"policy {ws.settings.policy}, home {ws.home}"), []
        scheduled: Sequence[Schedule] = ()
        try:
            scheduled = read_schedules(schedules) if schedules else ()
        except PayerError as error:
            found = [failed_check("schedules", error)]
        return [configured, *await run_checks(ws, _CHECKS, scheduled), *found, given]


async def run_checks(ws: Workspace, names: Iterable[str], schedules: Sequence[Schedule] = ()) -> list[Check]:
    """Run the named checks, then those of each seller's terms and of clocks."""
    found = []
    for name in names:
        try:
            found += await _balances(ws, schedules) if name == BALANCE else [await _CHECKS[name](ws)]
        except PayerError as error:
            found.append(failed_check(name, error))
    found += await sellers(ws)
    found += clocks(ws)
    return found


async def _disk(ws: Workspace) -> Check:
    """Check every folder that a run writes to: each may be on another disk. Only this user may read `state/`."""
    _ = ws.cache
    folders = [ws.home / name for name in WRITTEN_FOLDERS if (ws.home / name).exists()]
    for folder in folders:
        if not os.access(folder, os.W_OK):
            advice = f"correct its permissions or its mount, or name another TOLLBOOK_HOME than {ws.home}"
            raise Misconfigured(f"{folder} can't be written", advice=advice)
    if exposed := open_to_others(ws.home):
        names = ", ".join(map(str, exposed[:5]))
        advice = f"let their owner run `chmod -R go= {ws.home / 'state'}`: the ledger says what was bought, and how"
        return Check("disk", False, f"other users may read {names}", advice, Misconfigured.exit_code)
    free, folder = min((shutil.disk_usage(folder).free, folder) for folder in folders)
    text, enough = f"{free / 1024**3:.1f} GB free under {folder}", free > FEW_BYTES
    return Check("disk", enough, text, "" if enough else "free some space", 0 if enough else 6)


@in_ledger_thread
def _ledger(ws: Workspace) -> Check:
    """Fold the ledger again and compare. Raises LedgerDamaged."""
    ws.ledger.verify_projection()
    ws.ledger.require_intact()
    waiting, lost = len(unfinished(ws)), len(ws.ledger.undelivered())
    counts = f"{ws.ledger.last_seq()} events, {waiting} open, {lost} undelivered"
    return Check("ledger", True, f"opens, and is what its events say; {counts}")


async def _published(ws: Workspace) -> Check:
    """Look for what somebody left who opened the published file for writing: readers see those rows as ours."""
    published = ws.home / "published"
    log, code = foreign_log(published), Misconfigured.exit_code
    if log.exists():
        what = (
            f"{log} is there: a program that opened the published file for writing was killed, and readers see its rows"
        )
        fix = f"end that program and delete {log.name}, or let the next publication do so; open the file read-only"
        return Check("published", False, what, fix, code)
    if (published / ".private").exists() and Standby(published).is_altered():
        what = (
            "published/warehouse.duckdb is not as it was published: another program wrote to it, or it was copied here"
        )
        return Check("published", False, what, "`tollbook rebuild` publishes it again, for $0", code)
    return Check("published", True, "nobody has written to the published file")


@in_ledger_thread
def _losses(ws: Workspace) -> Check:
    """Name purchases that brought nothing, and money in doubt."""
    lost, in_doubt = [*ws.ledger.undelivered(), *ws.ledger.failed_deliveries()], exposed(ws)
    if lost:
        return Check("losses", False, loss_text(lost), "see `tollbook status`, then `tollbook accept-loss`", 5)
    if in_doubt:
        fix = "run `tollbook recover`; money that the chain doesn't prove stays counted"
        return Check("losses", False, doubt_text(in_doubt), fix, 4)
    return Check("losses", True, "nothing was paid for in vain, nothing is in doubt")


@in_ledger_thread
def _freezes(ws: Workspace) -> Check:
    frozen = ws.ledger.freezes()
    if not frozen:
        return Check("freezes", True, "no seller is frozen")
    return Check("freezes", False, "; ".join(each.text for each in frozen), frozen[0].refusal().fix, 3)


async def _wallet(ws: Workspace) -> Check:
    return Check("wallet", True, ws.wallet.address)


async def _chain(ws: Workspace) -> Check:
    """Check each chain server, by its host: the URL may hold a key."""
    heads = await ws.chain.heads()
    now = ws.clock.now().timestamp()
    errors = [head for head in heads.values() if isinstance(head, ChainUnreachable)]
    texts = [
        f"{name}: {head.what}"
        if isinstance(head, ChainUnreachable)
        else f"{name}: block {head.number}, {now - head.time:.0f} s old"
        for name, head in heads.items()
    ]
    detail = f"chain {ws.policy.chain_id}; " + "; ".join(texts)
    if errors:
        fix = errors[0].fix if len(errors) == len(heads) else f"{errors[0].fix}. {_FREED_BY.format(len(heads))}"
        return Check("chain", False, detail, fix, errors[0].exit_code)
    return Check("chain", True, detail)


async def _token(ws: Workspace) -> Check:
    """Compare each asset that a seller is paid in with its contract."""
    texts = []
    for symbol in dict.fromkeys(seller.pay_with for seller in ws.policy.sellers.values()):
        token = await check_token(ws.payer.context.chain, ws.policy.assets[symbol])
        texts.append(
            f"{symbol}: {token.name or 'no name()'}, version {token.version or 'unknown'}, {token.decimals} decimals"
        )
    return Check("token", True, "; ".join(texts))


async def _account(ws: Workspace) -> Check:
    """See that tokens take this wallet's signatures, and have a remote signer sign what can never move anything."""
    asset = next(iter(ws.policy.assets.values()))
    delegate = await check_account(ws.payer.context.chain, ws.wallet, asset)
    accepted = f"delegates to {delegate} (EIP-7702), which accepts its key's signatures"
    texts = [accepted if delegate else "no code at its address"]
    if not ws.wallet.repeats:
        await ws.wallet.signature_of(expired_authorization(asset, ws.wallet.address))
        texts.append("the remote signer signs for it")
    return Check("account", True, "; ".join(texts))


async def _balances(ws: Workspace, schedules: Sequence[Schedule]) -> list[Check]:
    """Grade the wallet's balance in each asset that a seller is paid in."""
    bills = await expected_bills(ws, schedules)
    found = []
    for symbol in dict.fromkeys(seller.pay_with for seller in ws.policy.sellers.values()):
        asset = ws.policy.assets[symbol]
        found.append(grade_balance(asset, await ws.payer.context.chain.balance(asset, ws.wallet.address), bills))
    return found


async def _balance(ws: Workspace) -> Check:
    return (await _balances(ws, ()))[0]


@in_ledger_thread
def _elsewhere(ws: Workspace) -> Check:
    """Say what the wallet paid elsewhere, as last counted. Reads no block: the first count may take minutes."""
    if ws.policy.count_chain_spend == COUNT_NOTHING:
        return Check("elsewhere", True, f"not counted (payment.count_chain_spend): {NOT_SEEN_AT_ALL}")
    texts, today = [], new_run("", "doctor", ws.clock.now())
    for symbol in dict.fromkeys(seller.pay_with for seller in ws.policy.sellers.values()):
        asset, caps = ws.policy.assets[symbol], ws.policy.caps[symbol]
        scan = ws.ledger.elsewhere.scan(asset, ws.wallet.address)
        if scan is None:
            texts.append(f"{symbol}: not counted yet; the next run that pays counts first")
            continue
        paid = ws.ledger.elsewhere.totals(asset, today, "", caps, ws.wallet.address)
        amounts = {scope: Amount(amount, asset) for (scope, _), amount in paid.items()}
        nothing = Amount(0, asset)
        texts.append(
            f"{amounts.get('day', nothing)} today, {amounts.get('month', nothing)} this month, "
            f"through block {scan.through_block}"
        )
    return Check("elsewhere", True, f"paid by this wallet and not by this ledger: {'; '.join(texts)}. {NOT_SEEN}")


async def _tokens(ws: Workspace) -> Check:
    """Look for ids of the watch list that the seller's free catalogue lacks."""
    try:
        unlisted = await unlisted_tokens(ws)
    except PayerError as error:
        return Check("tokens", True, f"the watch list was not compared with the seller's catalogue: {error.what}")
    if unlisted:
        return Check("tokens", False, unlisted_text(unlisted), FIX, Misconfigured.exit_code)
    return Check("tokens", True, "the seller's catalogue has every token of the watch list")


async def _prefect(_ws: Workspace) -> Check:
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return Check("prefect", True, "PREFECT_API_URL is not set: flows run embedded, schedules do not fire")
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=5) as answer:
            healthy = answer.status == 200
    except (urllib.error.URLError, OSError, ValueError) as error:
        return Check("prefect", False, f"{url} does not answer: {error}", "start `prefect server start`", 6)
    return Check("prefect", healthy, f"{url} answers")


_CHECKS: dict[str, Callable[[Workspace], Awaitable[Check]]] = {
    "disk": _disk,
    "ledger": _ledger,
    "wallet": _wallet,
    "chain": _chain,
    BALANCE: _balance,
    "prefect": _prefect,
    "losses": _losses,
    "freezes": _freezes,
    "token": _token,
    "published": _published,
    "bucket": check_bucket,
    "account": _account,
    "elsewhere": _elsewhere,
    "tokens": _tokens,
}
