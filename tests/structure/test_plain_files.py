"""No module opens a DuckDB file as a plain file: closing any second handle on one that is open drops its POSIX lock,
and with it the only sign that somebody reads or writes it (I7).

tests/warehouse/test_locking.py watches what some runs open; this reads all of the source. A call doesn't tell what its
path stands for, so every place that opens any file is listed by what it opens, and a new one fails until it is. The
program in standby.py that copies a published file runs in a process of its own, which has no lock to drop.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.paths import ROOT, source_files

OPENS_A_FILE = {
    *("open", "io.open", "io.FileIO", "os.open", "os.sendfile", "mmap.mmap", "codecs.open", "gzip.open"),
    *("shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.copytree", "shutil.move", "shutil.make_archive"),
    *("pyarrow.OSFile", "pyarrow.memory_map", "pyarrow.parquet.ParquetFile", "pyarrow.parquet.read_table"),
    *("tarfile.open", "zipfile.ZipFile", "sqlite3.connect", "pandas.read_parquet"),
    *(
        "sha256_of",
        "warehouse.snapshots.verify.sha256_of",
        "rows_and_purchases",
        "warehouse.snapshots.verify.rows_and_purchases",
    ),
    "payer.values.durable.fsync_path",
}
"""By their whole names; three are ours, and open what they are given."""
METHODS = {"read_bytes", "read_text", "write_bytes", "write_text", "touch", "open"}
"""Of a path. These have an `open` of their own, which is not a path's; with a mode ("rb") it counts all the same."""
NO_PATHS = {"Workspace", "Ledger", "cache", "self", "self._pool", "self._evm", "self.seller"}

