"""The faults of a run: rows for the table, and spans for the drawings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checker.invariants.answered_again import Return, returns
from reports.words import count, moment, span, struck, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker.history.columns import History
    from checker.history.events import Event, FaultWindow
    from reports.scales import Scale

ROWS_MAX: Final = 300
"""So many faults have a row; those that did not do what they should come first."""
SPANS_MAX: Final = 500
GOOD: Final = ("applied", "healed")
EFFECTS: Final = {
    "applied": "it was seen to take effect",
    "partly": "it struck some of what it should, or more",
    "ineffective": "nothing was seen to change: this run says nothing about it",
    "uncertain": "it could not be told whether it took effect: the evidence has the figures",
    None: "the run ended before its effect was recorded",
}

AT_THE_END: Final = {
    "recovered": "At the end of the run every node served within",
    "quiescent": "The cluster was at rest after another",
}


@dataclass(frozen=True, slots=True)
class FaultRow:
    """A fault as the table shows it; all but the number are texts."""

    number: int
    f: str
    struck: str
    start: str
    lasted: str
    effect: str
    meaning: str
    healing: str
    answered: str
    """How long after its healing every node answered again; empty where another fault was open."""
    method: str
    evidence: str
    healing_evidence: str
    input: str

    @property
    def good(self) -> bool:
        """Whether it was applied and healed as it should be."""
        return self.effect in GOOD and self.healing in ("healed", "")


def rows(history: History) -> list[FaultRow]:
    """At most `ROWS_MAX` faults, in order of injection."""
    healings = {
        event.fault: event
        for event in history.nemesis("heal")
        if event.type != "invoke" and event.fault is not None
    }
    answered = {each.fault: _answered(each) for each in returns(history)}
    found = [
        _row(window, healings.get(window.fault), answered.get(window.fault, ""))
        for window in history.faults
    ]
    if len(found) <= ROWS_MAX:
        return found
    kept = sorted(found, key=lambda row: row.good)[:ROWS_MAX]
    return sorted(kept, key=lambda row: row.number)


def recoveries(history: History) -> str:
    """How long the cluster took to be well again, in sentences; empty if nothing tells."""
    told: list[str] = []
    if found := returns(history):
        took = sorted(each.after_ns for each in found if each.after_ns is not None)
        whole = f"After {len(took)} of {count(len(found), 'healing')} that left no fault open"
        words = f"{whole} every node was seen to answer again before the next fault"
        if took:
            words += f": the median is {span(took[len(took) // 2])}, the longest {span(took[-1])}"
        told.append(f"{words}.")
    for note, words in AT_THE_END.items():
        outputs = [event.output for event in history.nemesis(note)]
        after = [said.get("after_ns") for said in outputs if isinstance(said, dict)]
        told += [f"{words} {span(ns)}." for ns in after if type(ns) is int]
    return " ".join(told)


def _answered(seen: Return) -> str:
    if seen.after_ns is not None:
        return f"all answered after {span(seen.after_ns)}"
    return f"{', '.join(seen.missing)} not seen to answer" if seen.missing else ""


def _row(window: FaultWindow, healing: Event | None, answered: str) -> FaultRow:
    healed: dict[str, Any] = {}
    if healing is not None and isinstance(healing.output, dict):
        healed = healing.output
    return FaultRow(
        number=window.fault,
        f=window.f,
        struck=struck(window),
        start=moment(window.start),
        lasted="not healed" if window.end is None else span(window.end - window.start),
        effect=str(window.effect or "not known"),
        meaning=EFFECTS.get(window.effect, ""),
        healing=str(healed.get("effect") or ""),
        answered=answered,
        method=str(window.method or ""),
        evidence=whole(window.evidence),
        healing_evidence=whole(healed.get("evidence")),
        input=whole(window.input),
    )


def described(window: FaultWindow) -> str:
    """A fault in a sentence, for who points at it."""
    end = "never healed" if window.end is None else f"to {moment(window.end)}"
    what = f"fault {window.fault}: {window.f} {struck(window)}".strip()
    return f"{what}, from {moment(window.start)} {end}; {window.effect or 'effect not known'}"


def merged(
    windows: Sequence[FaultWindow], place: Scale, end: int, *, gap: float = 1.0
) -> list[tuple[float, float, list[FaultWindow]]]:
    """From where to where faults were open: one span for those that a drawing cannot keep apart.

    `end` (nanoseconds) is where a fault stops that was never healed.
    """
    spans: list[tuple[float, float, list[FaultWindow]]] = []
    for window in sorted(windows, key=lambda w: w.start):
        left, right = place(window.start), place(end if window.end is None else window.end)
        right = max(right, left + gap)
        touching = bool(spans) and left < spans[-1][1] + gap
        if touching and (spans[-1][1] - spans[-1][0] < 2 * gap or len(spans) >= SPANS_MAX):
            before = spans.pop()
            spans.append((before[0], max(right, before[1]), [*before[2], window]))
        else:
            spans.append((left, right, [window]))
    return spans
