from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systems_under_test.host.incarnation import next_incarnation, read_incarnation
from systems_under_test.host.page_sums import FILE as PAGES
from systems_under_test.host.sqlite import DATABASE, SqliteEngine
from systems_under_test.host.storage import Change, CommitFailed, Engine, open_engine
from systems_under_test.replica import Append, AppendLater, StorageDamaged, Write, WriteLater
from tests.systems_under_test.host.conformance import CHECKS, Subject

if TYPE_CHECKING:
    from collections.abc import Callable

ON_DISK = ("sqlite", "lmdb")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("engine", ["memory", *ON_DISK])
def test_engine_conforms(engine: str, check: Callable[[Subject], None], tmp_path: Path) -> None:
    check(Subject(lambda: open_engine(engine, tmp_path), forgets=engine == "memory"))


def test_an_unknown_engine_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="memory, sqlite, lmdb"):
        open_engine("rocksdb", tmp_path)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    monkeypatch.delitem(sys.modules, "systems_under_test.host.lmdb", raising=False)
    with pytest.raises(OSError, match=r"lineal\[lmdb\]"):
        open_engine("lmdb", tmp_path)


_LONG = b"a" * 400
_KEYS = st.sampled_from(
    [b"", b"a", b"b", b"c", _LONG[1:], _LONG, _LONG + b"\0", _LONG + b"b", _LONG + b"bb"]
)
_VALUES = st.one_of(st.none(), st.binary(max_size=8))
_CHANGES = st.one_of(
    st.builds(Write, st.sampled_from(["t", "u"]), _KEYS, _VALUES),
    st.builds(WriteLater, st.sampled_from(["t", "u"]), _KEYS, _VALUES),
    st.builds(Append, st.sampled_from(["f", "g"]), st.binary(max_size=8)),
    st.builds(AppendLater, st.sampled_from(["f", "g"]), st.binary(max_size=8)),
)
_STEPS = st.lists(
    st.one_of(st.lists(_CHANGES, max_size=3), st.sampled_from(["commit", "reopen"])), max_size=25
)


class _Model:
    """The openly simple twin: dictionaries, and a copy of them at each commit."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[bytes, bytes]] = {}
        self.files: dict[str, list[bytes]] = {}

    def take(self, change: Change) -> None:
        if isinstance(change, Append | AppendLater):
            self.files.setdefault(change.file, []).append(change.record)
        elif change.value is None:
            self.tables.get(change.table, {}).pop(change.key, None)
        else:
            self.tables.setdefault(change.table, {})[change.key] = change.value

    def copy(self) -> _Model:
        twin = _Model()
        twin.tables = {name: dict(table) for name, table in self.tables.items()}
        twin.files = {name: list(file) for name, file in self.files.items()}
        return twin


@pytest.mark.parametrize("name", ON_DISK)
@settings(max_examples=60, deadline=None)
@given(steps=_STEPS)
def test_an_engine_agrees_with_dictionaries(name: str, steps: list[list[Change] | str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        engine = open_engine(name, Path(directory))
        model, committed = _Model(), [_Model()]
        for step in steps:
            if isinstance(step, list):
                engine.stage(step)
                before = model.copy()
                for change in step:
                    model.take(change)
                committed.append(before)  # A change of mode may have committed a prefix.
            elif step == "commit":
                engine.commit()
                committed = [model.copy()]
            else:
                engine.close()
                engine = open_engine(name, Path(directory))
                seen = _contents(engine)
                assert seen in [(twin.tables, twin.files) for twin in map(_tidied, committed)]
                model = _Model()
                model.tables, model.files = seen
                committed = [model.copy()]
        tidy = _tidied(model)
        assert _contents(engine) == (tidy.tables, tidy.files)
        engine.close()


def _contents(engine: Engine) -> tuple[dict[str, dict[bytes, bytes]], dict[str, list[bytes]]]:
    tables = {name: dict(engine.scan(name)) for name in ("t", "u")}
    for name, table in tables.items():
        assert list(table) == sorted(table)
        for key in table:
            assert dict(engine.scan(name, key)) == {k: v for k, v in table.items() if k >= key}
            assert dict(engine.scan(name, b"", key)) == {k: v for k, v in table.items() if k < key}
            assert engine.get(name, key) == table[key]
    files = {name: list(engine.records(name)) for name in ("f", "g")}
    return tables, files


def _tidied(model: _Model) -> _Model:
    tidy = _Model()
    tidy.tables = {name: model.tables.get(name, {}) for name in ("t", "u")}
    tidy.files = {name: model.files.get(name, []) for name in ("f", "g")}
    return tidy


_WRITER = """
import sys
from pathlib import Path
from systems_under_test.host.storage import open_engine
from systems_under_test.replica import Append, AppendLater, Write, WriteLater
engine = open_engine(sys.argv[1], Path(sys.argv[2]))
n = int(engine.get("t", b"n") or b"0")
while True:
    for _ in range(3):
        n += 1
        later = n % 5 == 0
        engine.stage([
            (WriteLater if later else Write)("t", b"n", b"%d" % n),
            (AppendLater if later else Append)("f", b"%d" % n),
            Write("t", b"k%06d" % n, b"x" * (n % 700)) if not later else
            WriteLater("t", b"k%06d" % n, b"x" * (n % 700)),
        ])
    engine.commit()
    print(n, flush=True)
