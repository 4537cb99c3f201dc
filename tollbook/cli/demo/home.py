"""The demo's home: emptied for each demo, and never over files that are not a demo's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from payer.values.errors import Misconfigured

MARK = "demo.txt"
OURS = ("state", "published", "sandbox", "buyers", "policy.toml", "sandbox.env", MARK)


def fresh_home() -> Path:
    """Remove the last demo's files from TOLLBOOK_HOME or .demo/, and return the folder.

    Raises Misconfigured for a folder that holds anything else.
    """
    home = Path(os.environ.get("TOLLBOOK_HOME") or ".demo").expanduser().absolute()
    if home.is_dir() and any(home.iterdir()) and not (home / MARK).exists():
        raise Misconfigured(
            f"{home} holds files that are not a demo's",
            advice="name another TOLLBOOK_HOME for the demo, or unset it to use .demo/",
        )
    for name in OURS:
        path = home / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARK).write_text("Made by `tollbook demo`, which removes these files when it starts again.\n")
    return home
