"""A publication that meets damage mends it first: the cache from the ledger, what is published from the cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.cache.damage import first_line, is_damage
from warehouse.cache.fingerprint import read_through
from warehouse.cache.locking import in_turn
from warehouse.cache.schema import literal
from warehouse.cache.store import Cache
from warehouse.errors import CacheDamaged, CacheIncomplete
from warehouse.load.self_repair import healed
from warehouse.publish.versions import LOCK, Standby

if TYPE_CHECKING:
    from payer.values.ledger_reads import LedgerReader
    from warehouse.publish.publish import Publication

MOST_TURNS = 3


@dataclass(frozen=True, slots=True)
class Way:
    """How to publish: a fresh file instead of one brought up to date; with a look at everything published."""

    anew: bool = False
    thorough: bool = False


def mended(home: Path, ledger: LedgerReader, attempt: Callable[[Way], Publication], way: Way) -> Publication:
    """What `attempt` does, after making anew what it found damaged or not filled. The note says what that was."""
    import duckdb

    notes = _looked_at(home) if way.thorough and not way.anew else []
    way = replace(way, anew=way.anew or bool(notes))
    for _ in range(MOST_TURNS):
        try:
            done = attempt(way)
            return replace(done, note=joined(*notes, done.note))
        except CacheIncomplete:
            notes += _told(Cache(home).load(ledger).note)
        except (CacheDamaged, duckdb.Error) as error:
            found = _mend(home, ledger, error)
            if not found and way.thorough:
                raise
            notes += found
            way = Way(anew=way.anew or any("published" in note for note in found), thorough=True)
    return attempt(way)


def _mend(home: Path, ledger: LedgerReader, error: Exception) -> list[str]:
    """Make the cache anew if it is damaged, and look through the published files. Raises what is no damage."""
    if not isinstance(error, CacheDamaged) and not is_damage(error):
        raise error
    cache = Cache(home)
    _, note = healed(cache, ledger, partial(_look_through, cache))
    return [*_told(note), *_looked_at(home)]


def _look_through(cache: Cache) -> None:
    with cache.open() as con:
        read_through(con, "cache")


def _looked_at(home: Path) -> list[str]:
    """What is damaged of the files behind the analysts' name. Those that nobody needs are gone then."""
    published = home / "published"
    if not published.exists():
        return []
    with in_turn(published / LOCK):
        return _damaged(Standby(published))


def _damaged(standby: Standby) -> list[str]:
    notes = []
    for path in standby.older():
        if why := trouble_with(path):
            standby.discard(path)
            notes.append(f"an older version of the published file could not be read ({why}): made anew")
    if why := trouble_with(standby.public):
        notes.append(f"the published file could not be read ({why}): made anew from the cache")
    return notes


def trouble_with(path: Path) -> str | None:
    """Why a published file can't be read to its end; None where it can, or is not there."""
    import duckdb

    if not path.exists():
        return None
    with duckdb.connect() as con:
        try:
            con.execute(f"ATTACH {literal(path)} AS looked (READ_ONLY)")
            read_through(con, "looked")
        except duckdb.Error as error:
            if not is_damage(error):
                raise
            return first_line(error)
    return None


def joined(*notes: str | None) -> str | None:
    """Several notes as one."""
    return "; ".join(dict.fromkeys(note for note in notes if note)) or None


def _told(note: str | None) -> list[str]:
    return [note] if note else []
