"""Files that init would write: the difference to show first, and writing them whole or not at all."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from payer.environment.env_file import without_secrets
from payer.values.durable import fsync_path, unfinished_name, write_new_file
from payer.values.errors import Misconfigured

_RPC = re.compile(r"""(https?://)([^/"'\s@]*@)?([^/"'\s?]+)[^"'\s,\]]*""")


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file as it is (None: not there) and as it shall be. Only its owner may read a `private` one."""

    path: Path
    before: str | None
    after: str
    private: bool = False

    @property
    def is_new(self) -> bool:
        return self.before is None

    @property
    def differs(self) -> bool:
        return self.before != self.after

    def lines(self) -> Iterator[str]:
        """The difference, as `diff -u` shows it, with one line around; what may be a secret is hidden (I10)."""
        before, after = (self.before or "").splitlines(), self.after.splitlines()
        for line in difflib.unified_diff(before, after, str(self.path), str(self.path), n=1, lineterm=""):
            yield shown_line(line)

    def write(self) -> None:
        """Replace the file whole (0600 if private, else its mode as it was). Raises Misconfigured."""
        draft = unfinished_name(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            mode = 0o600 if self.private else 0o644 if self.is_new else self.path.stat().st_mode & 0o777
            try:
                write_new_file(draft, self.after)
                draft.chmod(mode)
                draft.replace(self.path.resolve() if self.path.is_symlink() else self.path)
            finally:
                draft.unlink(missing_ok=True)
            fsync_path(self.path.parent)
        except OSError as error:
            raise Misconfigured(
                f"{self.path} can't be written: {error.strerror}", advice="name a --folder that this user may write"
            ) from None


def shown_line(line: str) -> str:
    """A line of a difference without secrets: of a chain server's address only the host is shown."""
    if re.match(r"[-+ ]\s*(#\s*)?rpc_urls?\s*=", line):
        line = _RPC.sub(r"\1\3/…", line)
    return without_secrets(line)