"""


@pytest.mark.live
@pytest.mark.parametrize("name", ON_DISK)
def test_kill_9_keeps_what_was_committed_and_a_prefix_of_whole_inputs(
    name: str, tmp_path: Path
) -> None:
    total = 0
    for life in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, name, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(10 + 17 * life):
                said = writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            said = (writer.stdout.read().split() or [said.strip()])[-1]
        acknowledged = int(said)
        assert acknowledged > total
        with closing(open_engine(name, tmp_path)) as engine:
            total = int(engine.get("t", b"n") or b"0")
            assert total >= acknowledged
            assert list(engine.records("f")) == [b"%d" % n for n in range(1, total + 1)]
            keys = [key for key, _ in engine.scan("t", b"k", b"l")]
            assert keys == [b"k%06d" % n for n in range(1, total + 1)]


_COMMITS = """
import os, sys
from pathlib import Path
from systems_under_test.host.storage import open_engine
from systems_under_test.replica import Append, AppendLater, Write, WriteLater
engine = open_engine(sys.argv[1], Path(sys.argv[2]))
engine.stage([Write("t", b"k", b"0")])
engine.commit()  # The first one into an empty log also syncs its head.
for kind in (Write("t", b"k", b"1"), WriteLater("t", b"k", b"2"), Append("f", b"1")):
    engine.stage([kind])
    os.path.exists("mark")
    engine.commit()
    os.path.exists("mark")
