"""The share of the suites that have no end: `make test SCALE=10` plays ten times what every run plays."""

from __future__ import annotations

import os

SCALE = max(1, int(os.environ.get("SCALE", "1")))

LONG = SCALE > 1
"""True where what a usual run shows by samples is to be shown whole."""
