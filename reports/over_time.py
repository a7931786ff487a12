"""The whole run over time: faults, throughput by outcome, latency. One drawing, one time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checker.history.layout import FAIL, INFO, NEVER, OK
from reports.faults import described, merged
from reports.scales import Linear, Logarithmic, marks
from reports.svg import Svg, number
from reports.words import count, grouped, moment, span

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.history.events import Event, FaultWindow

WIDTH: Final = 1080
LEFT: Final = 86
RIGHT: Final = WIDTH - 12
FAULT_ROW: Final = 20
RATE_HEIGHT: Final = 130
LATENCY_HEIGHT: Final = 230
STRIP: Final = 22
"""Height of the strip of operations whose outcome nobody knows."""
GAP: Final = 34
BINS: Final = 120
QUANTILE_BINS: Final = 60
CELLS_MAX: Final = 12_000
"""Dots that would cover one another are drawn once; if more are left, the grid gets coarser."""
OUTCOMES: Final = {OK: "ok", FAIL: "fail", INFO: "info"}
FAMILIES_MAX: Final = 12
NOTES: Final = {
    "recovered": "all nodes answer",
    "quiescent": "at rest",
    "not-quiescent": "did not come to rest",
    "node-died": "a node died",
    "stopped": "a violation was seen",
}
BAD_NOTES: Final = ("not-quiescent", "node-died", "stopped")
NOTE_ROWS: Final = 6
NOTE_PLACE: Final = 120
"""Width of a note's name at most."""
NOTES_MAX: Final = 200
START_SHARE_MAX: Final = 0.05
"""A longer start of the cluster, as a share of the run, is left out of the drawing."""


def draw(history: History) -> str:
    """The drawing, as markup. Its size does not grow with the history."""
    return _Picture(history).draw()


