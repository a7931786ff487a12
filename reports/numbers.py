"""Counts and latencies by kind of operation, and the errors that were met."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from checker.history.layout import INFO, NEVER, NO_ROW, OK, TYPES
from checker.invariants.availability import windows
from checker.quantiles import percentiles
from reports.words import brief, grouped, moment, span

if TYPE_CHECKING:
    from checker.history.columns import History

ERRORS_MAX: Final = 12
KINDS_MAX: Final = 50
WINDOWS_MAX: Final = 300
"""A day of windows of five minutes, and more."""


@dataclass(frozen=True, slots=True)
class KindRow:
    """One `f`: how often it ended how, and how long those took that succeeded."""

    f: str
    ok: str
    fail: str
    info: str
    total: str
    shares: tuple[tuple[str, float], ...]
    """Outcomes that occurred, each with its share in percent."""
    latencies: tuple[str, ...]
    """p50, p90, p99 and the longest; empty if none succeeded."""


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """An error and how often it was met."""

    outcome: str
    f: str
    error: str
    times: str


@dataclass(frozen=True, slots=True)
class AvailabilityRow:
    """A window of the run: from when, how much was asked, which share of it succeeded."""

    start: str
    asked: str
    share: str
    percent: float


def by_window(history: History) -> list[AvailabilityRow]:
    """Availability over the run, in order of time; the longest run has its first windows alone."""
    return [
        AvailabilityRow(
            start=moment(window.start),
            asked=grouped(window.asked),
            share="nothing asked" if window.share is None else f"{window.share:.2%}",
            percent=100 * (window.share or 0.0),
        )
        for window in windows(history)[:WINDOWS_MAX]
    ]


def by_kind(history: History) -> list[KindRow]:
    """A row for each `f`, the most frequent first."""
    columns, values = history.columns, history.values
    counts: dict[int, Counter[str]] = {}
    spans: dict[int, list[int]] = {}
    for f, outcome, call, ret in zip(
        columns.f, columns.outcome, columns.call, columns.ret, strict=True
    ):
        counts.setdefault(f, Counter())[TYPES[outcome]] += 1
        if outcome == OK and ret != NEVER:
            spans.setdefault(f, []).append(ret - call)
    ordered = sorted(counts, key=lambda f: (-counts[f].total(), f))[:KINDS_MAX]
    return [_row(str(values[f]), counts[f], spans.get(f, [])) for f in ordered]


def _row(f: str, outcomes: Counter[str], spans: list[int]) -> KindRow:
    total = outcomes.total()
    found = percentiles(spans)
    return KindRow(
        f=f,
        ok=grouped(outcomes["ok"]),
        fail=grouped(outcomes["fail"]),
        info=grouped(outcomes["info"]),
        total=grouped(total),
        shares=tuple(
            (name, 100 * outcomes[name] / total)
            for name in ("ok", "fail", "info")
            if outcomes[name]
        ),
        latencies=tuple(span(found[name]) for name in ("p50", "p90", "p99", "max") if found),
    )


def errors(history: History) -> list[ErrorRow]:
    """The most frequent errors of operations that failed or whose outcome is not known."""
    columns, lines, values = history.columns, history.lines, history.values
    counts: Counter[tuple[int, int, int]] = Counter()
    for f, outcome, completion in zip(columns.f, columns.outcome, columns.completion, strict=True):
        if outcome != OK and completion != NO_ROW:
            counts[outcome, f, lines.error[completion]] += 1
        elif outcome == INFO:
            counts[outcome, f, -1] += 1
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:ERRORS_MAX]
    return [
        ErrorRow(
            outcome=TYPES[outcome],
            f=str(values[f]),
            error="the run ended first" if error < 0 else brief(values[error]) or "no reason given",
            times=grouped(times),
        )
        for (outcome, f, error), times in most
    ]
