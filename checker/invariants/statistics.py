"""Counts, rates and latencies; and whether enough was observed to judge at all.

A verdict is worth as much as what was observed. A run in which no write ever succeeded cannot lose
one: it is not valid but unknown. The rule, with its exceptions and why they are made, stands in
`docs/guarantees.md`, "Too little observed".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from checker.history.values import canonical
from checker.invariants.availability import DUMP, availability
from checker.quantiles import percentiles
from checker.verdict import Verdict
from checker.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checker.history.columns import History
    from checker.history.events import Operation
    from checker.verdict import CheckContext

Phase = Literal["before", "during", "after"]
PHASES: Final[tuple[Phase, ...]] = ("before", "during", "after")
SECOND: Final = 1_000_000_000
BRIEF_SHARE: Final = 10
"""A phase in which less than a tenth of all was asked is brief: a rare f may have bad luck there.

The last fault may be healed half a second before the clients are done, and a node that has just
come up refuses the only delete of that half second.
"""


ERROR_CHARACTERS_MAX: Final = 120
"""A longer error is cut where it is told."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Measures every operation; judges nothing but whether enough was observed."""

    @property
    def name(self) -> str:
        """`statistics`."""
        return "statistics"

    @property
    def claims(self) -> frozenset[str]:
        """None: no promise is broken by what this counts."""
        return frozenset()

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Unknown if too little was observed, otherwise valid. `context` changes nothing."""
        counts = _Counts(_FaultSpan.of(history), history.quiescent_time)
        for operation in history:
            counts.count(operation)
        observed = {
            **counts.observed(),
            "availability": availability(history),
            "faults": _effects(history),
        }
        missing = list(counts.missing())
        if missing:
            return Verdict.unknown(f"too little observed: {listed(missing)}", observed=observed)
        return Verdict.of((), observed=observed)


@dataclass(frozen=True, slots=True)
class _FaultSpan:
    """From the first injection to the last healing (nanoseconds; `end` None: never healed)."""

    start: int
    end: int | None

    @classmethod
    def of(cls, history: History) -> _FaultSpan | None:
        """None where no fault took effect: such a run has one phase."""
        windows = [window for window in history.faults if window.effect != "ineffective"]
        if not windows:
            return None
        ends = [window.end for window in windows if window.end is not None]
        healed = len(ends) == len(windows)
        return cls(min(window.start for window in windows), max(ends) if healed else None)

    def asked_in(self, operation: Operation) -> Phase:
        """The phase that has to answer for it: what the first fault cut off is of the faults."""
        if operation.ret is not None and operation.ret < self.start:
            return "before"
        return "after" if self.end is not None and operation.call > self.end else "during"

    def touched_by(self, operation: Operation) -> Iterator[Phase]:
        """The phases in which the operation's interval lies, at least in part."""
        ret = operation.ret
        if operation.call < self.start:
            yield "before"
        if (ret is None or ret >= self.start) and (self.end is None or operation.call <= self.end):
            yield "during"
        if self.end is not None and (ret is None or ret > self.end):
            yield "after"