class _Picture:
    def __init__(self, history: History) -> None:
        columns = history.columns
        self.history = history
        self.call = columns.call.tolist()
        self.ret = columns.ret.tolist()
        self.outcome = columns.outcome.tolist()
        times = history.lines.time.tolist()
        self.end = max(times, default=0) or 1
        self.begin = _begin(min(times, default=0), self.end)
        self.x = Linear(self.begin, self.end, LEFT, RIGHT)
        self.families: dict[str, list[FaultWindow]] = {}
        for window in history.faults:
            self.families.setdefault(window.f, []).append(window)
        self.notes = self._placed_notes()
        self.notes_top = 12 + min(len(self.families), FAMILIES_MAX) * FAULT_ROW
        rows = max((row + 1 for _, row in self.notes if row is not None), default=0)
        self.rate_top = self.notes_top + 14 * rows + 22
        self.rate_bottom = self.rate_top + RATE_HEIGHT
        self.strip_top = self.rate_bottom + GAP
        self.latency_top = self.strip_top + STRIP
        self.latency_bottom = self.latency_top + LATENCY_HEIGHT

    def draw(self) -> str:
        label = "Faults, throughput and latency over the time of the run"
        svg = Svg(WIDTH, self.latency_bottom + 28, label=label, name="over-time")
        self._bands(svg)
        self._time_axis(svg)
        self._rate(svg)
        self._latency(svg)
        self._notes(svg)
        return svg.markup()

    # --- faults ---

    def _bands(self, svg: Svg) -> None:
        windows = [w for w in self.history.faults if w.effect != "ineffective"]
        for left, right, _ in merged(windows, self.x, self.end):
            for top, bottom in (
                (self.rate_top, self.rate_bottom),
                (self.strip_top, self.latency_bottom),
            ):
                svg.add(
                    "rect", class_="band", x=left, y=top, width=right - left, height=bottom - top
                )
        y = 8
        for family, struck_then in list(self.families.items())[:FAMILIES_MAX]:
            svg.add("text", class_="axis-name", x=LEFT - 10, y=y + 13, text=family)
            svg.add("line", class_="grid", x1=LEFT, x2=RIGHT, y1=y + 9, y2=y + 9)
            for left, right, there in merged(struck_then, self.x, self.end):
                idle = all(window.effect == "ineffective" for window in there)
                svg.add(
                    "rect", class_="fault-bar ineffective" if idle else "fault-bar", x=left,
                    y=y + 3, width=right - left, height=12, rx=2, title=_of_faults(there),
                )  # fmt: skip
            y += FAULT_ROW

    # --- axes ---

    def _time_axis(self, svg: Svg) -> None:
        for mark in marks(self.begin, self.end, 11):
            x = self.x(mark)
            for top, bottom in (
                (self.rate_top, self.rate_bottom),
                (self.strip_top, self.latency_bottom),
            ):
                svg.add("line", class_="grid", x1=x, x2=x, y1=top, y2=bottom)
            svg.add(
                "text",
                class_="mark",
                x=x,
                y=self.latency_bottom + 18,
                text=span(mark) if mark else "0 s",
            )

    def _placed_notes(self) -> list[tuple[Event, int | None]]:
        """What the run noted, each with a row for its name, which stands before its line.

        From the last to the first, so that a name stands above the lines that it would cross.
        """
        noted = [event for event in self.history.nemesis() if event.f in NOTES][:NOTES_MAX]
        free = [float("inf")] * NOTE_ROWS
        placed: list[tuple[Event, int | None]] = []
        for event in reversed(noted):
            x = self.x(event.time)
            row = next((i for i, edge in enumerate(free) if x <= edge), None)
            if row is not None:
                free[row] = x - NOTE_PLACE
            placed.append((event, row))
        return placed

    def _notes(self, svg: Svg) -> None:
        for event, row in self.notes:
            x = self.x(event.time)
            top = self.notes_top + 14 * (row or 0)
            svg.open("g", class_="event bad" if event.f in BAD_NOTES else "event")
            svg.add("title", text=f"{NOTES[event.f]} at {moment(event.time)}")
            svg.add("line", x1=x, x2=x, y1=top, y2=self.latency_bottom)
            if row is not None:
                svg.add("text", x=x - 5, y=top + 10, text=NOTES[event.f])
            svg.close("g")

    def _bin(self, operations: int, most: int) -> int:
        """The length of a bin (nanoseconds) that holds about so many operations or more."""
        bins = min(most, max(4, len(self.call) // operations))
        return max(1, -(-(self.end - self.begin) // bins))

    # --- throughput ---

    def _rate(self, svg: Svg) -> None:
        width = self._bin(8, BINS)
        bins = {code: [0] * ((self.end - self.begin) // width + 1) for code in OUTCOMES}
        for call, outcome in zip(self.call, self.outcome, strict=True):
            bins[outcome][(call - self.begin) // width] += 1
        totals = [sum(column) for column in zip(*bins.values(), strict=True)]
        per_second = 1_000_000_000 / width
        most = max(totals, default=0) or 1
        y = Linear(0, most * per_second, self.rate_bottom, self.rate_top)
        for mark in marks(0, int(most * per_second) or 1, 4):
            svg.add("line", class_="grid", x1=LEFT, x2=RIGHT, y1=y(mark), y2=y(mark))
            svg.add("text", class_="axis", x=LEFT - 8, y=y(mark) + 4, text=grouped(mark))
        svg.add("text", class_="caption", x=LEFT, y=self.rate_top - 8, text="operations a second")
        below = [0] * len(totals)
        for code, name in OUTCOMES.items():
            steps = []
            for i, times in enumerate(bins[code]):
                if times:
                    left, right = (self.x(self.begin + j * width) for j in (i, i + 1))
                    top, bottom = y((below[i] + times) * per_second), y(below[i] * per_second)
                    side = f"h{number(right - left)}v{number(bottom - top)}"
                    steps.append(f"M{number(left)} {number(top)}{side}H{number(left)}z")
                    below[i] += times
            svg.add("path", class_=f"stack {name}", d="".join(steps))

    # --- latency ---

    def _latency(self, svg: Svg) -> None:
        spans = [r - c for c, r in zip(self.call, self.ret, strict=True) if r != NEVER]
        low, high = min(spans, default=1), max(spans, default=1)
        scale = Logarithmic(
            _power_below(max(low, 1)),
            _power_above(max(high, 1)),
            self.latency_bottom,
            self.latency_top,
        )
        for mark in scale.decades():
            y = scale(mark)
            svg.add("line", class_="grid", x1=LEFT, x2=RIGHT, y1=y, y2=y)
            svg.add("text", class_="axis", x=LEFT - 8, y=y + 4, text=span(mark))
        svg.add("text", class_="caption", x=LEFT, y=self.strip_top - 8, text="latency")
        svg.add("text", class_="axis", x=LEFT - 8, y=self.strip_top + 14, text="unknown")
        line = self.strip_top + STRIP - 2
        svg.add("line", class_="grid", x1=LEFT, x2=RIGHT, y1=line, y2=line)
        for code, places in self._dots(scale).items():
            svg.add("path", class_=f"dots {OUTCOMES[code]}", d=_dots_path(code, places))
        self._quantiles(svg, scale)

    def _dots(self, scale: Logarithmic) -> dict[int, list[tuple[int, int]]]:
        """Where there is at least one operation, on a grid coarse enough to keep them few."""
        for cell in (2, 3, 4, 6, 8):
            found: dict[int, set[tuple[int, int]]] = {code: set() for code in OUTCOMES}
            for call, ret, outcome in zip(self.call, self.ret, self.outcome, strict=True):
                x = round(self.x(call) / cell) * cell
                y = self.strip_top + 9 if ret == NEVER else round(scale(ret - call) / cell) * cell
                found[outcome].add((x, int(y)))
            if sum(map(len, found.values())) <= CELLS_MAX:
                break
        return {code: sorted(places) for code, places in found.items()}

    def _quantiles(self, svg: Svg, scale: Logarithmic) -> None:
        width = self._bin(20, QUANTILE_BINS)
        bins: dict[int, list[int]] = {}
        for call, ret, outcome in zip(self.call, self.ret, self.outcome, strict=True):
            if outcome == OK:
                bins.setdefault((call - self.begin) // width, []).append(ret - call)
        for name, share in (("p50", 500), ("p99", 990)):
            steps, before = [], None
            for i in sorted(bins):
                ordered = sorted(bins[i])
                rank = -(-share * len(ordered) // 1000) - 1
                middle = self.x(self.begin + (i + 0.5) * width)
                place = f"{number(middle)} {number(scale(ordered[rank]))}"
                steps.append(f"{'L' if before == i - 1 else 'M'}{place}")
                before = i
            svg.add("path", class_=f"quantile {name}", d="".join(steps))


def _begin(first: int, end: int) -> int:
    """Where the axis begins: with the first event, or at 0 where nearly nothing lies before it.

    Time begins when the cluster is started, and containers take as long for that as a short run.
    """
    return first if first > end * START_SHARE_MAX else 0


def _dots_path(code: int, places: list[tuple[int, int]]) -> str:
    """Dots, crosses or strokes: outcomes differ by shape too, not by color alone."""
    if code == OK:
        return "".join(f"M{x} {y}h0" for x, y in places)
    if code == FAIL:
        return "".join(f"M{x - 2} {y - 2}l4 4m0-4l-4 4" for x, y in places)
    return "".join(f"M{x} {y - 5}v10" for x, y in places)


def _power_below(value: int) -> int:
    return int(10 ** (len(str(value)) - 1))


def _power_above(value: int) -> int:
    return int(10 ** len(str(value)))


def _of_faults(windows: list[FaultWindow]) -> str:
    if len(windows) == 1:
        return described(windows[0])
    return f"{count(len(windows), 'fault')} from {moment(windows[0].start)}"
