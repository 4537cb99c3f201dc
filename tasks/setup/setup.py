"""A folder as it is, the choices made for it (the wallet among them), and the files that follow from both, written
whole or not at all.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from payer.environment.env_file import ENV_FILE, EnvFile, edited, laid_over, quoted, without_secrets
from payer.policy.file import load_policy, parse_policy
from payer.policy.rules import LOCAL_CHAIN
from payer.values.durable import fsync_path, unfinished_name, write_new_file
from payer.values.errors import Misconfigured
from payer.values.terms import SecretStr
from payer.wallet.keystore import SCRYPT_ROUNDS, make_keystore
from payer.wallet.load import KEYSTORE, PASSWORD_FILE, PRIVATE_KEY, SOURCES, load_wallet
from payer.wallet.remote import SIGNER_ADDRESS, SIGNER_URL, check_signer_url
from tasks.setup.policy_text import ASSET, SELLER, Listed, Network, drafted, of_policy
from tasks.workspace.sellers import check_watch_lists
from tasks.workspace.settings import env_file


class WalletKind(StrEnum):
    """Ways to come to a wallet: a new key, a key that there is, a signer elsewhere, or what is set already."""

    NEW = "new"
    IMPORT = "import"
    SIGNER = "signer"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class WalletChoice:
    """The choice, with all that it needs. Secrets are hidden from every repr (I10)."""

    kind: WalletKind
    keystore: Path
    password_file: Path
    key: SecretStr | None = field(default=None, repr=False)
    password: SecretStr | None = field(default=None, repr=False)
    signer_url: SecretStr | None = field(default=None, repr=False)
    signer_address: str | None = None
    rounds: int = SCRYPT_ROUNDS

    @property
    def makes_files(self) -> bool:
        return self.kind in (WalletKind.NEW, WalletKind.IMPORT)

    def variables(self) -> dict[str, str | None]:
        """Variables to set, None for those to remove: a wallet has one source."""
        if self.kind is WalletKind.KEEP:
            return {}
        none: dict[str, str | None] = dict.fromkeys((*SOURCES, PASSWORD_FILE, SIGNER_ADDRESS))
        if self.kind is WalletKind.SIGNER:
            return {**none, SIGNER_URL: self.signer_url, SIGNER_ADDRESS: self.signer_address}
        return {**none, KEYSTORE: str(self.keystore), PASSWORD_FILE: str(self.password_file)}

    def make(self) -> str:
        """Make or open the keystore; return the wallet's address, "" where none is made. Raises Misconfigured."""
        if not self.makes_files:
            return ""
        return make_keystore(
            self.keystore, self.password_file, key=self.key, password=self.password, rounds=self.rounds
        )


def check_choice(choice: WalletChoice, written: Mapping[str, str]) -> None:
    """Raise Misconfigured for a signer's URL that can't be used, and before the only copy of a key would be removed.

    `written` are the variables of the environment file that is there.
    """
    if choice.signer_url is not None:
        check_signer_url(choice.signer_url)
    held = written.get(PRIVATE_KEY)
    if not held or choice.kind is WalletKind.KEEP:
        return
    same = choice.kind is WalletKind.IMPORT and choice.key is not None and _same_key(choice.key, held)
    del held
    if not same:
        raise Misconfigured(
            f"the environment file holds a key ({PRIVATE_KEY}), which another wallet would take the place of",
            advice="import it into a keystore with `--wallet import`, or move that line to a safe place first",
        )


def _same_key(key: str, other: str) -> bool:
    return load_wallet({PRIVATE_KEY: key}).address == load_wallet({PRIVATE_KEY: other}).address


_RPC = re.compile(r"""(https?://)([^/"'\s@]*@)?([^/"'\s?]+)[^"'\s,\]]*""")


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file as it is (None: not there) and as it shall be. Only its owner may read a `private` one."""

    path: Path
    before: str | None
    after: str
    private: bool = False

    @property
    def is_new(self) -> bool:
        return self.before is None

    @property
    def differs(self) -> bool:
        return self.before != self.after

    def lines(self) -> Iterator[str]:
        """The difference, as `diff -u` shows it, with one line around; what may be a secret is hidden (I10)."""
        before, after = (self.before or "").splitlines(), self.after.splitlines()
        for line in difflib.unified_diff(before, after, str(self.path), str(self.path), n=1, lineterm=""):
            yield shown_line(line)

    def write(self) -> None:
        """Replace the file whole (0600 if private, else its mode as it was). Raises Misconfigured."""
        draft = unfinished_name(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            mode = 0o600 if self.private else 0o644 if self.is_new else self.path.stat().st_mode & 0o777
            try:
                write_new_file(draft, self.after)
                draft.chmod(mode)
                draft.replace(self.path.resolve() if self.path.is_symlink() else self.path)
            finally:
                draft.unlink(missing_ok=True)
            fsync_path(self.path.parent)
        except OSError as error:
            raise Misconfigured(
                f"{self.path} can't be written: {error.strerror}", advice="name a --folder that this user may write"
            ) from None


def shown_line(line: str) -> str:
    """A line of a difference without secrets: of a chain server's address only the host is shown."""
    if re.match(r"[-+ ]\s*(#\s*)?rpc_urls?\s*=", line):
        line = _RPC.sub(r"\1\3/…", line)
    return without_secrets(line)


HEADER = """\
# What every `tollbook` command and flow reads beside policy.toml; the real environment goes before it.
# Only you may read it (0600). Keep it out of version control. Every variable: docs/operating.md, "Configuration".
"""


OFFERED = ("TOLLBOOK_LEDGER_URL", "TOLLBOOK_NOTIFY_URL")
"""Variables that a new file names without a value, to be filled in."""


