"""Opening what a node has stored, and what becomes of it where it is damaged.

A replica says which: most must not start on damage, nor take a damaged store for a new one. One
that the others make whole has it set aside, in a folder of its own, and starts with nothing.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final, NamedTuple

from systems_under_test.host.disk import DiskBlock, SpoiltDisk
from systems_under_test.host.incarnation import FILE, is_fresh, next_incarnation
from systems_under_test.host.storage import open_engine, sync_directory
from systems_under_test.replica import StorageDamaged
from systems_under_test.rng import Rng

if TYPE_CHECKING:
    from pathlib import Path

    from systems_under_test.host.options import HostOptions
    from systems_under_test.host.storage import Engine
    from systems_under_test.replica import OnDamage

ASIDE: Final = "damaged-"
ASIDE_MAX: Final = 3
"""So many damaged stores are kept to be looked at, the newest ones."""


class Opened(NamedTuple):
    """The number of this life, whether none before it has begun, its storage, and what was found
    damaged and set aside."""

    incarnation: int
    fresh: bool
    storage: Engine
    damage: str


def open_storage(options: HostOptions, policy: OnDamage) -> Opened:
    """Count the start and open the storage. Raises StorageDamaged, CommitFailed, OSError."""
    directory = options.directory
    incarnation = next_incarnation(directory, options.lives)
    fresh = is_fresh(directory)
    damage = ""
    checked = policy != "ignore"
    try:
        engine = open_engine(options.engine, directory, checked=checked)
    except StorageDamaged as found:
        if policy != "set-aside":
            raise
        damage = str(found)
        set_aside(directory, incarnation)
        engine = open_engine(options.engine, directory)
    if options.disk is not None and options.engine != "memory":
        rng = Rng(f"{options.seed}/disk/{options.node}/{incarnation}")
        engine = SpoiltDisk(engine, DiskBlock(options.disk), rng)
    return Opened(incarnation, fresh, engine, damage)


def set_aside(directory: Path, incarnation: int) -> None:
    """Put everything but the number of starts into a folder of its own. Raises OSError."""
    aside = directory / f"{ASIDE}{incarnation:06d}"
    aside.mkdir()
    for path in sorted(directory.iterdir()):
        if path.is_file() and path.name != FILE:
            path.replace(aside / path.name)
    sync_directory(aside)
    sync_directory(directory)
    for old in sorted(directory.glob(f"{ASIDE}*"))[:-ASIDE_MAX]:
        shutil.rmtree(old, ignore_errors=True)