ALLOWED = {
    "nowhere, for what nobody reads": ("tollbook/cli/terminal/output.py LeavableStream._leave os.open",),
    "a lock of its own, made for that": (
        "warehouse/cache/locking.py _lock os.open",
        "payer/http/gate.py RequestPace._locked os.open",
        "payer/ledger/backup.py _locked os.open",
    ),
    "DuckDB's log, while the cache is locked and nobody has it open, and the note on it": (
        "warehouse/cache/log.py WriteAheadLog.vouch self.path.read_bytes",
        "warehouse/cache/log.py WriteAheadLog.vouch os.open",
        "warehouse/cache/log.py WriteAheadLog.noted self.note.read_bytes",
        "warehouse/cache/log.py WriteAheadLog.drop_unvouched self.path.open",
    ),
    "a folder or a new file, to make it durable": (
        "payer/values/durable.py fsync_path os.open",
        "payer/values/durable.py make_private_file os.open",
        "payer/values/durable.py write_new_file os.open",
        "payer/spool.py Spool.put fsync_path",
        "tasks/setup/setup.py FileChange.write fsync_path",
        "payer/ledger/backup.py backup fsync_path",
        "payer/ledger/backup.py _make_single_file fsync_path",
        "warehouse/load/rebuild.py swap fsync_path",
        "warehouse/snapshots/manifest.py write_manifest fsync_path",
        *("warehouse/snapshots/manifest.py replace_manifest fsync_path",) * 2,
        "warehouse/snapshots/layout.py migrate fsync_path",
        "warehouse/snapshots/write.py store fsync_path",
        "warehouse/publish/versions.py Standby.copy_public fsync_path",
        "warehouse/publish/versions.py Standby.swap fsync_path",
    ),
    "an empty file that says that a lake is kept": (
        "warehouse/lake/connect.py opened lake_mark(published.parent).touch",
    ),
    "a small file that tells a version by its size and time": (
        "warehouse/publish/versions.py Standby._demote self._mark_of(self._previous).write_text",
        "warehouse/publish/versions.py Standby.shown_before mark.read_text",
    ),
    "Parquet, or the manifest beside it": (
        "warehouse/snapshots/manifest.py read_manifest manifest_path(root).read_text",
        "warehouse/snapshots/layout.py migrate (root / _MANIFEST).read_text",
        "warehouse/snapshots/manifest.py replace_manifest draft.write_text",
        "warehouse/snapshots/write.py store draft.read_bytes",
        "warehouse/audit.py _damage sha256_of",
        "warehouse/audit.py _check_content rows_and_purchases",
        *("warehouse/snapshots/verify.py _is_intact sha256_of",) * 2,
        "warehouse/snapshots/verify.py _is_intact rows_and_purchases",
        "warehouse/snapshots/verify.py rows_and_purchases pq.ParquetFile",
        "warehouse/snapshots/verify.py sha256_of path.open",
    ),
    "a home's notes on object storage": (
        "warehouse/bucket/local_set.py _open manifest_path(root).read_bytes",
        "warehouse/bucket/memory.py BucketMemory.state (self._folder / 'state.json').read_text",
        "warehouse/bucket/memory.py BucketMemory.document (self._folder / 'versions' / f'{version}.json').read_bytes",
        "warehouse/bucket/memory.py BucketMemory.sending self._log.open",
        "warehouse/bucket/memory.py BucketMemory.were_sending self._log.read_text",
        "warehouse/bucket/memory.py _write draft.write_bytes",
        "warehouse/bucket/send.py _require sha256_of_file",
        "tasks/bucket/publish_remote.py known_home_id (home / 'state' / 'publisher').read_text",
        "tasks/bucket/publish_remote.py home_id (home / 'state' / 'publisher').write_text",
    ),
    "a reader's copies from object storage, which nobody ever writes again": (
        "tollbook_bucket/fetch.py _read_at path.open",
        "tollbook_bucket/fetch.py Copies.locked os.open",
        "tollbook_bucket/fetch.py Copies.segments path.with_suffix('.json').read_bytes",
        "tollbook_bucket/fetch.py Copies.draft path.open",
        "tollbook_bucket/fetch.py Copies.keep path.with_suffix('.json').write_bytes",
        "tollbook_bucket/fetch.py Copies.keep self._mark(path).touch",
    ),
    "a SQLite ledger, before it is known to be one": ("payer/ledger/database/recognize.py check_file sqlite3.connect",),
    "a backup of a SQLite ledger": ("payer/ledger/backup.py _copy_file sqlite3.connect",) * 2,
    "a body that waits for the ledger": ("payer/spool.py _read path.read_bytes",),
    "the id of a place that workers share": (
        "tasks/workspace/place.py _id marker.read_text",
        "tasks/workspace/place.py mark_place draft.write_text",
    ),
    "what people were told of their health": (
        "tasks/health/notify.py Memory.read self._path.read_text",
        "tasks/health/notify.py Memory.write new.write_text",
        *("tasks/health/notify.py Memory.write fsync_path",) * 2,
    ),
    "configuration and keys": (
        "payer/environment/env_file.py env_file_beside path.open",
        "payer/wallet/keystore.py _sealed password_path.read_text",
        *("tasks/setup/setup.py Folder.read policy.read_text", "tasks/setup/setup.py Folder.read template.read_text"),
        "tasks/setup/setup.py Folder.read file.path.read_text",
        "tasks/setup/look_up.py find_tokens.opened policy.write_text",
        "tasks/setup/look_up.py free_lists own.read_text",
        "tasks/setup/look_up.py free_lists shipped.read_text",
        "tasks/setup/look_up.py free_lists policy.write_text",
        "tasks/setup/look_up.py _missing_sections policy.read_text",
        "tollbook/cli/init/collect.py _key_in path.expanduser().read_bytes",
        "tollbook/cli/init/world.py _read (home / 'policy.toml').read_text",
        "tollbook/cli/init/world.py _read env.read_bytes",
        "payer/policy/file.py load_policy path.read_bytes",
        "payer/wallet/load.py _from_keystore Path(password_path).read_bytes",
        "payer/wallet/load.py _from_keystore path.read_bytes",
        "payer/wallet/nonce_secret.py read_nonce_secret path.open",
        "tasks/request/schedules.py read_schedules path.read_bytes",
        "tasks/prefect/deploy/automations.py read_automations path.read_bytes",
        "tasks/prefect/deploy/deployments.py deploy_file path.write_bytes",
        "tasks/prefect/deploy/deployments.py read_deployments path.read_bytes",
        "tasks/prefect/deploy/deployments.py without_folder file.path.read_bytes",
        "sources/declaration/read.py read_declaration path.read_bytes",
        "tasks/operator/new_seller.py read_answer file.read_bytes",
    ),
    "the system's name for this boot": ("payer/ledger/owners.py _machine _BOOT.read_text",),
    "the report, which nobody locks": ("tasks/report/write.py _put draft.write_text",),
    "the report's style, which comes with the package": (
        "tasks/report/page.py render files(__package__).joinpath('page.css').read_text",
    ),
    "declarations that come with the package": (
        "sources/registry.py _shipped files('sources.sellers').joinpath(f'{name}.toml').read_text",
    ),
    "SQL that comes with the package": (
        "warehouse/publish/views/catalog.py views_sql package.joinpath(name).read_text",
        "warehouse/publish/views/quality.py _statements files('warehouse.publish.views').joinpath(name).read_text",
    ),
    "the sandbox's own, and the demo's": (
        "tollbook/cli/demo.py fresh_home (home / MARK).write_text",
        "sandbox/config_files.py write draft.write_text",
        "sandbox/chain/contracts/__init__.py artifacts files(__package__).joinpath('artifacts.json').read_text",
        "sandbox/chain/store.py ChainStore.__init__ sqlite3.connect",
        "sandbox/world.py World._read_notes self._notes_path.read_text",
    ),
}


