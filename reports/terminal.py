"""What is printed when a run has ended: what was judged, the verdict, and where the report is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from reports.words import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from checker.judgement import Judgement

LINES_MAX: Final = 5
"""So many findings of a kind have a line; the report has the others."""
OTHER_MEMBERS: Final = (
    "{} says that the members are now {}, other than at first: a change was not undone"
)
LOST_NOTHING: Final = (
    "power was taken {} and never took effect beyond a kill: every write was durable already"
)


def summary(judgement: Judgement, meta: Mapping[str, Any], path: Path) -> str:
    """The end of a run in a few lines: promises judged, verdict, a line for each finding.

    `meta` is what `test.json` holds, `path` the run directory.
    """
    return "\n".join(_lines(judgement, meta, path))


def _lines(judgement: Judgement, meta: Mapping[str, Any], path: Path) -> Iterator[str]:
    yield headline(meta)
    yield f"promises judged: {', '.join(sorted(judgement.promises.claims)) or 'none'}"
    for reason, claims in _withdrawn(judgement).items():
        yield f"not promised here: {', '.join(claims)} ({reason})"
    for f, times in ineffective(judgement).items():
        yield f"warning: {f} was injected {count(times, 'time')} and never took effect"
    if times := lost_nothing(judgement):
        yield f"warning: {LOST_NOTHING.format(count(times, 'time'))}"
    for name in never_injected(judgement):
        yield f"warning: {name} was asked for and injected nothing; did the run end too soon?"
    for node, members in other_members(judgement).items():
        yield f"warning: {OTHER_MEMBERS.format(node, ', '.join(members))}"
    said = live_check(judgement)
    if said is not None:
        yield f"live check: {said}"
    cause = "" if judgement.cause is None else f": {judgement.cause}"
    yield f"verdict: {judgement.status}{cause}"
    yield from _findings(judgement)
    yield f"report: {path / 'report.html'}"
    if meta.get("command"):
        yield f"again: {meta['command']}"


def _withdrawn(judgement: Judgement) -> dict[str, list[str]]:
    """Each reason with the claims that it withdraws."""
    reasons: dict[str, list[str]] = {}
    for claim, reason in sorted(judgement.promises.withdrawn.items()):
        reasons.setdefault(reason, []).append(claim)
    return reasons


def _findings(judgement: Judgement) -> Iterator[str]:
    kinds: dict[str, list[str]] = {}
    for _, verdict in judgement.checks:
        for finding in verdict.findings:
            kinds.setdefault(finding.kind, []).append(one_line(finding.sentence))
        for kind, times in verdict.observed.get("left_out", {}).items():
            kinds.setdefault(kind, []).extend([""] * times)
    for kind, sentences in kinds.items():
        for sentence in sentences[:LINES_MAX]:
            yield f"  {kind}: {sentence}"
        if len(sentences) > LINES_MAX:
            yield f"  {kind}: {len(sentences) - LINES_MAX} more, see the report"


def headline(meta: Mapping[str, Any]) -> str:
    """What was run, in a line."""
    nodes = meta.get("nodes") or ()
    parts = [f"{meta.get('system', 'a system')} {meta.get('workload', '')}".strip()]
    if nodes:
        kind = f"{meta.get('environment', '')} node{'s' * (len(nodes) != 1)}".strip()
        parts.append(f"{len(nodes)} {kind}")
    parts.append(f"nemesis {meta.get('nemesis') or 'none'}")
    if meta.get("bug"):
        parts.append(f"bug {meta['bug']}")
    if meta.get("seed") is not None:
        parts.append(f"seed {meta['seed']}")
    return ", ".join(parts)


def ineffective(judgement: Judgement) -> dict[str, int]:
    """Faults, and single plans, that were injected and never took effect, with how often."""
    found: dict[str, int] = {}
    for _, verdict in judgement.checks:
        for kind in ("ineffective_faults", "ineffective_plans"):
            seen = verdict.observed.get(kind)
            if isinstance(seen, dict):
                found.update(seen)
    return found


def lost_nothing(judgement: Judgement) -> int:
    """How often power was taken, if no node ever lost a write by it; else 0."""
    seen = (verdict.observed.get("power_lost_nothing") for _, verdict in judgement.checks)
    return next((times for times in seen if type(times) is int), 0)


def other_members(judgement: Judgement) -> dict[str, list[str]]:
    """Nodes by whose word the members at the end were not those at first."""
    for _, verdict in judgement.checks:
        seen = verdict.observed.get("other_members")
        if isinstance(seen, dict):
            return seen
    return {}


def never_injected(judgement: Judgement) -> list[str]:
    """Nemeses that were asked for and injected nothing."""
    found: list[str] = []
    for _, verdict in judgement.checks:
        seen = verdict.observed.get("never_injected")
        found += [str(name) for name in seen] if isinstance(seen, list) else []
    return found


def live_check(judgement: Judgement) -> str | None:
    """What the live check did: it ended the driving, or gave up. None if it did neither."""
    found = (verdict.observed.get("live_check") for _, verdict in judgement.checks)
    return next((said for said in found if isinstance(said, str)), None)


def one_line(text: str) -> str:
    """A text without line breaks, so that whoever counts lines counts findings."""
    return " ".join(text.split())
