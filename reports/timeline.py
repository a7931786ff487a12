"""The operations of a finding on a timeline: lanes by process, a row each, faults behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.faults import described
from reports.scales import Squeezed
from reports.svg import Svg
from reports.words import answered, asked, cut, moment, span, struck, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker.history.columns import History
    from checker.history.events import FaultWindow, Operation
    from checker.verdict import Finding

ROWS_MAX: Final = 60
"""So many operations are drawn; the ones that the sentence names come first."""
FAULTS_MAX: Final = 8
"""So many faults are drawn; the ones that the operations touch come first."""

WIDTH: Final = 1080
NAMES: Final = 52
LEFT: Final = 452
RIGHT: Final = WIDTH - 14
ROW: Final = 22
FAULT_ROW: Final = 17
LABEL_CHARACTERS: Final = 56
MARK_PLACE: Final = 74
"""Marks on the time axis are so far apart at least."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A drawing with what it leaves out."""

    svg: str
    operations: tuple[Operation, ...]
    """Those that are drawn, in order of invocation."""
    left_out: int


def draw(finding: Finding, history: History) -> Timeline | None:
    """The timeline of a finding; None if it has no operations."""
    named = {operation.index for operation in finding.operations}
    everything = {op.index: op for op in (*finding.operations, *finding.sub_history)}
    if not everything:
        return None
    ordered = sorted(everything.values(), key=lambda op: (op.index not in named, op.index))
    shown = tuple(sorted(ordered[:ROWS_MAX], key=lambda op: op.index))
    picture = _Picture(shown, named, _faults_of(finding, shown, history), history.quiescent_time)
    return Timeline(picture.draw(finding), shown, len(ordered) - len(shown))


def _faults_of(
    finding: Finding, operations: Sequence[Operation], history: History
) -> list[FaultWindow]:
    """The faults behind the operations, those that the finding names first, then by start."""
    named = set(finding.faults)
    there = [
        window
        for window in history.faults
        if window.fault in named or any(window.touches(op) for op in operations)
    ]
    first = sorted(there, key=lambda w: (w.fault not in named, w.start))[:FAULTS_MAX]
    return sorted(first, key=lambda window: window.start)