COMMENTS: Mapping[str, str] = {
    "TOLLBOOK_HOME": "the ledger, the cache (state/) and what analysts open (published/)",
    "TOLLBOOK_KEYSTORE": "the wallet: an encrypted key and the file of its password. Keep a copy of both elsewhere",
    "TOLLBOOK_SIGNER_URL": "the wallet: a signer that holds the key. Keep a copy of nonce-secret elsewhere",
    "TOLLBOOK_LEDGER_URL": "the ledger of several machines: postgresql+psycopg://user:password@host/database",
    "TOLLBOOK_NOTIFY_URL": "where `tollbook health` tells people, for example mailto://… or slack://…",
}
"""A line on each variable of a new file."""


def env_text(current: str | None, values: Mapping[str, str | None]) -> str:
    """Return the file with the variables set, or removed where None; a new file has comments before them."""
    if current is not None:
        return edited(current, values)
    parts = [HEADER]
    for name, value in values.items():
        if value is None and name not in OFFERED:
            continue
        parts.append(f"\n# {COMMENTS[name]}\n" if name in COMMENTS else "")
        parts.append(f"{name}={quoted(value)}\n" if value is not None else f"# {name}=\n")
    return "".join(parts)


HOME, LEDGER, OFFSET = "TOLLBOOK_HOME", "TOLLBOOK_LEDGER_URL", "TOLLBOOK_CLOCK_OFFSET"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder's policy and environment file as they are; `environ` is the real environment."""

    policy: Path
    policy_text: str | None
    template: str
    file: EnvFile | None = field(repr=False)
    file_text: str | None = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)

    @classmethod
    def read(cls, policy: Path, template: Path, environ: Mapping[str, str]) -> Folder:
        """Read both files. Raises Misconfigured for one that can't be used as it is."""
        if policy.resolve() == template.resolve():
            raise Misconfigured(
                f"{policy} is the policy that ships with tollbook, to start others from",
                advice="run it in a folder of your own, or name one: `tollbook init --folder DIR`",
            )
        text = None
        if policy.exists():
            load_policy(policy)
            text = policy.read_text("utf-8")
        file = env_file({**environ, "TOLLBOOK_POLICY": str(policy)})
        return cls(
            policy, text, template.read_text("utf-8"), file, file.path.read_text("utf-8-sig") if file else None, environ
        )

    @property
    def is_new(self) -> bool:
        """True where there is no policy yet, or the shipped one as it was copied."""
        return self.policy_text is None or self.policy_text == self.template

    @property
    def rules(self) -> Mapping[str, Any]:
        """The policy that is there, else the shipped one."""
        return tomllib.loads(self.policy_text or self.template)

    @property
    def network(self) -> Network | None:
        return None if self.is_new else of_policy(self.rules)

    @property
    def is_sandbox(self) -> bool:
        return not self.is_new and self.rules.get("network", {}).get("chain_id") == LOCAL_CHAIN

    @property
    def caps(self) -> dict[str, str]:
        """The caps that are there, else the shipped ones."""
        caps = self.rules.get("caps", {}).get(ASSET) or tomllib.loads(self.template)["caps"][ASSET]
        return {key: str(value) for key, value in caps.items() if key.startswith("per_")}

    @property
    def tokens(self) -> list[int]:
        """The watch list that is there; the shipped one is an example."""
        return [] if self.is_new else list(self.rules.get("sellers", {}).get(SELLER, {}).get("tokens", []))

    @property
    def variables(self) -> dict[str, str]:
        """Variables that hold here: the environment's over the file's."""
        return laid_over(self.file, self.environ)


@dataclass(frozen=True, slots=True)
class Setup:
    """The choices. `network` and `tokens` are None where they stay as they are; `ledger_url` is "" for SQLite in
    the home. `clock_offset` is of a sandbox."""

    network: Network | None
    home: Path
    wallet: WalletChoice
    caps: Mapping[str, str]
    tokens: tuple[Listed, ...] | None
    ledger_url: SecretStr | None = field(default=None, repr=False)
    clock_offset: str | None = None

    def policy(self, current: Folder) -> FileChange:
        """The policy file with what was chosen in it. Raises Misconfigured where that makes no policy."""
        start = current.policy_text
        # A sandbox's policy names a seller on this machine: another network starts from the shipped one.
        leaves_sandbox = current.is_sandbox and self.network is not None and self.network.chain_id != LOCAL_CHAIN
        if start is None or leaves_sandbox:
            start = current.template
        after = drafted(start, network=self.network, caps=self.caps, tokens=self.tokens)
        check_watch_lists(parse_policy(after))
        return FileChange(current.policy, current.policy_text, after)

    def environment(self, current: Folder) -> FileChange:
        """The environment file with what was chosen in it."""
        values: dict[str, str | None] = {HOME: str(self.home), **self.wallet.variables()}
        if self.ledger_url is not None:
            values[LEDGER] = str.__str__(self.ledger_url) or None
        if self.network is not None:
            values[OFFSET] = self.clock_offset
        if current.file is not None:  # what it has already, also as a relative path, and lacks already, stays
            values = {name: value for name, value in values.items() if current.file.ours.get(name) != value}
        new = {**values, **{name: None for name in OFFERED if name not in values}}
        text = env_text(current.file_text, values if current.file else new)
        return FileChange(current.policy.parent / ENV_FILE, current.file_text, text, private=True)

    def overridden(self, current: Folder) -> list[str]:
        """Name the variables of the real environment that go before what was chosen, or name a second wallet."""
        chosen = {HOME: str(self.home), **self.wallet.variables()}
        return [name for name, value in chosen.items() if (given := current.environ.get(name)) and given != value]
