"""The report for people: one HTML file that needs nothing but itself.

No script is needed to read it, nothing is loaded from anywhere, and its size does not grow with
the history: what cannot be shown in full is aggregated or counted, and it says so.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import msgspec

from checker.claims import CLAIMS
from checker.findings import KINDS
from reports import faults, numbers, over_time, timeline
from reports.terminal import (
    LOST_NOTHING,
    OTHER_MEMBERS,
    headline,
    ineffective,
    live_check,
    lost_nothing,
    never_injected,
    other_members,
)
from reports.words import answered, asked, count, cut, grouped, moment, span, struck, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from checker.history.columns import History
    from checker.history.events import Operation
    from checker.judgement import Judgement
    from checker.verdict import Finding

DRAWN_OF_KIND_MAX: Final = 5
"""So many findings of a kind stand by themselves, with a timeline; the others in a list."""
TOLD_MAX: Final = 200
"""So many findings are told at all."""
OPEN_MAX: Final = 3
"""So many findings are unfolded when the page opens."""
MEASURED_MAX: Final = 20_000
"""Characters of what one checker measured."""

BADGES: Final = {"valid": "✓", "invalid": "✕", "unknown": "?"}
JUDGED_BY: Final = {
    "lost-update": ("lost-update", "lost-update-online"),
    "resurrection": ("resurrection", "resurrection-online"),
    "not-linearizable": ("linearizable",),
}
"""The claims that a finding of a kind breaks, where they are not named like it."""


@dataclass(frozen=True, slots=True)
class Told:
    """A finding as the page shows it."""

    number: int
    kind: str
    meaning: str
    sentence: str
    details: tuple[str, ...]
    checker: str
    faults: tuple[tuple[int, str], ...]
    rows: tuple[tuple[str, ...], ...]
    svg: str
    left_out: int
    open: bool
    drawn: bool


def render(history: History, judgement: Judgement, meta: Mapping[str, Any]) -> str:
    """The report of a run as HTML; `meta` is what `test.json` holds."""
    import jinja2

    def read(name: str) -> str:
        return files("reports").joinpath(name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    script = read("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.from_string(read("page.html")).render(
        style=read("page.css"),
        script=script,
        script_hash=digest,
        **_page(history, judgement, meta),
    )


def _page(history: History, judgement: Judgement, meta: Mapping[str, Any]) -> dict[str, Any]:
    found = [(name, finding) for name, verdict in judgement.checks for finding in verdict.findings]
    told = _told(found, history)
    kinds = sorted({finding.kind for finding in told})
    windows = history.faults
    rows = faults.rows(history)
    return {
        "title": f"{meta.get('system', 'a system')} {meta.get('workload', '')}".strip(),
        "headline": headline(meta),
        "status": judgement.status,
        "badge": BADGES[judgement.status],
        "in_words": _in_words(history, judgement),
        "warnings": _warnings(history, judgement),
        "drawn": [finding for finding in told if finding.drawn],
        "others": [(kind, [f for f in told if f.kind == kind and not f.drawn]) for kind in kinds],
        "told": told,
        "not_told": len(found) - len(told),
        "left_out": _left_out(judgement),
        "chart": over_time.draw(history) if len(history) or windows else "",
        "promises": _promises(judgement),
        "withdrawn": [
            (claim, CLAIMS.get(claim, ""), reason)
            for claim, reason in sorted(judgement.promises.withdrawn.items())
        ],
        "counts": numbers.by_kind(history),
        "availability": numbers.by_window(history),
        "errors": numbers.errors(history),
        "fault_rows": rows,
        "fault_numbers": {row.number for row in rows},
        "faults_left_out": len(windows) - len(rows),
        "effects": _effects(history),
        "recoveries": faults.recoveries(history),
        "checkers": _checkers(judgement),
        "facts": _facts(history, meta),
        "command": meta.get("command"),
        "count": count,
    }


# --- in words ---


def _in_words(history: History, judgement: Judgement) -> str:
    observed = f"{count(len(history), 'operation')} over {_length(history)}"
    if judgement.status == "valid":
        promises = count(len(judgement.promises.claims), "promise")
        return f"Nothing contradicts what was promised: {promises} judged on {observed}."
    if judgement.status == "invalid":
        kinds: Counter[str] = Counter(dict(_left_out(judgement)))
        kinds.update(f.kind for _, verdict in judgement.checks for f in verdict.findings)
        broken = ", ".join(f"{kind} {grouped(times)}" for kind, times in sorted(kinds.items()))
        return f"{count(kinds.total(), 'violation')} found in {observed}: {broken}."
    return f"Not decided on {observed}: {(judgement.cause or '').rstrip('.')}."


def _warnings(history: History, judgement: Judgement) -> list[str]:
    warnings = [
        f"{f} was injected {count(times, 'time')} and never took effect: this run says nothing"
        f" about how the system bears it."
        for f, times in sorted(ineffective(judgement).items())
    ]
    if times := lost_nothing(judgement):
        warnings.append(f"{LOST_NOTHING.format(count(times, 'time')).capitalize()}.")
    warnings += [
        f"{name} was asked for and injected nothing: this run says nothing about it."
        for name in never_injected(judgement)
    ]
    warnings += [
        f"{OTHER_MEMBERS.format(node, ', '.join(members))}."
        for node, members in other_members(judgement).items()
    ]
    said = live_check(judgement)
    if said is not None:
        warnings.append(f"Live check: {said}.")
    leaked = [w for w in history.faults if w.end is None]
    if leaked:
        names = ", ".join(sorted({f"{w.f} {w.fault}" for w in leaked[:5]}))
        warnings.append(f"{count(len(leaked), 'fault')} never healed: {names}.")
    if history.dropped_line is not None:
        warnings.append(f"The half-written line {history.dropped_line} was left out.")
    return warnings


def _length(history: History) -> str:
    """From the first event to the last one: time itself begins when the cluster is started."""
    times = history.lines.time.tolist()
    return span(max(times, default=0) - min(times, default=0))


# --- findings ---


def _told(found: Iterable[tuple[str, Finding]], history: History) -> list[Told]:
    seen: Counter[str] = Counter()
    told: list[Told] = []
    windows = {window.fault: window for window in history.faults}
    for checker, finding in found:
        if len(told) == TOLD_MAX:
            break
        seen[finding.kind] += 1
        line = None
        if seen[finding.kind] <= DRAWN_OF_KIND_MAX:
            line = timeline.draw(finding, history)
        named = {operation.index for operation in finding.operations}
        told.append(
            Told(
                number=len(told) + 1,
                kind=finding.kind,
                meaning=KINDS.get(finding.kind, ""),
                sentence=finding.sentence,
                details=finding.details,
                checker=checker,
                faults=tuple(
                    (number, f"{windows[number].f} {struck(windows[number])}")
                    for number in finding.faults
                    if number in windows
                ),
                rows=tuple(_row(op, op.index in named) for op in line.operations) if line else (),
                svg=line.svg if line else "",
                left_out=line.left_out if line else 0,
                open=len(told) < OPEN_MAX,
                drawn=seen[finding.kind] <= DRAWN_OF_KIND_MAX,
            )
        )
    return told


def _row(operation: Operation, named: bool) -> tuple[str, ...]:
    took = "" if operation.ret is None else span(operation.ret - operation.call)
    return (
        "named" if named else "",
        operation.outcome,
        str(operation.index),
        f"p{operation.process}",
        operation.node or "",
        asked(operation),
        answered(operation),
        moment(operation.call),
        took,
        f"{whole(operation.input)} → {whole(operation.output)}{whole(operation.error)}",
    )


def _left_out(judgement: Judgement) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for _, verdict in judgement.checks:
        counts.update(verdict.observed.get("left_out", {}))
    return sorted(counts.items())


# --- promises, faults, checkers, facts ---


def _promises(judgement: Judgement) -> list[tuple[str, str, str]]:
    """Each claim with its sentence and whether it was broken, held, or is not decided."""
    kinds = {finding.kind for _, verdict in judgement.checks for finding in verdict.findings}
    broken = {claim for kind in kinds for claim in JUDGED_BY.get(kind, (kind,))}
    undecided = any(verdict.status == "unknown" for _, verdict in judgement.checks)
    otherwise = "nothing found" if undecided else "held"
    return [
        (claim, CLAIMS.get(claim, ""), "broken" if claim in broken else otherwise)
        for claim in sorted(judgement.promises.claims)
    ]


def _effects(history: History) -> list[tuple[str, str]]:
    """Each family of faults with its injections by effect, in words."""
    counts: dict[str, Counter[str]] = {}
    for window in history.faults:
        counts.setdefault(window.f, Counter())[window.effect or "not known"] += 1
    return [
        (f, ", ".join(f"{times} {effect}" for effect, times in sorted(effects.items())))
        for f, effects in sorted(counts.items())
    ]


def _checkers(judgement: Judgement) -> list[tuple[str, str, str, str]]:
    return [
        (name, verdict.status, verdict.cause or "", _measured(verdict.observed))
        for name, verdict in judgement.checks
    ]


def _measured(observed: Mapping[str, Any]) -> str:
    if not observed:
        return ""
    plain = msgspec.json.encode(
        msgspec.to_builtins(dict(observed), str_keys=True, order="sorted", enc_hook=str)
    )
    return cut(msgspec.json.format(plain, indent=2).decode(), MEASURED_MAX)


def _facts(history: History, meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the run was, for who wants to do it again or compare it."""
    facts = {
        "system": meta.get("system"),
        "workload": meta.get("workload"),
        "environment": meta.get("environment"),
        "nodes": ", ".join(map(str, meta.get("nodes") or ())),
        "nemesis": meta.get("nemesis"),
        "bug switched on": meta.get("bug"),
        "seed": meta.get("seed"),
        "started": meta.get("started"),
        "operations": len(history),
        "length": _length(history),
        "at rest": None if history.quiescent_time is None else moment(history.quiescent_time),
        "definition": meta.get("definition"),
        "lineal": meta.get("version"),
        "commit": meta.get("commit"),
        "python": meta.get("python"),
    }
    for group in ("options", "limits"):
        for name, value in sorted((meta.get(group) or {}).items()):
            facts[f"{group.removesuffix('s')} {name}"] = whole(value)
    return [(name, str(value)) for name, value in facts.items() if value not in (None, "")]
