"""The place of a lake: the URL of its catalog, and the folder or bucket that holds its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from warehouse.errors import LakeMisconfigured

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
