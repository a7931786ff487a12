"""One flipped bit anywhere in what a dead node has stored: found, or of no consequence."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tracemalloc
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING

import pytest

from systems_under_test.host.incarnation import (
    begin,
    is_fresh,
    next_incarnation,
    read_incarnation,
)
from systems_under_test.host.opening import ASIDE, ASIDE_MAX, set_aside
from systems_under_test.host.seals import Seals
from systems_under_test.host.sqlite import DATABASE, LOG, SqliteEngine
from systems_under_test.host.storage import open_engine
from systems_under_test.replica import StorageDamaged, Write

if TYPE_CHECKING:
    from pathlib import Path

    from systems_under_test.host.storage import Engine

WRITER = """
import os, sys
from pathlib import Path
from systems_under_test.host.sqlite import SqliteEngine
from systems_under_test.replica import Write
engine = SqliteEngine(Path(sys.argv[1]))
for turn in range(3):
    for n in range(120):
        engine.stage([Write("t", b"%05d" % n, b"turn %d " % turn * (n % 40))])
        engine.commit()
    if turn < 2:
        engine._empty_log()
os._exit(9)  # As a kill: the last turn is in the log alone.
"""

Contents = dict[bytes, bytes]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a process that was killed has left: a database, its log, sums and mark."""
    place = tmp_path_factory.mktemp("killed")
    done = subprocess.run([sys.executable, "-c", WRITER, str(place)], check=False, timeout=60)
    assert done.returncode == 9
    return place


def contents(place: Path) -> Contents:
    with closing(SqliteEngine(place)) as engine:
        return dict(engine.scan("t"))


def contents_or_damage(place: Path) -> Contents | None:
    """What the store holds, None where it is found damaged."""
    try:
        return contents(place)
    except StorageDamaged:
        return None


