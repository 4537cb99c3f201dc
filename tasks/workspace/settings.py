"""Settings from the environment, over the file `.env` beside the policy: every TOLLBOOK_* variable, its meaning, and
the error for a wrong value.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from payer.environment.env_file import ENV_FILE, EnvFile, env_file_beside, laid_over, policy_path
from payer.environment.pasted import looks_secret
from payer.values.clock import clock_offset
from payer.values.errors import Misconfigured

PREFIX = "TOLLBOOK_"
LOG_TEXT, LOG_JSON = "text", "json"

VARIABLES: Mapping[str, str] = {
    "TOLLBOOK_HOME": "directory that holds `state/` (ledger, cache) and `published/`; made when missing; required",
    "TOLLBOOK_POLICY": "the reviewed limits; default `policy.toml` in the working directory",
    "TOLLBOOK_PRIVATE_KEY": "the paying wallet's key, 0x and 64 hex digits",
    "TOLLBOOK_KEYSTORE": "an encrypted keystore file (JSON, as geth writes it), instead of the key itself",
    "TOLLBOOK_KEYSTORE_PASSWORD_FILE": "file holding the keystore's password",
    "TOLLBOOK_SIGNER_URL": "a remote signer that holds the key (JSON-RPC, `eth_signTypedData_v4`), instead of the key: "
    "https, or http to this machine",
    "TOLLBOOK_SIGNER_ADDRESS": "the wallet's address at the remote signer; default its only account",
    "TOLLBOOK_NONCE_SECRET_FILE": "the nonce secret that a remote signer's wallet needs; default `nonce-secret` in the "
    "home",
    "TOLLBOOK_LEDGER_URL": "the ledger's database, `sqlite:////absolute/path` or `postgresql+psycopg://…`; "
    "default SQLite under the home",
    "TOLLBOOK_PUBLISH": "where each publication is also sent, for readers on other machines: `s3://bucket/prefix`, "
    "`gs://…`, `az://…` or `file:///folder`; credentials come from the store's own variables (AWS_ACCESS_KEY_ID …)",
    "TOLLBOOK_NOTIFY_URL": "where `health` sends what changed: URLs of apprise (mail, Slack, Telegram, webhooks …), "
    "separated by spaces",
    "TOLLBOOK_LAKE": "the catalog that `tollbook lake` writes, `postgresql://user:password@host/database`",
    "TOLLBOOK_LAKE_DATA": "where that lake's files are: `s3://bucket/prefix`, or a folder that all its readers see",
    "TOLLBOOK_LOG": "`text` or `json`: a line on stderr for each call; in Prefect the form of its console's "
    "lines; default none, in Prefect text",
    "TOLLBOOK_METRICS_FILE": "where every run writes metrics in Prometheus' text format, for node_exporter's textfile "
    "collector (the extra `metrics`)",
    "TOLLBOOK_CLOCK_OFFSET": "seconds added to the clock, for a sandbox (chain id 31337) only",
}


FOR_TESTS = frozenset({"TOLLBOOK_CRASH_AT"})
"""Variables for tests only: the crash point at which a child process kills itself (crashpoints.py)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment, read once and validated. Secrets are not among its fields (I10); a URL may hold one."""

    home: Path
    policy: Path
    ledger_url: str = field(repr=False)
    clock_offset: float
    publish_url: str | None = field(default=None, repr=False)
    log: str = ""
    metrics_file: Path | None = None

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Read and validate the variables. Raises Misconfigured naming the variable and the fix."""
        refuse_unknown(sorted(environ), "unknown environment variable {}".format)
        refuse_misplaced(environ)
        refuse_unprintable(environ)
        home = _home(environ)
        url = environ.get("TOLLBOOK_LEDGER_URL") or f"sqlite:///{home / 'state' / 'ledger.db'}"
        if url.removesuffix(":memory:") in ("sqlite://", "sqlite:///", "sqlite+pysqlite://", "sqlite+pysqlite:///"):
            raise Misconfigured(
                "TOLLBOOK_LEDGER_URL names a ledger in memory, which is lost with the process",
                advice="write sqlite:////absolute/path, or unset it for state/ledger.db under TOLLBOOK_HOME",
            )
        publish_url = environ.get("TOLLBOOK_PUBLISH", "").strip() or None
        given = environ.get("TOLLBOOK_METRICS_FILE")
        metrics = Path(given).expanduser().absolute() if given else None
        return cls(home, policy_path(environ), url, clock_offset(environ), publish_url, _log(environ), metrics)


