"""Objects by name at one address: read, write, write only if unchanged, delete. Errors are plain words, no secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from tollbook_bucket.address import CREDENTIALS, Address
from tollbook_bucket.errors import AccessRefused, BucketError, BucketMissing, LibraryMissing, StoreUnreachable

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ObjectStore

INSTALL = "pip install 'tollbook[objects]'"

CONNECT_SECONDS, REQUEST_SECONDS, RETRIES = 5, 30, 2
"""A store that is down is given up after about fifteen seconds, one that hangs after a minute."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object's bytes. `tag` tells this version of it from any other; None where the store has no such thing."""

    data: bytes
    tag: str | None


class Changed(Exception):
    """Raised when an object is no longer, or not yet, what a conditional write expects."""


class ReadableBucket(Protocol):
    """Objects at one address that can be read by name. Nothing is ever listed: a listing may lag."""

    @property
    def url(self) -> str: ...

    def get(self, name: str) -> Stored | None:
        """Return an object, None for one that isn't there. Raises BucketError."""


def open_bucket(address: Address, variables: Mapping[str, str] | None = None) -> BucketStore:
    """Open the store at an address; nothing is sent yet. Raises LibraryMissing, AccessRefused.

    `variables` are the store's own, such as AWS_ACCESS_KEY_ID: those of a file, where the environment has none.
    """
    environ = {**(variables or {}), **os.environ}
    try:
        from obstore.store import from_url
    except ImportError:
        raise LibraryMissing(f"{address} needs the library for object storage", f"install it: {INSTALL}") from None
    if address.scheme == "file":
        from obstore.store import LocalStore

        return BucketStore(LocalStore(_folder(address)), address)
    opened: Callable[..., ObjectStore] = from_url  # its overloads name each scheme's variables
    try:
        store: ObjectStore = opened(
            address.url,
            config=_configuration(address, environ),
            client_options={
                "timeout": timedelta(seconds=REQUEST_SECONDS),
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                **({"allow_http": True} if _may_use_http(environ) else {}),
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=REQUEST_SECONDS)},
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, its text may repeat a secret of the environment
        words = in_words(error, address)
        if isinstance(words, StoreUnreachable):  # Nothing was sent yet: it is about the variables.
            names = CREDENTIALS[address.scheme]
            words = AccessRefused(f"the credentials for {address} can't be used", f"correct {names}")
        raise words from None
    return BucketStore(store, address)


_TAKEN = {
    "s3": "ACCESS_KEY_ID SECRET_ACCESS_KEY SESSION_TOKEN REGION DEFAULT_REGION ENDPOINT ENDPOINT_URL "
    "SKIP_SIGNATURE VIRTUAL_HOSTED_STYLE_REQUEST METADATA_ENDPOINT",
    "gs": "APPLICATION_CREDENTIALS SERVICE_ACCOUNT SERVICE_ACCOUNT_KEY SERVICE_ACCOUNT_PATH",
    "az": "STORAGE_ACCOUNT_NAME STORAGE_ACCOUNT_KEY STORAGE_SAS_TOKEN STORAGE_CLIENT_ID STORAGE_CLIENT_SECRET "
    "STORAGE_TENANT_ID STORAGE_ENDPOINT",
}
_PREFIX = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}


def _configuration(address: Address, environ: Mapping[str, str]) -> dict[str, str]:
    """The store's own variables, by the names that obstore takes: theirs in lower case."""
    scheme = "az" if address.scheme.startswith("a") else address.scheme
    names = (f"{_PREFIX[scheme]}{name}" for name in _TAKEN[scheme].split())
    return {name.lower(): environ[name] for name in names if environ.get(name)}


def _folder(address: Address) -> Path:
    folder = Path("/" + address.url.removeprefix("file://").lstrip("/"))
    if not folder.is_dir():
        raise BucketMissing(f"{folder} is no folder", "make it, or mount what it stands for")
    return folder


def _may_use_http(environ: Mapping[str, str]) -> bool:
    """True where the store is a server on this machine, or somebody says that nobody can listen."""
    if environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes"):
        return True
    host = urlsplit(environ.get("AWS_ENDPOINT_URL") or environ.get("AWS_ENDPOINT") or "").hostname
    return host in ("127.0.0.1", "localhost", "::1")


