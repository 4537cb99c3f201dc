"""`tollbook init`: set up a folder to buy from."""

from __future__ import annotations

import inspect
from typing import Any

from tollbook.cli.init.flags import Flags


def init(**given: Any) -> int:
    """Set up a folder: a policy with network, caps and watch list, and an environment file with wallet and home.

    Asks for what was not said, with the ten largest tokens to start from. Run again, it shows what it would change.
    Where nobody can be asked, what is missing is named. Keys and passwords are never arguments. Pays nothing.
    """
    from tollbook.cli.init.set_up import set_up

    return set_up(Flags(**given))


vars(init)["__signature__"] = inspect.signature(Flags, eval_str=True)
"""The fields of Flags are the verb's options."""
