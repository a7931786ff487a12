"""What every storage engine must do. Each check is given a way to open the engine anew.

An engine that forgets when it is closed (`forgets`) is spared what is about coming back.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from systems_under_test.replica import Append, AppendLater, Write, WriteLater

if TYPE_CHECKING:
    from collections.abc import Callable

    from systems_under_test.host.storage import Engine


@dataclass(frozen=True)
class Subject:
    open: Callable[[], Engine]
    forgets: bool


def reads_what_was_staged_before_it_is_committed(subject: Subject) -> None:
    with closing(subject.open()) as engine:
        engine.stage([Write("t", b"k", b"1"), Append("f", b"one")])
        assert engine.get("t", b"k") == b"1"
        assert list(engine.scan("t")) == [(b"k", b"1")]
        assert list(engine.records("f")) == [b"one"]


def tells_absent_from_empty(subject: Subject) -> None:
    with closing(subject.open()) as engine:
        engine.stage([Write("t", b"k", b""), Write("t", b"gone", b"x"), Write("t", b"gone", None)])
        engine.commit()
        assert engine.get("t", b"k") == b""
        assert engine.get("t", b"gone") is None
        assert engine.get("u", b"k") is None
        assert list(engine.scan("u")) == []
        assert list(engine.records("g")) == []


def keeps_tables_apart_and_keys_in_order(subject: Subject) -> None:
    with closing(subject.open()) as engine:
        keys = [b"b", b"", b"a\x00", b"a", b"\xff", b"a\xff"]
        engine.stage([Write("t", key, key) for key in keys])
        engine.stage([Write("t2", b"a", b"other")])
        assert [key for key, _ in engine.scan("t")] == sorted(keys)
        assert [k for k, _ in engine.scan("t", b"a", b"b")] == [b"a", b"a\x00", b"a\xff"]
        assert [k for k, _ in engine.scan("t", b"a\x00")] == [b"a\x00", b"a\xff", b"b", b"\xff"]
        assert list(engine.scan("t", b"b", b"a")) == []
        sizes = {k: len(k) + len(v) for k, v in engine.scan("t")}
        for size_max in range(1, sum(sizes.values()) + 2):
            found = [k for k, _ in engine.scan("t", b"a\x00", size_max=size_max)]
            assert found == [k for k in sorted(keys) if k >= b"a\x00"][: len(found)]
            assert found
            assert sum(sizes[k] for k in found[:-1]) < size_max


def lets_a_scan_be_left_half_way(subject: Subject) -> None:
    with closing(subject.open()) as engine:
        engine.stage([Write("t", bytes([n]), b"") for n in range(50)])
        scan = engine.scan("t")
        next(scan)
        engine.stage([WriteLater("t", b"z", b"")])
        engine.commit()
        engine.stage([Write("t", b"y", b"")])
        engine.commit()
        assert engine.get("t", b"y") == b""


def appends_in_order_whatever_the_bytes(subject: Subject) -> None:
    records = [b"", b"\x00" * 9, bytes(range(256)) * 300, b"last"]
    with closing(subject.open()) as engine:
        for record in records:
            engine.stage([Append("f.log", record)])
        engine.commit()
        assert list(engine.records("f.log")) == records
        engine.stage([AppendLater("f.log", b"more")])
        assert list(engine.records("f.log")) == [*records, b"more"]


def refuses_a_file_name_that_is_a_path(subject: Subject) -> None:
    with closing(subject.open()) as engine:
        for name in ("../f", "", "F", ".f", "a/b", "a" * 101):
            with pytest.raises(ValueError, match="append-only file"):
                engine.stage([Append(name, b"x")])


def counts_one_commit_for_a_batch(subject: Subject) -> None:
    with closing(subject.open()) as engine:
        engine.commit()
        assert engine.counters["commits"] == 0
        for n in range(10):
            engine.stage([Write("t", b"%d" % n, b"v"), Append("f", b"r")])
        engine.commit()
        engine.commit()
        assert engine.counters["commits"] == 1
        assert engine.counters["changes"] == 20


def brings_back_what_was_committed(subject: Subject) -> None:
    with closing(subject.open()) as engine:
        engine.stage([Write("t", b"k", b"old"), Append("f", b"1"), WriteLater("t", b"l", b"later")])
        engine.stage([Write("t", b"k", b"new"), AppendLater("f", b"2")])
        engine.commit()
    with closing(subject.open()) as engine:
        assert engine.get("t", b"k") == (None if subject.forgets else b"new")
        assert engine.get("t", b"l") == (None if subject.forgets else b"later")
        assert list(engine.records("f")) == ([] if subject.forgets else [b"1", b"2"])


def forgets_what_was_not_committed(subject: Subject) -> None:
    with closing(subject.open()) as engine:
        engine.stage([Append("f", b"1")])
        engine.commit()
        engine.stage([Write("t", b"k", b"v"), Append("f", b"2"), Append("g", b"1")])
    with closing(subject.open()) as engine:
        assert engine.get("t", b"k") is None
        assert list(engine.records("f")) == ([] if subject.forgets else [b"1"])
        assert list(engine.records("g")) == []
        engine.stage([Append("f", b"3"), Append("g", b"3")])
        engine.commit()
        assert list(engine.records("f")) == ([b"3"] if subject.forgets else [b"1", b"3"])


CHECKS: tuple[Callable[[Subject], None], ...] = (
    reads_what_was_staged_before_it_is_committed,
    tells_absent_from_empty,
    keeps_tables_apart_and_keys_in_order,
    lets_a_scan_be_left_half_way,
    appends_in_order_whatever_the_bytes,
    refuses_a_file_name_that_is_a_path,
    counts_one_commit_for_a_batch,
    brings_back_what_was_committed,
    forgets_what_was_not_committed,
)