class BucketStore:
    """A `ReadableBucket` that can be written, too, by way of obstore (Rust's object_store): S3, Google Cloud Storage,
    Azure, a folder, memory."""

    def __init__(self, store: ObjectStore, address: Address) -> None:
        self._store = store
        self._address = address

    @property
    def url(self) -> str:
        return self._address.url

    def get(self, name: str) -> Stored | None:
        try:
            answer = self._store.get(name)
            return Stored(bytes(answer.bytes()), answer.meta["e_tag"])
        except Exception as error:  # noqa: BLE001 - obstore's errors share no base with Python's, which it raises too
            self._unless_absent(error)
            return None

    def size(self, name: str) -> int | None:
        """Return an object's size, None for one that isn't there. Raises BucketError."""
        try:
            return int(self._store.head(name)["size"])
        except Exception as error:  # noqa: BLE001
            self._unless_absent(error)
            return None

    def put(self, name: str, data: bytes | memoryview | Path, content_type: str | None = None) -> None:
        """Write an object, or a file's content as one: whole or not at all. Raises BucketError.

        A browser shows a page of the right `content_type`; a folder keeps none.
        """
        kept = content_type is not None and self._address.scheme != "file"
        try:
            if kept:
                self._store.put(name, data, attributes={"Content-Type": content_type or ""})
            else:
                self._store.put(name, data)
        except Exception as error:  # noqa: BLE001
            raise in_words(error, self._address) from None

    def put_if(self, name: str, data: bytes, previous: Stored | None) -> None:
        """Write an object if it still is `previous`; None: if there is none. Raises Changed, BucketError.

        The object is compared just before it is written, which is all where the store has no conditional write.
        """
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        self._compare(name, previous)
        try:
            if previous is None:
                self._store.put(name, data, mode="create")
            elif previous.tag is None:
                self._store.put(name, data)
            else:
                condition: UpdateVersion = {"e_tag": previous.tag}
                self._store.put(name, data, mode=condition)
        except (AlreadyExistsError, PreconditionError):
            raise Changed(name) from None
        except NotImplementedError:
            self.put(name, data)
        except Exception as error:  # noqa: BLE001
            raise in_words(error, self._address) from None

    def _compare(self, name: str, previous: Stored | None) -> None:
        """Raise Changed for another object than was read: not every server heeds a condition."""
        present = self.get(name)
        if (present and present.data) != (previous and previous.data):
            raise Changed(name)

    def delete(self, name: str) -> None:
        """Delete an object; one that is gone is fine. Raises BucketError."""
        try:
            self._store.delete(name)
        except Exception as error:  # noqa: BLE001
            self._unless_absent(error)

    def _unless_absent(self, error: Exception) -> None:
        """Raise in words what is more than a missing object."""
        words = in_words(error, self._address)
        if not isinstance(error, FileNotFoundError) or isinstance(words, BucketMissing):
            raise words from None


_ANSWER = re.compile(r"status code: (\d{3})")
_REFUSALS = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "Forbidden")
_INCOMPLETE = r"Account must be specified|Missing(AccessKeyId|SecretAccessKey|Account)|missing (access|secret)"
_ASKED_THE_MACHINE = ("latest/api/token", "latest/meta-data", "computeMetadata", "metadata/identity", "AnonymousCred")
"""Parts of the addresses at which a cloud's machines get their credentials: asked when the environment has none."""


def in_words(error: Exception, address: Address) -> BucketError:
    """Say what an error of the store means and what to do. Its own text is read, and never repeated: addresses in it
    may be signed, and a server may repeat what it was sent."""
    text, kind = str(error), type(error).__name__
    code = next(iter(_ANSWER.findall(text)), "")
    names = CREDENTIALS[address.scheme]
    if any(part in text for part in _ASKED_THE_MACHINE) or re.search(_INCOMPLETE, text):
        return AccessRefused(f"there are no credentials for {address}", f"set {names}, or give this machine a role")
    if "NoSuchBucket" in text or "ContainerNotFound" in text or "specified bucket does not exist" in text:
        return BucketMissing(f"{address}: there is no bucket {address.bucket!r}", "create it, or correct the address")
    refused = next((word for word in _REFUSALS if word in text), "")
    if kind in ("PermissionDeniedError", "UnauthenticatedError") or code in ("401", "403") or refused:
        reason = f" ({refused})" if refused else ""
        advice = f"check {names}: they need to read, write and delete there"
        return AccessRefused(f"{address} refuses the credentials{reason}", advice)
    if code.startswith("3") or "AuthorizationHeaderMalformed" in text:
        return AccessRefused(f"{address} is in another region", "set AWS_REGION to the bucket's region")
    if "BadScheme" in text:
        advice = "use https, or set AWS_ALLOW_HTTP=true where nobody else can listen"
        return AccessRefused(f"the server of {address} is named with http, which is not encrypted", advice)
    return StoreUnreachable(
        f"{address} {_trouble(text, code)}", "see that the store is up and reachable, then try again"
    )


def _trouble(text: str, code: str) -> str:
    if code:
        return f"answers with status {code}"
    lower = text.lower()
    if "timed out" in lower or "timedout" in lower:
        return "doesn't answer in time"
    if "dns" in lower:
        return "can't be reached: its name is not known"
    if "connect" in lower or "error sending request" in lower:
        return "can't be reached"
    if "no space" in lower:
        return "has no space left"
    return "failed"