def flip(path: Path, byte: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(data)


def test_what_was_killed_is_all_there(killed: Path, tmp_path: Path) -> None:
    shutil.copytree(killed, tmp_path / "copy")
    expected = {b"%05d" % n: b"turn 2 " * (n % 40) for n in range(120)}
    assert contents(tmp_path / "copy") == expected
    assert (killed / LOG).stat().st_size > 10_000, "the log holds the last turn"


@pytest.mark.parametrize("name", [DATABASE, LOG, "store.pages", "store.synced"])
def test_a_flipped_bit_in_any_file_is_damage_or_changes_nothing(
    name: str, killed: Path, tmp_path: Path
) -> None:
    expected = {b"%05d" % n: b"turn 2 " * (n % 40) for n in range(120)}
    size, rng, found = (killed / name).stat().st_size, Random(name), 0
    places = range(size) if size < 40 else sorted(rng.sample(range(size), 25))
    for byte in places:
        copy = tmp_path / f"{byte}"
        shutil.copytree(killed, copy)
        flip(copy / name, byte, rng.randrange(8))
        seen = contents_or_damage(copy)
        assert seen in (expected, None), f"byte {byte} of {name}"
        found += seen is None
        shutil.rmtree(copy)
    assert found or name == "store.synced"


@pytest.mark.parametrize("name", [DATABASE, LOG])
def test_a_file_cut_anywhere_is_damage_or_takes_nothing(
    name: str, killed: Path, tmp_path: Path
) -> None:
    expected = {b"%05d" % n: b"turn 2 " * (n % 40) for n in range(120)}
    size, found = (killed / name).stat().st_size, 0
    for at in (0, 1, size // 3, size // 2, size - 1):
        copy = tmp_path / f"{at}"
        shutil.copytree(killed, copy)
        os.truncate(copy / name, at)
        seen = contents_or_damage(copy)
        assert seen in (expected, None), f"cut at {at}"
        found += seen is None
    assert found == 5 or name == DATABASE, "the log may hold every page that was cut off"


def test_a_row_that_vanishes_without_a_trace_is_found_by_its_page(tmp_path: Path) -> None:
    """A leaf that counts one cell less shows no bad row: only the page's own checksum tells."""
    done = subprocess.run(
        [sys.executable, "-c", WRITER.replace("turn < 2", "True"), str(tmp_path)],
        check=False,
        timeout=60,
    )
    assert done.returncode == 9
    data = bytearray((tmp_path / DATABASE).read_bytes())
    leaf = next(at for at in range(4096, len(data), 4096) if data[at] == 0x0A and data[at + 4])
    data[leaf + 4] -= 1  # Its number of cells, second byte.
    (tmp_path / DATABASE).write_bytes(data)
    with pytest.raises(StorageDamaged, match=f"page {leaf // 4096 + 1} has a bad checksum"):
        contents(tmp_path)


@pytest.mark.parametrize("begun", [False, True])
def test_a_flipped_bit_in_the_number_of_starts_is_found(tmp_path: Path, begun: bool) -> None:
    next_incarnation(tmp_path)
    if begun:
        begin(tmp_path)
    path = tmp_path / "incarnation"
    whole = path.read_bytes()
    for byte in range(len(whole)):
        for bit in range(8):
            flip(path, byte, bit)
            with pytest.raises(StorageDamaged):
                read_incarnation(tmp_path)
            assert next_incarnation(tmp_path, lives=5) == 6
            assert not is_fresh(tmp_path), "whoever starts it knows of lives"
            path.write_bytes(whole)


def test_a_lost_number_of_starts_goes_on_where_whoever_starts_it_says(tmp_path: Path) -> None:
    assert next_incarnation(tmp_path / "new") == 1
    assert next_incarnation(tmp_path / "lost", lives=7) == 8
    assert next_incarnation(tmp_path / "lost", lives=3) == 9


def test_starts_are_counted_also_where_no_life_begins(tmp_path: Path) -> None:
    for count in (1, 2, 3):
        assert next_incarnation(tmp_path, lives=count - 1) == count
        assert is_fresh(tmp_path)
    begin(tmp_path)
    assert (read_incarnation(tmp_path), is_fresh(tmp_path)) == (3, False)
    assert next_incarnation(tmp_path) == 4
    assert not is_fresh(tmp_path)


def test_a_directory_that_knows_less_than_whoever_starts_it_has_lost_something(
    tmp_path: Path,
) -> None:
    assert next_incarnation(tmp_path, lives=1) == 2
    assert not is_fresh(tmp_path)


def test_the_newest_damaged_stores_are_kept_aside(tmp_path: Path) -> None:
    for number in range(1, 6):
        incarnation = next_incarnation(tmp_path)
        with closing(SqliteEngine(tmp_path)):
            pass
        set_aside(tmp_path, incarnation)
        assert contents(tmp_path) == {}
        assert read_incarnation(tmp_path) == number
    kept = sorted(path.name for path in tmp_path.glob(f"{ASIDE}*"))
    assert kept == [f"{ASIDE}00000{n}" for n in (3, 4, 5)]
    assert len(kept) == ASIDE_MAX


def test_a_log_whose_end_never_reached_the_disk_is_opened_without_it(
    killed: Path, tmp_path: Path
) -> None:
    """After a loss of power a file may have its length and zeros for what was written there."""
    for name, tail in (("whole", b""), ("cut off", bytes(3 * 4120))):
        shutil.copytree(killed, tmp_path / name)
        with (tmp_path / name / LOG).open("ab") as log:
            log.write(tail)
    assert contents(tmp_path / "cut off") == contents(tmp_path / "whole")


def filled(place: Path, engine: str, megabytes: int) -> Engine:
    """An engine with so much in rows of 10 kB."""
    store = open_engine(engine, place)
    for turn in range(megabytes):
        store.stage([Write("t", b"%06d" % (100 * turn + n), bytes(10_000)) for n in range(100)])
        store.commit()
    return store


@pytest.mark.parametrize("engine", ["sqlite", "lmdb"])
def test_a_look_at_everything_at_rest_holds_a_slice_of_it(engine: str, tmp_path: Path) -> None:
    with closing(filled(tmp_path, engine, 24)) as store:
        tracemalloc.start()
        try:
            looked = list(store.damaged_records())
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert set(looked) == {None}
        assert len(looked) > 20
        assert most < 12 * 2**20, "of 24 MB"


@pytest.mark.parametrize("engine", ["sqlite", "lmdb"])
def test_what_is_written_between_two_slices_is_not_taken_for_damage(
    engine: str, tmp_path: Path
) -> None:
    with closing(filled(tmp_path, engine, 12)) as store:
        for turn, damage in enumerate(store.damaged_records()):
            assert damage is None
            for n in range(60):
                key = b"%06d" % (37 * (60 * turn + n) % 1_200)
                value = None if n % 5 == 0 else b"turn %d" % turn * 1_000
                store.stage([Write("t", key, value)])
            store.commit()
        assert turn > 8


def test_a_row_that_is_damaged_is_named_among_many(tmp_path: Path) -> None:
    filled(tmp_path, "sqlite", 4).close()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as db, db:
        db.execute("UPDATE entries SET value = zeroblob(10000) WHERE key = ?", (b"000250",))
    with closing(SqliteEngine(tmp_path, checked=False)) as store:
        store._seals = Seals(tmp_path / DATABASE, checked=True)
        rows = [said for said in store.damaged_records() if said and "page" not in said]
        assert len(rows) == 1
        assert "000250" in rows[0]