def refuse_unknown(names: Iterable[str], what: Callable[[str], str]) -> None:
    """Raise Misconfigured for an unknown TOLLBOOK_* variable: a misspelt one would silently be its default."""
    for name in names:
        if _is_unknown(name):
            near = difflib.get_close_matches(name.upper(), VARIABLES, n=1)
            if near:
                raise Misconfigured(what(name), advice=f"did you mean {near[0]}? Correct the name, or remove it")
            raise Misconfigured(what(name), advice=f"remove it; the variables are {', '.join(VARIABLES)}")


def _is_unknown(name: str) -> bool:
    """True for a name of ours that is none, and for one that is nearly one (`TOLBOOK_HOME`, `tollbook_home`)."""
    if name in VARIABLES or name in FOR_TESTS:
        return False
    return name.startswith(PREFIX) or bool(difflib.get_close_matches(name.upper(), VARIABLES, n=1, cutoff=0.9))


def refuse_misplaced(environ: Mapping[str, str]) -> None:
    """Raise Misconfigured for a key or a recovery phrase in a variable that holds none: messages quote the others."""
    for name in VARIABLES:
        if name != "TOLLBOOK_PRIVATE_KEY" and looks_secret(environ.get(name, "")):
            raise Misconfigured(
                f"{name} holds a private key or a recovery phrase",
                advice=f"remove it from there; {name} is for this: {VARIABLES[name]}",
            )


def refuse_unprintable(environ: Mapping[str, str]) -> None:
    """Raise Misconfigured for a value with a line end or another control character, which no setting has. It is not
    quoted: it may be a key."""
    for name in VARIABLES:
        if not (value := environ.get(name, "")).isprintable():
            cause = "a line end of Windows" if value.endswith("\r") else "a character that can't be printed"
            raise Misconfigured(f"{name} holds {cause}", advice="set it again without it")


def _home(environ: Mapping[str, str]) -> Path:
    given = environ.get("TOLLBOOK_HOME")
    if not given:
        raise Misconfigured(
            "TOLLBOOK_HOME is not set",
            advice="run `tollbook init`, which writes it to .env; or set it to the directory that shall hold ledger "
            "and published files, for example `export TOLLBOOK_HOME=$HOME/tollbook`; to try tollbook "
            "without any set-up run `tollbook demo`",
        )
    home = Path(given).expanduser().absolute()
    if home.exists() and not home.is_dir():
        raise Misconfigured(
            f"TOLLBOOK_HOME is not a directory: {home}", advice="name a directory, or a path to make one"
        )
    return home


def _log(environ: Mapping[str, str]) -> str:
    named = environ.get("TOLLBOOK_LOG", "").strip().lower()
    if named not in ("", LOG_TEXT, LOG_JSON):
        raise Misconfigured(f"TOLLBOOK_LOG is {environ['TOLLBOOK_LOG']!r}", advice="write text or json, or unset it")
    return named


OF_OTHER_TOOLS = "PRIVATE_KEY"
"""Names that tutorials of x402 give the key; tollbook reads only names of its own."""


def environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that hold: the environment's (by default this process's), then those of the file.

    Raises Misconfigured for a file that can't be read, has an unknown variable, or shows a secret to other users.
    """
    environ = os.environ if environ is None else environ
    return laid_over(env_file(environ), environ)


def env_file(environ: Mapping[str, str]) -> EnvFile | None:
    """Read the environment file beside the policy that the environment names. Raises Misconfigured."""
    file = env_file_beside(policy_path(environ))
    if file is not None:
        refuse_unknown(file.variables, lambda name: f"unknown variable {name} in {file.place(name)}")
    return file


def sources_text(environ: Mapping[str, str], file: EnvFile | None) -> str:
    """Say which variables came from the file and which from the environment; no value is shown."""
    real = sorted(name for name in environ if name.startswith(PREFIX))
    if file is None:
        where = policy_path(environ).parent / ENV_FILE
        return f"there is no {where}; from the environment: {_listed(real)}"
    taken = [name for name in file.ours if name not in environ]
    parts = [f"from {file.path}: {_listed(taken)}", f"from the environment: {_listed(real)}"]
    if hidden := [name for name in file.ours if name in environ]:
        parts.append(f"the environment goes before the file for {_listed(hidden)}")
    if OF_OTHER_TOOLS in file.variables and not any(name.endswith(OF_OTHER_TOOLS) for name in (*taken, *real)):
        parts.append(f"{OF_OTHER_TOOLS} there is another program's: tollbook reads {PREFIX}{OF_OTHER_TOOLS}")
    return "; ".join(parts)


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "nothing"
