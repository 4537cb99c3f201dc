"""`tollbook` in a process of its own: `python -m tests.cli.process …` is the console script, with the tests' blank
published file to begin from."""

from __future__ import annotations

import sys

from tests import blank_file
from tollbook.cli.main import main

COMMAND = (sys.executable, "-m", "tests.cli.process")

if __name__ == "__main__":
    blank_file.use()
    main()
