"""Disks that are spoilt, logs that are cut back to what was synced, and damage that is noticed."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from systems_under_test.host.damage import damage
from systems_under_test.host.disk import DiskBlock, SpoiltDisk
from systems_under_test.host.sqlite import LOG, SqliteEngine
from systems_under_test.host.storage import CommitFailed
from systems_under_test.host.synced import take_back
from systems_under_test.replica import Append, StorageDamaged, Write, WriteLater
from systems_under_test.rng import Rng

if TYPE_CHECKING:
    from pathlib import Path

    from systems_under_test.replica import Storage


def spoilt(directory: Path) -> tuple[SpoiltDisk, DiskBlock]:
    block = DiskBlock(directory / "disk")
    return SpoiltDisk(SqliteEngine(directory / "data"), block, Rng("test")), block


def write(engine: SpoiltDisk | SqliteEngine, value: bytes, *, later: bool = False) -> None:
    engine.stage([(WriteLater if later else Write)("t", b"k", value)])
    engine.commit()


def test_a_full_disk_takes_no_write_and_gives_what_it_has(tmp_path: Path) -> None:
    engine, block = spoilt(tmp_path)
    with closing(engine):
        write(engine, b"1")
        block["full"] = 1
        with pytest.raises(CommitFailed, match="no space"):
            engine.stage([Write("t", b"k", b"2")])
        engine.commit()  # Nothing is staged: nothing is refused.
        assert engine.get("t", b"k") == b"1"
        block["full"] = 0
        write(engine, b"3")
    assert (block["refused_full"], block["commits"]) == (1, 2)


def test_a_failing_disk_fails_a_share_of_commits_and_of_reads(tmp_path: Path) -> None:
    engine, block = spoilt(tmp_path)
    with closing(engine):
        block["errors_ppm"] = 1_000_000
        with pytest.raises(CommitFailed, match="I/O error"):
            write(engine, b"1")
        block["errors_ppm"] = 0
        block["read_errors_ppm"] = 1_000_000
        for read in (lambda: engine.get("t", b"k"), lambda: engine.records("f")):
            with pytest.raises(OSError, match="I/O error"):
                read()
        with pytest.raises(OSError, match="I/O error"):
            engine.scan("t")
    assert (block["failed"], block["failed_reads"]) == (1, 3)


def test_a_slow_disk_is_slow_by_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, block = spoilt(tmp_path)
    slept: list[float] = []
    monkeypatch.setattr("systems_under_test.host.disk.time.sleep", slept.append)
    with closing(engine):
        write(engine, b"1")
        block["slow_ns"] = 200_000_000
        write(engine, b"2")
    assert (slept, block["slowed"]) == ([0.2], 1)


def test_the_block_is_one_for_all_who_map_it_and_outlives_them(tmp_path: Path) -> None:
    ours, theirs = DiskBlock(tmp_path / "disk"), DiskBlock(tmp_path / "disk")
    ours["slow_ns"] = -1
    theirs.add("lost", 2**40)
    assert (theirs["slow_ns"], ours["lost"]) == (-1, 2**40)
    assert DiskBlock(tmp_path / "disk").counters()["lost"] == 2**40


def crashed(engine: SqliteEngine, directory: Path, to: Path) -> Path:
    """The files as a killed process leaves them: closing would tidy them up."""
    shutil.copytree(directory, to)
    engine.close()
    return to


def taken_back(directory: Path) -> tuple[int, bytes | None]:
    lost = take_back(directory, directory / LOG)
    with closing(SqliteEngine(directory)) as engine:
        return lost, engine.get("t", b"k")


def test_a_loss_of_power_takes_the_commits_after_the_last_durable_one(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "data")
    write(engine, b"1")
    for value in (b"2", b"3", b"4"):
        write(engine, value, later=True)
    shutil.copytree(tmp_path / "data", tmp_path / "killed")
    with closing(SqliteEngine(tmp_path / "killed")) as again:
        assert again.get("t", b"k") == b"4", "a kill takes nothing"
    assert taken_back(crashed(engine, tmp_path / "data", tmp_path / "off")) == (3, b"1")


def test_a_durable_commit_also_keeps_what_came_before_it(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "data")
    write(engine, b"1", later=True)
    write(engine, b"2")
    assert taken_back(crashed(engine, tmp_path / "data", tmp_path / "off")) == (0, b"2")


def test_a_loss_of_power_before_the_first_durable_commit_takes_everything(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "data")
    write(engine, b"1", later=True)
    assert taken_back(crashed(engine, tmp_path / "data", tmp_path / "off")) == (1, None)


def test_what_a_checkpoint_has_taken_in_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("systems_under_test.host.sqlite.LOG_BYTES_MAX", 40_000)
    engine = SqliteEngine(tmp_path / "data")
    sizes = []
    for i in range(60):
        write(engine, b"%d" % i, later=True)
        sizes.append((tmp_path / "data" / LOG).stat().st_size)
    assert max(sizes) < 60_000, "the log is emptied"
    emptied = max(i for i in range(60) if i and sizes[i] < sizes[i - 1])
    lost, value = taken_back(crashed(engine, tmp_path / "data", tmp_path / "off"))
    assert (lost, value) == (59 - emptied, b"%d" % emptied)


@pytest.mark.parametrize("share", [3, 2])
def test_a_log_that_is_not_sound_as_far_as_it_was_synced_is_damage(
    tmp_path: Path, share: int
) -> None:
    engine = SqliteEngine(tmp_path / "data")
    for value in (b"1", b"2", b"3"):
        write(engine, value)
    killed = crashed(engine, tmp_path / "data", tmp_path / "killed")
    log = bytearray((killed / LOG).read_bytes())
    log[len(log) // share + 100] ^= 1
    (killed / LOG).write_bytes(log)
    for _ in range(2):  # And stays so: SQLite by itself would have gone back to an older state.
        with pytest.raises(StorageDamaged, match=r"were synced|bad checksum"):
            SqliteEngine(killed)


def filled(directory: Path, *, files: bool) -> None:
    engine = SqliteEngine(directory)
    for i in range(200):
        engine.stage([Write("t", b"key %d" % i, b"value %d " % i * 20)])
        if files:
            engine.stage([Append("f", b"record %d" % i)])
        engine.commit()
    shutil.copytree(directory, directory.with_name("killed"))
    engine.close()


def everything(storage: Storage) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
    return list(storage.scan("t")), list(storage.records("f"))


@pytest.mark.parametrize("files", [False, True])
@pytest.mark.parametrize("kind", ["torn", "flip", "truncate"])
def test_damage_is_noticed_and_names_its_place(tmp_path: Path, kind: str, files: bool) -> None:
    filled(tmp_path / "data", files=files)
    for i in range(8):
        again = tmp_path / f"again-{i}"
        shutil.copytree(tmp_path / "killed", again)
        done = damage(again, kind, Rng(f"{i}"))  # type: ignore[arg-type]
        assert os.path.exists(again / done["file"]), done
        with pytest.raises(StorageDamaged), closing(SqliteEngine(again)) as engine:
            everything(engine)


def test_there_must_be_something_to_damage(tmp_path: Path) -> None:
    assert damage(tmp_path / "empty", "flip", Rng("1"))["file"] is None
    filled(tmp_path / "data", files=False)
    assert damage(tmp_path / "killed", "truncate", Rng("1"))["file"] is not None
    assert damage(tmp_path / "killed", "flip", Rng("1"))["file"] is None, "damaged already"
