"""The place of a lake, the URL of its catalog and the folder or bucket of its files; and opening it beside what is
published, in one DuckDB connection. Extensions are loaded, never fetched unasked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from warehouse.cache.sql import literal
from warehouse.errors import LakeError, LakeMisconfigured, LakeTooNew, LakeUnreachable
from warehouse.lake.tables import FIND_TABLES
from warehouse.publish.views.table_parts import lake_mark

if TYPE_CHECKING:
    import duckdb

CATALOG, DATA = "TOLLBOOK_LAKE", "TOLLBOOK_LAKE_DATA"
_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")


@dataclass(frozen=True, slots=True)
class LakeAddress:
    """A catalog on PostgreSQL as libpq takes it, and the place of the data files, ending with a slash."""

    catalog: str = field(repr=False)
    data: str

    @property
    def shown(self) -> str:
        """The catalog's address without its password."""
        return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", self.catalog)

    @property
    def on_s3(self) -> bool:
        return self.data.startswith("s3://")


def read_address(environ: Mapping[str, str]) -> LakeAddress:
    """Read both variables. Raises LakeMisconfigured when one is missing or names something else."""
    catalog, data = environ.get(CATALOG, ""), environ.get(DATA, "")
    if not catalog or not data:
        raise LakeMisconfigured(
            f"{CATALOG if not catalog else DATA} is not set",
            advice=f"set {CATALOG} to the catalog, `postgresql://user:password@host/database`, and {DATA} to where its "
            "files are, `s3://bucket/prefix` or a folder that all readers see",
        )
    scheme, _, rest = catalog.partition("://")
    if scheme not in _SCHEMES or not urlsplit(f"postgresql://{rest}").path.strip("/"):
        raise LakeMisconfigured(
            f"{CATALOG} names no database on PostgreSQL",
            advice="write `postgresql://user:password@host/database`. A catalog in a file serves one process at a "
            "time, which is what published/warehouse.duckdb is for",
        )
    return LakeAddress(f"postgresql://{rest}", _place(data))


def _place(data: str) -> str:
    scheme, found, rest = data.partition("://")
    if not found:
        return f"{Path(data).expanduser().absolute()}/"
    if scheme != "s3" or not rest.split("/")[0]:
        raise LakeMisconfigured(
            f"{DATA} is neither a folder nor s3://bucket/prefix", advice="write one of them; DuckDB's httpfs reads S3"
        )
    return data.rstrip("/") + "/"


EXTENSIONS = ("ducklake", "postgres")
ON_S3 = "httpfs"

_S3 = {
    "KEY_ID": "AWS_ACCESS_KEY_ID",
    "SECRET": "AWS_SECRET_ACCESS_KEY",
    "SESSION_TOKEN": "AWS_SESSION_TOKEN",
    "REGION": "AWS_REGION",
}


def extensions(address: LakeAddress) -> tuple[str, ...]:
    """The extensions of DuckDB that the lake at this address needs."""
    return (*EXTENSIONS, ON_S3) if address.on_s3 else EXTENSIONS


def install(address: LakeAddress) -> tuple[str, ...]:
    """Install them from DuckDB's own server, which signs them. Raises LakeMisconfigured when it can't be reached."""
    import duckdb

    with duckdb.connect() as con:
        for name in extensions(address):
            try:
                con.install_extension(name)
            except duckdb.Error as error:
                raise LakeMisconfigured(
                    f"DuckDB's extension {name} can't be installed: {_first_line(error)}",
                    advice="it comes from extensions.duckdb.org; on a machine without access, put the file of this "
                    f"DuckDB's version ({duckdb.__version__}) below ~/.duckdb/extensions",
                ) from None
    return extensions(address)


@contextmanager
def opened(address: LakeAddress, published: Path, environ: Mapping[str, str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the newest publication as `published`, read-only, and the lake as `lake`.

    Once that was done, later publications of that folder carry the digests of `table_parts`.
    Raises LakeMisconfigured for a missing extension, LakeTooNew, and LakeUnreachable, the last two also for what fails
    while it is open.
    """
    import duckdb

    if not published.exists():
        raise LakeMisconfigured(
            f"{published} is not there", advice="nothing was published yet: `tollbook run`, then this"
        )
    con = duckdb.connect()
    try:
        con.execute("SET TimeZone = 'UTC'")
        con.execute("SET python_enable_replacements = false")  # a missing table is missing, whatever Python has
        for name in extensions(address):
            _load(con, name)
        if address.on_s3:
            con.execute(_secret(address, environ))
        con.execute(f"ATTACH {literal(published)} AS published (READ_ONLY)")
        con.execute(FIND_TABLES)
        # Rows go to files at once, however few: engines that read the files see all, and a bucket that isn't there
        # is noticed now. `tidy` merges small files.
        place = f"DATA_PATH {literal(address.data)}, DATA_INLINING_ROW_LIMIT 0"
        con.execute(f"ATTACH {literal('ducklake:postgres:' + address.catalog)} AS lake ({place})")
        yield con
        with suppress(OSError):  # of a folder that this user may only read, each write measures every table
            lake_mark(published.parent).touch()
    except duckdb.Error as error:
        raise trouble(error, address) from None
    finally:
        with suppress(duckdb.Error):
            con.execute("DETACH lake")
        con.close()


def trouble(error: Exception, address: LakeAddress) -> LakeError:
    """Return an error of DuckDB as one of the lake, without passwords in it."""
    said = _first_line(error).replace(address.catalog, address.shown)
    if "version" in said and ("catalog" in said.lower() or "ducklake" in said.lower()) and "mismatch" in said.lower():
        return LakeTooNew(
            f"the catalog {address.shown} is of another version of DuckLake: {said}",
            advice="update tollbook's DuckDB and its extensions (`tollbook lake --install`); nothing was written",
        )
    return LakeUnreachable(
        f"the lake {address.shown}, files in {address.data}, can't be used: {said}",
        advice="check that PostgreSQL and the storage answer, that database and bucket are there, and the credentials; "
        "run it again: what is missing is written then",
    )


def _load(con: duckdb.DuckDBPyConnection, name: str) -> None:
    import duckdb

    try:
        con.load_extension(name)
    except duckdb.Error:
        raise LakeMisconfigured(
            f"DuckDB's extension {name} is not installed",
            advice="run `tollbook lake --install`, which takes it from DuckDB's own server; or put it below "
            f"~/.duckdb/extensions by hand, for version {duckdb.__version__}",
        ) from None


def _secret(address: LakeAddress, environ: Mapping[str, str]) -> str:
    """Return the secret with which DuckDB reaches S3, from the variables that every tool of AWS reads."""
    parts = [f"{option} {literal(environ[name])}" for option, name in _S3.items() if environ.get(name)]
    if "AWS_ACCESS_KEY_ID" not in environ:
        raise LakeMisconfigured(
            f"there are no credentials for {address.data}",
            advice="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_REGION, AWS_ENDPOINT_URL where needed)",
        )
    if endpoint := environ.get("AWS_ENDPOINT_URL"):
        scheme, _, host = endpoint.rpartition("://")
        parts += [
            f"ENDPOINT {literal(host.rstrip('/'))}",
            "URL_STYLE 'path'",
            f"USE_SSL {str(scheme != 'http').lower()}",
        ]
    return f"CREATE SECRET tollbook_lake (TYPE s3, {', '.join(parts)})"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
