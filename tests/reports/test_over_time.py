"""The drawing of the whole run: its time axis begins where something happened."""

from __future__ import annotations

import re

from checker.history.columns import History
from reports.over_time import LEFT, RIGHT, draw
from tests.reports.samples import SECOND, Recording


def late(start: int) -> History:
    """Twenty operations in ten seconds, the first of them so long after the start of the clock."""
    recording = Recording()
    for i in range(20):
        call = start + i * SECOND // 2
        recording.operation(0, call, call + SECOND // 100, "ok", f="read", output=1)
    recording.fault(1, "partition", start + 2 * SECOND, start + 4 * SECOND, targets=["n1"])
    return recording.history()


def dots(drawn: str) -> list[float]:
    (path,) = re.findall(r'class="dots ok" d="([^"]*)"', drawn)
    return [float(x) for x in re.findall(r"M([\d.]+) ", path)]


def marked(drawn: str) -> list[str]:
    return re.findall(r'class="mark"[^>]*>([^<]*)<', drawn)


def test_the_axis_begins_with_the_first_event_however_long_the_start_took() -> None:
    drawn = draw(late(30 * SECOND))
    assert min(dots(drawn)) <= LEFT + 2
    assert max(dots(drawn)) > RIGHT - 30
    assert marked(drawn)[0] == "30 s"
    assert marked(drawn)[-1] == "39 s"


def test_the_axis_begins_at_zero_where_nearly_nothing_lies_before_the_first_event() -> None:
    assert marked(draw(late(SECOND // 10)))[0] == "0 s"


def test_a_late_start_moves_everything_alike() -> None:
    """Bars, bands, lines and dots are where they are in a run that began at once."""
    places = [
        re.findall(r'class="(?:stack|dots|quantile|band|fault-bar)[^>]*', draw(late(start)))
        for start in (0, 1_000 * SECOND)
    ]
    assert len(places[0]) == len(places[1]) > 6
    for at_once, later in zip(*places, strict=True):
        numbers = [[float(n) for n in re.findall(r"\d+\.?\d*", one)] for one in (at_once, later)]
        pairs = zip(*numbers, strict=True)
        assert all(abs(a - b) <= 2 for a, b in pairs), (at_once, later)


def test_an_empty_history_is_drawn_too() -> None:
    assert draw(History.of([])).startswith("<svg")
