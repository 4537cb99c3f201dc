"""Open everything one process needs from the environment: policy, ledger, cache, payer, clock."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar

from payer.policy.clock_skew import ClockReadings, check_offset
from payer.policy.file import load_policy
from payer.policy.rules import Policy, SellerPolicy
from payer.stop import StopRequest
from payer.values.clock import SystemClock
from payer.values.errors import LedgerReplaced, Misconfigured, PolicyMissing
from payer.values.money import Asset
from tasks.workspace.private_state import make_private_state
from tasks.workspace.sellers import check_datasets, check_seller_names, check_watch_lists, declare_sellers, named_seller
from tasks.workspace.settings import Settings, environment

if TYPE_CHECKING:
    from payer.chain.chain import Progress
    from payer.chain.reader import RpcChain
    from payer.http.transport import HttpTransport
    from payer.ledger import Ledger
    from payer.ledger.database.thread import LedgerThread
    from payer.payer import Payer
    from payer.spool import Spool
    from payer.wallet.sign import Signer
    from warehouse.cache.store import Cache

P = ParamSpec("P")
T = TypeVar("T")


class Workspace:
    """Policy, ledger, cache, payer and clock of one process. Parts are opened when first used: a verb that only reads
    opens no socket and loads no key. Not a dataclass, so that nothing walks into it (I10).

    `searching_of`, set before the payer is first used, shows how far a chain server's search for payments is.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self._environ = environ
        self._transport: HttpTransport | None = None
        self._chain: RpcChain | None = None
        self._state: tuple[int, int] | None = None
        self.progress: Progress | None = None
        """Called while many blocks of the chain are read."""
        self.searching_of: Callable[[str], Progress] | None = None
        self.clock = SystemClock(settings.clock_offset)
        self.stop = StopRequest()
        """The request that this process begins no more calls; signals make it (tasks/workspace/stop_signals.py)."""
        self.clocks = ClockReadings()
        """Readings of others' clocks beside ours, from their answers."""

    @classmethod
    def open(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read and check the configuration; raises Misconfigured naming the key and the fix.

        Without `environ` it is this process's, over the file `.env` beside the policy.
        """
        environ = environment() if environ is None else environ
        workspace = cls(Settings.read(environ), environ)
        if offset := workspace.settings.clock_offset:  # the policy is read by those who need it
            check_offset(workspace.policy, offset)
        return workspace

    @property
    def home(self) -> Path:
        return self.settings.home

    @cached_property
    def policy(self) -> Policy:
        policy = load_policy(self.settings.policy)
        declare_sellers(policy, self.settings.policy.parent)
        check_seller_names(policy)
        check_watch_lists(policy)
        check_datasets(policy)
        return policy

    @cached_property
    def ledger(self) -> Ledger:
        from payer.ledger import Ledger

        if self.settings.ledger_url.startswith("sqlite"):
            self._make_home()
        return Ledger.open(self.settings.ledger_url, self._ledger_thread)

    @cached_property
    def _ledger_thread(self) -> LedgerThread:
        from payer.ledger.database.thread import LedgerThread

        return LedgerThread()

    async def in_thread(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do in the ledger's thread what reaches the ledger, or the cache, which waits for it when it is repaired.

        No step of a run does so on the event loop's thread: while one waits for a lock, answers that lie in their
        sockets would run into their timeouts. The ledger is opened there too.
        """
        return await self._ledger_thread.run(partial(work, *args, **kwargs))

    @cached_property
    def cache(self) -> Cache:
        from warehouse.cache.store import Cache

        # What the cache's tables are depends on the sellers that policy declares by files.
        with suppress(PolicyMissing):
            _ = self.policy
        self._make_home()
        return Cache(self.home)

    def from_cache(self, work: Callable[[Cache], T]) -> tuple[T, tuple[str, ...]]:
        """Read the cache with `work`; return its result, and notes to show: a damaged cache is rebuilt from the ledger
        first."""
        from warehouse.load.self_repair import with_repair

        return with_repair(self.cache, self.ledger, work)

    @cached_property
    def spool(self) -> Spool:
        """The folder for bodies while the ledger can't be written."""
        from payer.spool import Spool

        # A home that can't be written is named where something has to be: quoting and reading need none.
        with suppress(Misconfigured):
            self._make_home()
        return Spool(self.home / "state" / "spool")

    @cached_property
    def wallet(self) -> Signer:
        """The signer of the paying wallet; loaded only where something may be signed."""
        from payer.wallet.load import load_signer

        return load_signer(self._environ, self._nonce_secret)

    def _nonce_secret(self, address: str) -> bytes:
        """The nonce secret for a remote signer's wallet; says so on stderr when it is made."""
        from payer.wallet.load import nonce_secret_path
        from payer.wallet.nonce_secret import nonce_secret_for

        self._make_home()
        secret, note = nonce_secret_for(self.ledger, address, nonce_secret_path(self._environ, self.home))
        if note:
            print(f"tollbook: {note}", file=sys.stderr)
        return secret

    @property
    def notify_urls(self) -> str | None:
        """Services that are notified; a URL may hold a secret (I10)."""
        return self._environ.get("TOLLBOOK_NOTIFY_URL") or None

    @property
    def store_variables(self) -> Mapping[str, str]:
        """Variables that object storage takes its credentials from; never shown (I10)."""
        from payer.environment.env_file import STORES

        return {name: value for name, value in self._environ.items() if name.startswith(STORES)}

    @property
    def has_wallet(self) -> bool:
        from payer.wallet.load import names_wallet

        return names_wallet(self._environ)

    @cached_property
    def payer(self) -> Payer:
        """The buyer; needs a running event loop. Without a configured key it quotes and reads, and refuses to sign."""
        from payer.chain.reader import RpcChain
        from payer.context import PayerContext
        from payer.http.transport import HttpTransport
        from payer.payer import Payer
        from tasks.workspace.check_body import check_body

        wallet, spool = self.wallet if self.has_wallet else None, self.spool
        paces = self.ledger.workers.paces(self.home / "state" / "paces")
        self._transport = HttpTransport(self.policy, clock=self.clock, paces=paces)
        self._chain = RpcChain(self.policy, self.clock, self.ledger, clocks=self.clocks)
        if self.searching_of is not None:
            self._chain.watch(self.searching_of)
        parts = (self.ledger, self.policy, self._chain, self._transport, wallet, self.clock)
        context = PayerContext(*parts, spool=spool, stop=self.stop, check_body=check_body, clocks=self.clocks)
        return Payer(context if self.progress is None else replace(context, progress=self.progress))

    def check_in_place(self) -> None:
        """Raise LedgerReplaced when the ledger or the home was deleted or replaced since this process opened it."""
        self.ledger.check_in_place()
        if self._state is not None and self._state != _identity(self.home / "state"):
            raise LedgerReplaced(
                f"TOLLBOOK_HOME was deleted or replaced while it was in use: {self.home}",
                advice="the ledger is elsewhere and whole; `tollbook rebuild` makes cache and published files again",
            )

    @property
    def chain(self) -> RpcChain:
        """The payer's reader of the chain; needs a running event loop."""
        _ = self.payer
        assert self._chain is not None, "the payer was built with it"
        return self._chain

    def seller(self, name: str) -> SellerPolicy:
        """Return what policy says of a seller. Raises Misconfigured when it doesn't name the seller."""
        return named_seller(self.policy, name, self.settings.policy)

    def asset(self, seller: str) -> Asset:
        """Return the asset that a seller is paid in. Raises Misconfigured when policy doesn't name the seller."""
        return self.policy.assets[self.seller(seller).pay_with]

    async def aclose(self) -> None:
        """Close the sockets and the ledger, as far as they were opened."""
        for part in (self._transport, self._chain, self.__dict__.get("wallet")):
            if part is not None:
                await part.aclose()
        self._transport = self._chain = None
        self.__dict__.pop("payer", None)
        ledger = self.__dict__.pop("ledger", None)
        if ledger is not None:
            await ledger.aclose()
        self.close()

    def close(self) -> None:
        ledger = self.__dict__.pop("ledger", None)
        if ledger is not None:
            ledger.close()
        self._ledger_thread.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _make_home(self) -> None:
        try:
            make_private_state(self.home)
        except OSError as error:
            raise Misconfigured(
                f"TOLLBOOK_HOME can't be made: {error}", advice="name a directory that this user may write"
            ) from None
        self._state = self._state or _identity(self.home / "state")


def in_ledger_thread(step: Callable[Concatenate[Workspace, P], T]) -> Callable[Concatenate[Workspace, P], Awaitable[T]]:
    """Make a step that reaches the ledger or the cache one to be awaited: it is done in the ledger's thread."""

    @wraps(step)
    async def awaited(ws: Workspace, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await ws.in_thread(step, ws, *args, **kwargs)

    return awaited


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a folder; None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