@dataclass(slots=True)
class _Counts:
    span: _FaultSpan | None
    quiescent_time: int | None
    by_f: dict[str, Counter[str]] = field(default_factory=dict)
    by_node: dict[str, Counter[str]] = field(default_factory=dict)
    latencies: dict[str, list[int]] = field(default_factory=dict)
    asked: Counter[tuple[Phase, str]] = field(default_factory=Counter)
    succeeded: Counter[tuple[Phase, str]] = field(default_factory=Counter)
    errors: dict[str, Counter[str]] = field(default_factory=dict)
    """By f, what was told of operations that did not succeed."""
    final: dict[tuple[str, bytes], bool] = field(default_factory=dict)
    first_call: int | None = None
    last_ret: int = 0

    def count(self, operation: Operation) -> None:
        f, outcome = operation.f, operation.outcome
        if f == DUMP:
            return
        self.by_f.setdefault(f, Counter())[outcome] += 1
        self.by_node.setdefault(operation.node or "", Counter())[outcome] += 1
        if outcome != "ok" and operation.error is not None:
            self.errors.setdefault(f, Counter())[_in_short(operation.error)] += 1
        if self.first_call is None:
            self.first_call = operation.call
        is_final = self.quiescent_time is not None and operation.call >= self.quiescent_time
        if is_final:
            key = (f, canonical(operation.key))
            self.final[key] = self.final.get(key, False) or outcome == "ok"
        elif self.span is not None:
            self.asked[self.span.asked_in(operation), f] += 1
        if outcome == "ok" and operation.ret is not None:
            self.last_ret = max(self.last_ret, operation.ret)
            self.latencies.setdefault(f, []).append(operation.ret - operation.call)
            for phase in self.span.touched_by(operation) if self.span is not None else ():
                self.succeeded[phase, f] += 1

    def missing(self) -> Iterator[str]:
        """What was not observed, in words."""
        if not self.by_f:
            yield "no client asked anything"
            return
        never = [f for f, outcomes in sorted(self.by_f.items()) if not outcomes["ok"]]
        for f in never:
            yield f"no {f} ever succeeded ({self.by_f[f].total()} asked{self.mostly(f)})"
        for phase in PHASES if self.span is not None else ():
            yield from self.missing_in(phase, [f for f in sorted(self.by_f) if f not in never])
        final = sorted(self.final.items())
        unread = [f"{f} of key {key.decode()}" for (f, key), done in final if not done]
        if unread:
            yield f"at the end {listed(unread)} never succeeded"

    def mostly(self, f: str) -> str:
        """The error that was told most often, in words; nothing where none was."""
        told = self.errors.get(f, Counter()).most_common(1)
        return "".join(f"; {_times(count)}: {error}" for error, count in told)

    def missing_in(self, phase: Phase, fs: list[str]) -> Iterator[str]:
        """Of a brief phase only this: that something succeeded while the faults were there."""
        asked = sum(self.asked[phase, f] for f in self.by_f)
        succeeded = sum(self.succeeded[phase, f] for f in self.by_f)
        if phase == "during" and not succeeded:
            yield f"nothing succeeded during the faults ({asked} asked)"
        elif asked * BRIEF_SHARE >= self.asked.total():
            for f in fs:
                if self.asked[phase, f] and not self.succeeded[phase, f]:
                    yield f"no {f} succeeded {phase} the faults ({self.asked[phase, f]} asked)"

    def observed(self) -> dict[str, Any]:
        ok = sum(outcomes["ok"] for outcomes in self.by_f.values())
        span = max(0, self.last_ret - self.first_call) if self.first_call is not None else 0
        return {
            "operations": sum(outcomes.total() for outcomes in self.by_f.values()),
            "ok_per_second": round(ok * SECOND / span, 3) if span else None,
            "by_f": {
                f: {**_outcomes(outcomes), "latency_ns": percentiles(self.latencies.get(f, ()))}
                for f, outcomes in sorted(self.by_f.items())
            },
            "by_node": {
                node: _outcomes(outcomes) for node, outcomes in sorted(self.by_node.items()) if node
            },
            "phases": {
                phase: {
                    f: {"asked": self.asked[phase, f], "ok": self.succeeded[phase, f]}
                    for f in sorted(self.by_f)
                }
                for phase in (PHASES if self.span is not None else ())
            },
        }


def _in_short(error: Any) -> str:
    said = error if isinstance(error, str) else canonical(error).decode()
    return said if len(said) <= ERROR_CHARACTERS_MAX else f"{said[:ERROR_CHARACTERS_MAX]}..."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _outcomes(outcomes: Counter[str]) -> dict[str, int]:
    return {outcome: outcomes[outcome] for outcome in ("ok", "fail", "info")}


def _effects(history: History) -> dict[str, dict[str, int]]:
    """Injections of each fault by their effect."""
    counts: dict[str, Counter[str]] = {}
    for window in history.faults:
        counts.setdefault(window.f, Counter())[window.effect or "not known"] += 1
    return {f: dict(sorted(effects.items())) for f, effects in sorted(counts.items())}
