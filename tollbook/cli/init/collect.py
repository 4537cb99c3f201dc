"""From flags and answers to what shall be set up. Without anybody to ask, what is missing is refused by its flag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from payer.environment.pasted import is_private_key, not_a_key
from payer.values.errors import Misconfigured
from payer.values.terms import SecretStr
from payer.wallet.keystore import FEW_ROUNDS, SCRYPT_ROUNDS
from payer.wallet.load import PRIVATE_KEY, names_wallet
from payer.wallet.remote import SIGNER_URL
from tasks.setup.policy_text import CAPS, NETWORKS, Network, fitted
from tasks.setup.setup import HOME, LEDGER, Setup, WalletChoice, WalletKind, check_choice
from tollbook.cli.errors import BadUsage
from tollbook.cli.init import questions
from tollbook.cli.init.watch_list import TokenChooser, missing_flags

_LIMIT = 64 * 1024
_WALLETS = {
    WalletKind.NEW: "make a key for tollbook alone, kept encrypted in a keystore file",
    WalletKind.IMPORT: "keep a key that you have in a keystore file",
    WalletKind.SIGNER: "a signer elsewhere holds the key (Web3Signer, Clef, hardware)",
    WalletKind.KEEP: "the wallet that is set already",
}


@dataclass
class Collector(TokenChooser):
    """The flags, what the folder has, and what was found missing where nobody is there to ask."""

    missing: list[str] = field(default_factory=list, init=False)

    def collect(self) -> Setup:
        """Return what was chosen. Raises BadUsage naming the flags that are missing, and Misconfigured."""
        network = self._network()
        home = self._home()
        ledger = self._ledger()
        wallet = self._wallet()
        caps = self._caps()
        if self.missing:
            raise missing_flags(self.missing)
        tokens = self.choose_tokens(network, caps)
        offset = self.world.clock_offset if self.world else None
        return Setup(network, home, wallet, caps, tokens, ledger, offset)

    @property
    def _folder(self) -> Path:
        return self.current.policy.parent

    def _network(self) -> Network | None:
        """None where the policy's network stays as it is."""
        if self.world is not None:
            if self.flags.network:
                raise BadUsage("--network and --sandbox exclude each other", advice="leave out one of them")
            if not self.current.is_new and not self.current.is_sandbox:
                raise Misconfigured(
                    f"{self.current.policy} is a policy for real money, which a sandbox's would take the place of",
                    advice="set the sandbox up in a folder of its own: `tollbook init --sandbox --folder DIR`",
                )
            return self.world.network
        name = self.flags.network
        if name is None and self.asks:
            known = self.current.network
            options = [(each.name, each.title) for each in NETWORKS.values()]
            name = questions.choose("Which network?", options, known.name if known else options[0][0])
        if name is None:
            if self.current.is_new:
                self.missing.append("--network")
            return None
        if name not in NETWORKS:
            raise BadUsage(f"the network {name!r} is unknown", advice=f"say one of {', '.join(NETWORKS)}")
        return None if self.current.network == NETWORKS[name] else NETWORKS[name]

    def _home(self) -> Path:
        given = self.flags.home or self.current.variables.get(HOME)
        if given is None and self.asks:
            given = questions.text("\nHome: where ledger, cache and published files go", str(self._folder))
        home = Path(given or self._folder).expanduser().absolute()
        if home.exists() and not home.is_dir():
            raise Misconfigured(f"the home {home} is no directory", advice="name a directory, or a path to make one")
        return home

    def _ledger(self) -> SecretStr | None:
        """None where it stays as it is, "" for SQLite in the home."""
        given = self.flags.ledger
        if given is not None:
            if urlsplit(given).password:
                raise BadUsage(
                    "--ledger holds a password, which every user of this machine can read in a command line",
                    advice=f"set {LEDGER} for this command instead, or answer the question at a terminal",
                )
            return SecretStr("" if given == "sqlite" else given)
        if held := self.current.variables.get(LEDGER):
            return None if self.current.file and LEDGER in self.current.file.variables else SecretStr(held)
        if self.asks and not self.current.file:
            options = [("sqlite", "one file in the home, for one machine"), ("postgresql", "for several machines")]
            if questions.choose("Which ledger?", options, "sqlite") == "postgresql":
                return questions.secret("Its URL, postgresql+psycopg://user:password@host/database")
        return None

    def _caps(self) -> dict[str, str]:
        named = {cap: amount for cap in CAPS if (amount := getattr(self.flags, cap)) is not None}
        if self.asks and not named and self.current.is_new:
            self.output.line("\nCaps in USDC, each enforced before anything is signed (Enter keeps the value)")
            for cap in CAPS:
                answer = questions.until_right(partial(self._cap, cap, named))
                if answer is not None:
                    named[cap] = answer
        return fitted(self.current.caps, named)

    def _cap(self, cap: str, named: Mapping[str, str]) -> str | None:
        """Ask for a cap beside those named before; None where it stays as it is. Raises Misconfigured for no amount."""
        before = fitted(self.current.caps, named)[cap]
        answer = questions.text(f"  {cap:<13}", before).strip()
        fitted(self.current.caps, {**named, cap: answer})
        return None if answer == before else answer

    def _wallet(self) -> WalletChoice:
        kind = self._wallet_kind()
        keystore = (self.flags.keystore or self._folder / "keystore.json").expanduser().absolute()
        password_file = (self.flags.password_file or self._folder / "keystore-password").expanduser().absolute()
        key = password = url = None
        exists = keystore.exists()
        if kind is WalletKind.IMPORT:
            key = self._key(exists=exists)
        makes = kind in (WalletKind.NEW, WalletKind.IMPORT)
        if makes and self.world is not None and key is None:
            key = self.world.key
        elif makes and self.asks and not password_file.exists():
            password = questions.password()
        if kind is WalletKind.SIGNER:
            url = self._signer_url()
        rounds = FEW_ROUNDS if self.world is not None else SCRYPT_ROUNDS
        choice = WalletChoice(kind, keystore, password_file, key, password, url, self.flags.signer_address, rounds)
        check_choice(choice, self.current.file.ours if self.current.file else {})
        if exists and choice.makes_files:
            self.notes.append(f"{keystore} is there already and is kept; for another key name another --keystore")
        return choice

    def _wallet_kind(self) -> WalletKind:
        named = names_wallet(self.current.variables)
        if self.flags.wallet is not None:
            if self.flags.wallet not in tuple(WalletKind):
                raise BadUsage(
                    f"the wallet {self.flags.wallet!r} is unknown", advice=f"say one of {', '.join(WalletKind)}"
                )
            kind = WalletKind(self.flags.wallet)
            if kind is WalletKind.KEEP and not named:
                raise BadUsage("there is no wallet to keep", advice="say --wallet new, import or signer")
            return kind
        if self.flags.key_file:
            return WalletKind.IMPORT
        if self.flags.signer_url:
            return WalletKind.SIGNER
        if self.asks:
            kinds = [each for each in WalletKind if named or each is not WalletKind.KEEP]
            options = [(str(each), _WALLETS[each]) for each in kinds]
            return WalletKind(questions.choose("Which wallet pays?", options, str(kinds[-1] if named else kinds[0])))
        if named:
            return WalletKind.KEEP
        if self.world is None:
            self.missing.append("--wallet")
        return WalletKind.NEW if self.world is not None else WalletKind.KEEP

    def _key(self, *, exists: bool) -> SecretStr | None:
        """The key to import: from a file, from the environment, or asked for; None where its keystore is there."""
        if self.flags.key_file is not None:
            return _key_in(self.flags.key_file)
        if held := self.current.variables.get(PRIVATE_KEY):
            return SecretStr(held)
        if exists:
            return None
        if self.asks:
            return questions.private_key()
        if self.world is not None:
            return None
        self.missing.append("--key-file")
        return None

    def _signer_url(self) -> SecretStr | None:
        given = self.flags.signer_url
        if given is not None:
            if "@" in given:
                raise BadUsage(
                    "--signer-url holds a password, which every user of this machine can read in a command line",
                    advice=f"set {SIGNER_URL} for this command instead, or answer the question at a terminal",
                )
            return SecretStr(given)
        if held := self.current.variables.get(SIGNER_URL):
            return SecretStr(held)
        if self.asks:
            return questions.secret("The signer's URL: https, or http to this machine")
        self.missing.append("--signer-url")
        return None


def _key_in(path: Path) -> SecretStr:
    """The key in a file. Raises Misconfigured, which names what else is in it."""
    try:
        text = SecretStr(path.expanduser().read_bytes()[: _LIMIT + 1].decode("utf-8-sig", "replace").strip())
    except OSError as error:
        raise Misconfigured(f"{path} can't be read: {error.strerror}", advice="name the key's file") from None
    if is_private_key(text):
        return text
    what, advice = not_a_key(text)
    del text
    raise Misconfigured(f"{path} holds {what}", advice=advice)
