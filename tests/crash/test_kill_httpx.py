"""A program that buys through httpx is SIGKILLed; the same request from a fresh process is paid for once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from payer.paid_transport.transport import PaidTransport

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

PROGRAM = """
import os, sys
import httpx
from payer import PaidTransport
with httpx.Client(transport=PaidTransport(os.environ["TOLLBOOK_POLICY"]), headers={"x-coinbase-402": "true"}) as client:
    client.get(sys.argv[1])
"""


@pytest.mark.parametrize(("point", "kept"), [("sent", False), ("delivered", True)])
def test_a_killed_programs_request_is_answered_to_the_next_one(
    world: World, buyer: Buyer, point: str, kept: bool
) -> None:
    """I1, I4: before its first byte left, and once the body is durable."""
    url = f"{world.seller_url}/tm-grade?token_id=3375"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOLLBOOK_")} | buyer.env
    command = [sys.executable, "-c", PROGRAM, url]
    assert subprocess.run(command, env={**environ, "TOLLBOOK_CRASH_AT": point}).returncode == -signal.SIGKILL
    paid = PaidTransport(buyer.env["TOLLBOOK_POLICY"], environ=environ)
    with httpx.Client(transport=paid, headers={"x-coinbase-402": "true"}) as client:
        response = client.get(url)
    assert response.json()["success"]
    assert response.extensions["tollbook"]["kept"] is kept
    assert len(world.transfers(buyer.address)) == 1