class Places(ast.NodeVisitor):
    """Function and expression of everything in a module that opens a file, be it called there or handed on."""

    def __init__(self, code: str) -> None:
        self.found: list[str] = []
        self._within: list[str] = []
        tree = ast.parse(code)
        self._whole = {alias: whole for node in ast.walk(tree) for alias, whole in imported(node)}
        self._calls = {node.func: node for node in ast.walk(tree) if isinstance(node, ast.Call)}
        self.visit(tree)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self._within.append(node.name)
        self.generic_visit(node)
        self._within.pop()

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and self._whole.get(node.id, node.id) in OPENS_A_FILE:
            self._note(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        first, _, rest = ast.unparse(node).partition(".")
        if f"{self._whole.get(first, first)}.{rest}" in OPENS_A_FILE or self._is_of_a_path(node):
            self._note(node)
        self.generic_visit(node)

    def _is_of_a_path(self, node: ast.Attribute) -> bool:
        owner, call = ast.unparse(node.value), self._calls.get(node)
        if node.attr != "open" or owner == "Path":
            return node.attr in METHODS
        return call is not None and (owner not in NO_PATHS or has_mode(call))

    def _note(self, node: ast.expr) -> None:
        self.found.append(f"{'.'.join(self._within)} {ast.unparse(node)}")


def has_mode(call: ast.Call) -> bool:
    given = [*call.args, *(word.value for word in call.keywords)]
    return any(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in given)


def imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """A module's names for what it imports, and their whole names."""
    if isinstance(node, ast.Import):
        yield from ((each.asname, each.name) for each in node.names if each.asname)
    elif isinstance(node, ast.ImportFrom):
        yield from ((each.asname or each.name, f"{node.module}.{each.name}") for each in node.names)


def test_every_place_that_opens_a_plain_file_is_known_and_opens_no_database() -> None:
    found = Counter(
        f"{path.relative_to(ROOT)} {place}" for path in source_files() for place in Places(path.read_text()).found
    )
    allowed = Counter(place for places in ALLOWED.values() for place in places)
    assert found - allowed == Counter(), "open it through DuckDB, or list it by what it opens, if never a .duckdb"
    assert allowed - found == Counter(), "no longer there"


@pytest.mark.parametrize(
    "code",
    [
        "def f(p): open(p)",
        "import os\ndef f(p): os.close(os.open(p, 0))",
        "from os import open as o\ndef f(p): o(p, 0)",
        "import shutil\ndef f(p, q): shutil.copyfile(p, q)",
        "import shutil as sh\ndef f(p, q): sh.copy(p, q)",
        "def f(home): return (home / 'published' / 'warehouse.duckdb').read_bytes()",
        "def f(cache): return cache.path.open('rb')",
        "def f(cache): return cache.open(mode='rb')",
        "def f(p): p.touch()",
        "def f(paths): return list(map(open, paths))",
        "from pathlib import Path\ndef f(paths): return map(Path.read_bytes, paths)",
        "from pathlib import Path\ndef f(paths): return map(Path.open, paths)",
        "class C:\n    async def f(self):\n        def g(p): return [p.open() for p in p]\n        return g",
    ],
)
def test_each_way_to_open_a_file_is_seen(code: str) -> None:
    [place] = Places(code).found
    assert place.split()[0] in ("f", "C.f.g")


@pytest.mark.parametrize(
    "code",
    ["def f(cache): cache.open(complete=True)", "import duckdb\ndef f(p): duckdb.connect(p)", "def f(run): run.open"],
)
def test_duckdbs_own_way_is_none_of_them(code: str) -> None:
    assert Places(code).found == []
