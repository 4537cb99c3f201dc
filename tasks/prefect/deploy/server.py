"""Find the Prefect server of PREFECT_API_URL and wait until it answers; name the changes that are made on it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from prefect.client.orchestration import PrefectClient, get_client
from prefect.settings import get_current_settings

from payer.values.errors import Misconfigured, Unreachable


class Target(StrEnum):
    """Kinds of objects on a Prefect server."""

    POOL = "work pool"
    DEPLOYMENT = "deployment"
    AUTOMATION = "automation"


class Act(StrEnum):
    """Acts on an object of the server."""

    CREATE = "created"
    UPDATE = "updated"
    PAUSE = "paused"
    DELETE = "deleted"
    KEEP = "unchanged"


@dataclass(frozen=True, slots=True)
class ServerChange:
    """One object, what is done to it, and which of its parts differ, or why."""

    kind: Target
    name: str
    action: Act
    parts: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "parts": list(self.parts)}


PAUSE_SECONDS = 1.0


class PrefectUnreachable(Unreachable):
    """Raised when PREFECT_API_URL does not answer as a Prefect server. Deploying moves no money."""

    money = "none was sent: deploying pays nothing"
    repeat = "yes, once the server answers"


def api_url() -> str:
    """Return the URL of the server's API. Raises Misconfigured where none is set: there is nothing to deploy to."""
    url = get_current_settings().api.url
    if not url:
        raise Misconfigured(
            "PREFECT_API_URL is not set: there is no Prefect server to deploy to",
            advice="`prefect server start`, then `export PREFECT_API_URL=http://127.0.0.1:4200/api`",
        )
    return url


def shown(url: str) -> str:
    """Return the URL without a user's name and password (I10)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host).geturl()


async def wait_for_server(url: str, seconds: float = 0) -> None:
    """Return once the server answers, asking again for so long. Raises PrefectUnreachable with the last reason."""
    deadline = time.monotonic() + seconds
    while reason := await _asked():
        if time.monotonic() >= deadline:
            waited = f" within {seconds:.0f} s" if seconds else ""
            raise PrefectUnreachable(
                f"PREFECT_API_URL: no Prefect server answers at {shown(url)}{waited}: {reason}",
                advice="start it (`prefect server start`), or correct PREFECT_API_URL, which ends in /api; "
                "`--wait 120` waits for one that is starting",
            )
        await asyncio.sleep(min(PAUSE_SECONDS, max(0.0, deadline - time.monotonic())))


async def _asked() -> str:
    """Return why the server can't be used, "" if it can. Something else may listen at its address."""
    client: PrefectClient = get_client()
    try:
        async with client:
            if error := await client.api_healthcheck():
                return _reason(error)
            version = await client.api_version()
    except Exception as error:  # noqa: BLE001 - the client raises what the network and any stranger's answer cause
        return _reason(error)
    return "" if isinstance(version, str) and version[:1].isdigit() else "what answers there is no Prefect server"


def _reason(error: BaseException) -> str:
    """Return the first line of the innermost cause."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