os._exit(0)
"""


@pytest.mark.live
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not here")
@pytest.mark.parametrize(
    ("name", "own", "later"),
    [
        ("sqlite", ["store.sqlite-wal"], []),
        # Its pages, the page that names them, and that page; what may wait waits with the last.
        ("lmdb", ["store.lmdb", "store.lmdb"], ["store.lmdb"]),
    ],
)
def test_a_durable_commit_waits_for_the_disk_and_another_does_not(
    name: str, own: list[str], later: list[str], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    tracing = ["strace", "-o", str(trace), "-e", "trace=/stat,/sync", "-y"]
    if subprocess.run([*tracing, "true"], capture_output=True, check=False).returncode:
        pytest.skip("processes cannot be traced here")
    program = [sys.executable, "-c", _COMMITS, name, str(tmp_path / "data")]
    subprocess.run([*tracing, *program], capture_output=True, check=True)
    _, write, _, write_later, _, append, _ = re.split(r".*\"mark\".*\n", trace.read_text())
    synced = r"sync\(\d+<.*/(.*)>\)"
    assert re.findall(synced, write) == own
    assert re.findall(synced, write_later) == later
    assert re.findall(synced, append) == ["f.records", *own]


@pytest.mark.parametrize("name", ON_DISK)
def test_a_second_process_on_the_same_directory_is_told_so(name: str, tmp_path: Path) -> None:
    with (
        closing(open_engine(name, tmp_path)),
        pytest.raises(OSError, match="another process uses it"),
    ):
        open_engine(name, tmp_path)


def test_a_flipped_bit_in_a_value_is_damage(tmp_path: Path) -> None:
    with closing(SqliteEngine(tmp_path)) as engine:
        engine.stage([Write("t", b"k", b"value"), Write("t", b"other", b"fine")])
        engine.commit()
    with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as db:
        (sealed,) = db.execute("SELECT value FROM entries WHERE key = ?", (b"k",)).fetchone()
        flipped = bytes([sealed[0] ^ 4]) + sealed[1:]
        db.execute("UPDATE entries SET value = ? WHERE key = ?", (flipped, b"k"))
    (tmp_path / PAGES).unlink()  # Else it is found on opening already.
    with closing(SqliteEngine(tmp_path)) as engine:
        assert engine.get("t", b"other") == b"fine"
        with pytest.raises(StorageDamaged, match="key b'k'"):
            engine.get("t", b"k")
        with pytest.raises(StorageDamaged):
            list(engine.scan("t"))


def test_a_value_moved_to_another_key_is_damage(tmp_path: Path) -> None:
    with closing(SqliteEngine(tmp_path)) as engine:
        engine.stage([Write("t", b"k", b"value")])
        engine.commit()
    with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as db:
        db.execute("UPDATE entries SET key = ?", (b"j",))
    (tmp_path / PAGES).unlink()
    with closing(SqliteEngine(tmp_path)) as engine, pytest.raises(StorageDamaged):
        engine.get("t", b"j")


@pytest.mark.parametrize("name", ON_DISK)
def test_a_database_that_is_none_is_damage(name: str, tmp_path: Path) -> None:
    (tmp_path / f"store.{name}").write_bytes(b"this is no database at all" * 1000)
    with pytest.raises(StorageDamaged, match=f"store.{name}"):
        open_engine(name, tmp_path)


def test_a_map_cut_short_is_damage_and_no_end_of_the_process(tmp_path: Path) -> None:
    with closing(open_engine("lmdb", tmp_path)) as engine:
        engine.stage([Write("t", b"%d" % n, b"x" * 900) for n in range(100)])
        engine.commit()
    os.truncate(tmp_path / "store.lmdb", 4 * 4096)
    with pytest.raises(StorageDamaged, match="pages were committed"):
        open_engine("lmdb", tmp_path)


def test_a_flipped_bit_in_a_row_of_the_map_is_damage(tmp_path: Path) -> None:
    with closing(open_engine("lmdb", tmp_path)) as engine:
        engine.stage([Write("t", b"k", b"a value to be found"), Write("t", b"other", b"fine")])
        engine.commit()
    file = tmp_path / "store.lmdb"
    file.write_bytes(file.read_bytes().replace(b"a value to", b"a valve to"))
    with pytest.raises(StorageDamaged, match="key b'k'"):
        open_engine("lmdb", tmp_path)
    with closing(open_engine("lmdb", tmp_path, checked=False)) as engine:
        assert engine.get("t", b"k") == b"a valve to be found"


def _three_records(directory: Path) -> Path:
    with closing(SqliteEngine(directory)) as engine:
        engine.stage([Append("f", b"first"), Append("f", b"second"), Append("f", b"third")])
        engine.commit()
    return directory / "f.records"


def test_a_torn_tail_is_ignored_and_overwritten(tmp_path: Path) -> None:
    file = _three_records(tmp_path)
    with file.open("ab") as out:
        out.write(b"\x00\x00\x00\x05\x12\x34half")
    with closing(SqliteEngine(tmp_path)) as engine:
        assert list(engine.records("f")) == [b"first", b"second", b"third"]
        engine.stage([Append("f", b"fourth")])
        engine.commit()
    with closing(SqliteEngine(tmp_path)) as engine:
        assert list(engine.records("f"))[3:] == [b"fourth"]


@pytest.mark.parametrize("byte", range(13))
def test_a_flipped_bit_anywhere_in_a_committed_record_is_damage(tmp_path: Path, byte: int) -> None:
    file = _three_records(tmp_path)
    data = bytearray(file.read_bytes())
    data[13 + byte] ^= 1  # In the second record: 8 bytes of head, 6 of "second".
    file.write_bytes(data)
    with (
        closing(SqliteEngine(tmp_path)) as engine,
        pytest.raises(StorageDamaged, match="record 1 at byte 13"),
    ):
        list(engine.records("f"))


def test_a_committed_record_cut_short_is_damage_and_no_torn_tail(tmp_path: Path) -> None:
    file = _three_records(tmp_path)
    os.truncate(file, file.stat().st_size - 1)
    with pytest.raises(StorageDamaged, match="were committed"):
        SqliteEngine(tmp_path)


def _fill(engine: Engine) -> None:
    for _ in range(100):
        engine.stage([Append("f", b"x" * 10_000), Write("t", b"k", b"2")])
        engine.commit()


@pytest.mark.parametrize("name", ON_DISK)
def test_a_full_disk_fails_the_commit(name: str, tmp_path: Path) -> None:
    engine = open_engine(name, tmp_path)
    engine.stage([Write("t", b"k", b"1")])
    engine.commit()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(CommitFailed):
            _fill(engine)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
        engine.close()
    with closing(open_engine(name, tmp_path)) as engine:
        assert len(list(engine.records("f"))) < 100
        assert engine.get("t", b"k") in (b"1", b"2")


@pytest.mark.parametrize("name", ON_DISK)
def test_writes_that_may_wait_are_not_synced_until_a_durable_one_comes(
    name: str, tmp_path: Path
) -> None:
    with closing(open_engine(name, tmp_path)) as engine:
        engine.stage([WriteLater("t", b"k", b"1")])
        engine.commit()
        assert dict(engine.counters) == {"commits": 0, "commits_unsynced": 1, "changes": 1}
        engine.stage([WriteLater("t", b"k", b"2")])
        engine.stage([Write("t", b"k", b"3")])
        engine.stage([WriteLater("t", b"k", b"4")])
        engine.commit()
        # SQLite settles before a commit begins how much it syncs; LMDB when it ends.
        unsynced = 2 if name == "sqlite" else 1
        assert dict(engine.counters) == {"commits": 1, "commits_unsynced": unsynced, "changes": 4}


def test_incarnations_grow_and_never_repeat(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "node"
    assert [next_incarnation(directory) for _ in range(3)] == [1, 2, 3]
    (directory / "incarnation.new").write_text("torn")
    assert read_incarnation(directory) == 3
    assert next_incarnation(directory) == 4


@pytest.mark.parametrize("text", ["", "4", "x\n", "-1\n"])
def test_a_damaged_incarnation_is_not_taken_for_the_first_life(tmp_path: Path, text: str) -> None:
    (tmp_path / "incarnation").write_text(text)
    with pytest.raises(StorageDamaged):
        next_incarnation(tmp_path)
