"""The timeline of a finding: its operations in lanes, with the faults behind them."""

from __future__ import annotations

import re

from checker.history.notation import parse
from checker.verdict import Finding
from reports import timeline
from reports.timeline import draw

HISTORY = parse(
    """
    nemesis: partition {"targets": ["n1"]} fault=7 @1500000 -> applied @1600000
    p0: write x 1 @1000000 -> ok @2000000
    p1: read x @2500000 -> ok @2500400
    p2: write x 2 @2600000
    p1: read x @900000000 -> 1 @900000100
    nemesis: heal fault=7 @950000000 -> healed @960000000
    """
)


def rows(svg: str) -> list[tuple[str, str]]:
    """Each operation's classes and words."""
    pattern = r'<g class="(operation [^"]*)">.*?<text class="words"[^>]*>([^<]*)</text>'
    return re.findall(pattern, svg, re.DOTALL)


def spans(svg: str) -> list[tuple[float, float]]:
    """From where to where each operation is drawn."""
    found = re.findall(r'<rect class="span" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', svg)
    return [(float(x), float(x) + float(width)) for x, width in found]


def test_operations_stand_in_lanes_by_process_and_the_named_ones_are_told_apart() -> None:
    everything = tuple(HISTORY)
    drawn = draw(Finding("stale-element", "s", everything[:2], (7,), everything), HISTORY)
    assert drawn is not None
    assert rows(drawn.svg) == [
        ("operation ok named", "write x 1 → ok"),
        ("operation ok named", "read x → null"),
        ("operation ok", "read x → 1"),
        ("operation info", "write x 2 → ?"),
    ]
    assert re.findall(r'class="process"[^>]*><title>[^<]*</title>(p\d)', drawn.svg) == [
        "p0", "p1", "p2",
    ]  # fmt: skip


def test_the_order_of_the_operations_in_time_is_that_of_the_drawing() -> None:
    everything = tuple(HISTORY)
    drawn = draw(Finding("stale-element", "s", everything), HISTORY)
    assert drawn is not None
    write, early, late, open_one = spans(drawn.svg)
    assert write[1] < early[0] < early[1] < open_one[0] < late[0] < late[1]
    assert open_one[1] == timeline.RIGHT


def test_faults_stand_behind_the_operations_that_they_touch() -> None:
    everything = tuple(HISTORY)
    drawn = draw(Finding("stale-element", "s", everything, (7,)), HISTORY)
    assert drawn is not None
    assert "partition 7: n1" in drawn.svg
    later = parse("p0: write x 1 @10 -> ok @20\nnemesis: kill fault=1 @30 -> applied @40\n")
    before = draw(Finding("stale-element", "s", tuple(later)), later)
    assert before is not None
    assert "kill" not in before.svg


def test_stamps_that_milliseconds_do_not_tell_apart_have_more_digits() -> None:
    close = parse("p0: write x 1 @1000000 -> ok @1200000\np1: read x @1300000 -> 1 @1400000\n")
    drawn = draw(Finding("stale-element", "s", tuple(close)), close)
    assert drawn is not None
    assert "0.001200 s" in drawn.svg
    assert ">0.001 s<" not in drawn.svg


def test_a_finding_without_operations_has_no_timeline() -> None:
    assert draw(Finding("did-not-recover", "s"), HISTORY) is None


def test_operations_beyond_the_bound_are_counted_and_the_named_ones_stay() -> None:
    text = "".join(f"p{i}: write x {i} -> ok\n" for i in range(timeline.ROWS_MAX + 30))
    history = parse(text)
    everything = tuple(history)
    drawn = draw(Finding("lost-update", "s", everything[-2:], (), everything), history)
    assert drawn is not None
    assert drawn.left_out == 30
    assert {op.index for op in everything[-2:]} <= {op.index for op in drawn.operations}
    assert len(rows(drawn.svg)) == timeline.ROWS_MAX