class _Picture:
    def __init__(
        self,
        operations: Sequence[Operation],
        named: set[int],
        faults: list[FaultWindow],
        quiescent: int | None,
    ) -> None:
        self.operations = operations
        self.named = named
        self.faults = faults
        times = [op.call for op in operations]
        times += [op.ret for op in operations if op.ret is not None]
        low, high = min(times), max(times)
        for window in faults:
            edges = (window.start, window.end)
            times += [edge for edge in edges if edge is not None and low < edge < high]
        self.quiescent = quiescent if quiescent is not None and low < quiescent < high else None
        if self.quiescent is not None:
            times.append(self.quiescent)
        self.times = sorted(set(times))
        self.place = Squeezed.of(times, LEFT + 6, RIGHT - 22)
        self.lanes: dict[int, list[Operation]] = {}
        for operation in operations:
            self.lanes.setdefault(operation.process, []).append(operation)
        self.top = len(faults) * FAULT_ROW + 8
        self.bottom = self.top + len(operations) * ROW

    def draw(self, finding: Finding) -> str:
        label = f"Timeline of the operations of this finding: {finding.kind}"
        svg = Svg(WIDTH, self.bottom + 26, label=label, name="timeline")
        self._lanes(svg)
        self._faults(svg)
        self._axis(svg)
        y: float = self.top
        for operations in self.lanes.values():
            for operation in operations:
                self._operation(svg, operation, y)
                y += ROW
        return svg.markup()

    def _lanes(self, svg: Svg) -> None:
        y = self.top
        for i, (process, operations) in enumerate(self.lanes.items()):
            height = len(operations) * ROW
            name = "lane odd" if i % 2 else "lane"
            svg.add("rect", class_=name, x=0, y=y, width=WIDTH, height=height)
            title = f"Process {process}: one client, which asks one thing at a time"
            svg.add("text", class_="process", x=8, y=y + 15, text=f"p{process}", title=title)
            y += height

    def _faults(self, svg: Svg) -> None:
        for i, window in enumerate(self.faults):
            left = self.place(window.start)
            right = self.place(self.times[-1] if window.end is None else window.end)
            width = max(right - left, 2)
            title = described(window)
            kind = "ineffective" if window.effect == "ineffective" else ""
            svg.open("g", class_=f"fault {kind}".strip())
            svg.add(
                "rect", class_="band", x=left, y=i * FAULT_ROW + 4, width=width,
                height=self.bottom - i * FAULT_ROW - 4, title=title,
            )  # fmt: skip
            svg.add("rect", class_="bar", x=left, y=i * FAULT_ROW + 4, width=width, height=4)
            name = cut(f"{window.f} {window.fault}: {struck(window)}", LABEL_CHARACTERS)
            name = name.removesuffix(": ")
            svg.add(
                "text", class_="fault-name", x=LEFT - 8, y=i * FAULT_ROW + 12,
                text_anchor="end", text=name, title=title,
            )  # fmt: skip
            svg.close("g")

    def _axis(self, svg: Svg) -> None:
        marked: list[int] = []
        for time in self.times:
            x = self.place(time)
            if x <= RIGHT - 20 and (not marked or x - self.place(marked[-1]) >= MARK_PLACE):
                marked.append(time)
        digits = next((digits for digits in (3, 6) if _differ(marked, digits)), 9)
        for time in marked:
            x = self.place(time)
            svg.add("line", class_="grid", x1=x, x2=x, y1=self.top, y2=self.bottom)
            name = moment(time, digits=digits)
            svg.add("text", class_="mark", x=x, y=self.bottom + 16, text=name)
        if self.quiescent is not None:
            x = self.place(self.quiescent)
            title = f"at {moment(self.quiescent)} the cluster was found at rest"
            svg.add("line", class_="rest", x1=x, x2=x, y1=self.top, y2=self.bottom, title=title)

    def _operation(self, svg: Svg, operation: Operation, y: float) -> None:
        left = self.place(operation.call)
        right = RIGHT if operation.ret is None else max(self.place(operation.ret), left + 5)
        named = operation.index in self.named
        state = f"operation {operation.outcome}" + (" named" if named else "")
        svg.open("g", class_=state)
        svg.add("title", text=details(operation))
        svg.add("rect", class_="row", x=NAMES - 8, y=y, width=WIDTH - NAMES + 8, height=ROW)
        node = f"{operation.node} " if operation.node else ""
        words = cut(f"{node}{asked(operation)} → {answered(operation)}", LABEL_CHARACTERS)
        svg.add("text", class_="words", x=NAMES, y=y + 15, text=words)
        svg.add("rect", class_="span", x=left, y=y + 5, width=right - left, height=12, rx=2)
        if operation.ret is None:
            svg.add("text", class_="open", x=RIGHT + 2, y=y + 15, text="?")
        svg.close("g")


def _differ(times: list[int], digits: int) -> bool:
    """Whether stamps of so many digits tell these times apart."""
    return len({moment(time, digits=digits) for time in times}) == len(times)


def details(operation: Operation) -> str:
    """Everything about an operation, for who points at it."""
    lines = [
        f"operation {operation.index}, process {operation.process}"
        + (f", asked of {operation.node}" if operation.node else ""),
        f"{operation.f} {whole(operation.key)} {whole(operation.input)}".rstrip(),
        f"{operation.outcome}: {whole(operation.output)}{whole(operation.error)}",
        f"asked at {moment(operation.call)}, "
        + (
            "never known to have ended"
            if operation.ret is None
            else f"answered after {span(operation.ret - operation.call)}"
        ),
    ]
    return "\n".join(lines)
