"""The address of a publication on object storage: `s3://bucket/prefix`. It never holds credentials."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import unquote, urlsplit

from tollbook_bucket.errors import BadAddress

SCHEMES = ("s3", "gs", "az", "abfs", "abfss", "file")
"""Amazon S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage (three spellings), a folder."""

_EXAMPLE = "write s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///folder"
_ELSEWHERE = {
    "http": "write s3://bucket/prefix, and name the server in AWS_ENDPOINT_URL",
    "https": "write s3://bucket/prefix, and name the server in AWS_ENDPOINT_URL",
    "memory": "what is kept in memory ends with the process: " + _EXAMPLE,
}


@dataclass(frozen=True, slots=True)
class Address:
    """A checked address. `url` is without a slash at its end; it may be shown."""

    url: str
    scheme: str
    bucket: str

    def __str__(self) -> str:
        return self.url


def parse_address(text: str) -> Address:
    """Check an address. Raises BadAddress, which doesn't repeat what may be a credential."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        password = parts.password
    except ValueError:
        raise BadAddress("the address can't be read", _EXAMPLE) from None
    scheme, bucket, path = parts.scheme, parts.netloc, parts.path
    if scheme not in SCHEMES:
        _refuse_scheme(scheme)
    if password is not None or ("@" in bucket and scheme not in ("abfs", "abfss")):
        raise BadAddress(
            f"the {scheme} address holds credentials, which would be shown in messages and logs",
            f"leave them out and set them in the environment ({CREDENTIALS[scheme]})",
        )
    if "?" in text or "#" in text:
        raise BadAddress(f"the {scheme} address has a ? or # part, which may hold a token", f"leave it out: {_EXAMPLE}")
    if scheme == "file" and bucket:
        raise BadAddress(f"file://{bucket} names a machine, not a folder", "write three slashes: file:///folder")
    if not (path.strip("/") if scheme == "file" else bucket):
        what = f"the {scheme} address names no {_HOLDER.get(scheme, 'bucket')}"
        as_text = "" if "://" in text else "; it has one slash where two belong, as a Path makes of it: give it as text"
        raise BadAddress(what + as_text, _EXAMPLE)
    if re.search(r"[\s\x00-\x1f\\]", text) or {".", ".."} & set(unquote(path).split("/")):
        raise BadAddress(f"the {scheme} address has a blank, a backslash, or a part that is a dot or two", _EXAMPLE)
    clean = "/".join(part for part in path.split("/") if part)
    url = f"{scheme}://{bucket}/{clean}".rstrip("/")
    return Address(url, scheme, bucket)


CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "file": "a folder needs none",
    **dict.fromkeys(("az", "abfs", "abfss"), "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"),
}
"""Where the credentials for each scheme are looked for."""

_HOLDER = {"file": "folder", "az": "container", "abfs": "container", "abfss": "container"}


def _refuse_scheme(scheme: str) -> None:
    if scheme in _ELSEWHERE:
        raise BadAddress(f"{scheme}:// is no scheme for publications", _ELSEWHERE[scheme])
    near = get_close_matches(scheme, SCHEMES, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]}://? " if near else ""
    shown = f"{scheme}:// is no scheme that is known" if scheme else "the address has no scheme"
    raise BadAddress(shown, f"{meant}{_EXAMPLE}")
