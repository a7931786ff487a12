"""Availability by windows of time."""

from __future__ import annotations

from checker.history.notation import parse
from checker.invariants.availability import WINDOW_NS_MAX, availability, windows


def test_what_nobody_knows_counts_as_failed_and_a_refused_swap_as_served() -> None:
    history = parse(
        "p0: write 1 -> ok\np1: write 2 -> info\np2: read -> fail\np3: cas [1, 2] -> false\n"
    )
    assert availability(history)["share"] == 0.5


def test_a_window_is_a_tenth_of_the_run() -> None:
    text = "".join(f"p0: read @{10 * i} -> {'1' if i < 50 else 'fail'}\n" for i in range(100))
    found = availability(parse(text))
    assert found["windows"] == [1.0] * 5 + [0.0] * 5
    assert (found["share"], found["worst"], found["window_ns"]) == (0.5, 0.0, 100)


def test_in_a_long_run_a_window_is_five_minutes() -> None:
    text = "".join(f"p0: read @{i * WINDOW_NS_MAX // 2} -> 1\n" for i in range(40))
    found = windows(parse(text))
    assert [window.asked for window in found] == [2] * 20
    assert {window.end - window.start for window in found} == {WINDOW_NS_MAX}


def test_nothing_is_said_of_a_window_in_which_nothing_was_asked() -> None:
    found = availability(parse("p0: read @0 -> 1\np0: read @1000 -> fail\n"))
    assert found["windows"] == [1.0, *[None] * 8, 0.0]
    assert found["worst"] == 0.0
    assert availability(parse(""))["share"] is None


def test_dumps_and_final_reads_are_no_requests_of_the_run() -> None:
    text = "p0: read -> fail\nnemesis: quiescent\np0: dump -> {}\np0: read -> 1\n"
    assert availability(parse(text))["windows"] == [0.0]
