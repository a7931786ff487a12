"""Did the cluster come to rest after the last fault, and did every node live?

Sources: `docs/guarantees.md`, "Quiescence".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from checker.evidence import Evidence, Explanation
from checker.invariants.answered_again import answered_again
from checker.wording import listed, seconds, value

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.history.events import Event, FaultWindow
    from checker.verdict import CheckContext, Verdict

CLAIMS = frozenset({"did-not-recover", "node-died"})


@dataclass(frozen=True, slots=True)
class Recovery:
    """Judges what the run noted: `not-quiescent` and `node-died`; measures how long rest took."""

    @property
    def name(self) -> str:
        """`recovery`."""
        return "recovery"

    @property
    def claims(self) -> frozenset[str]:
        """What it can judge."""
        return CLAIMS

    def check(self, history: History, context: CheckContext) -> Verdict:
        """A finding for each note of unrest and each death; unknown if nobody looked for rest."""
        evidence = Evidence(history, context.claims)
        restless, dead = history.nemesis("not-quiescent"), history.nemesis("node-died")
        for event in restless:
            evidence.add("did-not-recover", partial(_restless, event, history))
        for event in dead:
            evidence.add("node-died", partial(_dead, event, history))
        if not restless and history.quiescent_time is None:
            evidence.doubt(
                "the history does not say whether the cluster came to rest: it has neither the"
                " event quiescent nor not-quiescent",
                "did-not-recover",
            )
            if not dead and not len(history):
                evidence.doubt("too little observed: nobody asked the cluster anything", *CLAIMS)
        observed = {**_spans(history), "deaths": len(dead)}
        if ineffective := ineffective_faults(history):
            observed["ineffective_faults"] = ineffective
        if idle := ineffective_plans(history):
            observed["ineffective_plans"] = idle
        if times := lost_nothing(history):
            observed["power_lost_nothing"] = times
        if missed := never_injected(history):
            observed["never_injected"] = missed
        if other := other_members(history):
            observed["other_members"] = other
        if (answered := answered_again(history)) is not None:
            observed["answered_again"] = answered
        if said := live_check(history):
            observed["live_check"] = said
        return evidence.verdict(observed)


def ineffective_faults(history: History) -> dict[str, int]:
    """Faults that were asked for and never took effect: name -> injections, all `ineffective`.

    A run with one of these says nothing about that fault, however valid its verdict. An injection
    of which nobody knows the effect is not held to be without one.
    """
    effects: dict[str, list[str | None]] = {}
    for window in history.faults:
        effects.setdefault(window.f, []).append(window.effect)
    return {
        f: len(found)
        for f, found in sorted(effects.items())
        if all(effect == "ineffective" for effect in found)
    }


def ineffective_plans(history: History) -> dict[str, int]:
    """Plans, each of whose injections was `ineffective` though another's of the same fault was not.

    Name -> injections. Which plan asked for which fault stands in the run's note `asked`.
    """
    effects = {window.fault: window.effect for window in history.faults}
    named = {number: window.f for number, window in ((w.fault, w) for w in history.faults)}
    already = ineffective_faults(history)
    found: dict[str, int] = {}
    for event in history.nemesis("asked"):
        plans = _output(event).get("plans")
        for name, numbers in plans.items() if isinstance(plans, dict) else ():
            begun = [n for n in numbers if n in effects] if isinstance(numbers, list) else []
            told = all(named[n] in already for n in begun)
            if begun and not told and all(effects[n] == "ineffective" for n in begun):
                found[str(name)] = len(begun)
    return found


def lost_nothing(history: History) -> int:
    """How often power was taken, if no write was ever lost by it; else 0.

    Then each was a kill and no more, and the run says nothing about what was not durable. One of
    which nobody noted what was lost is not held to have lost nothing.
    """
    taken = [w for w in history.faults if w.f == "power" and w.effect != "ineffective"]
    seen = [_lost(window) for window in taken]
    return len(taken) if all(lost == 0 for lost in seen) else 0


def _lost(window: FaultWindow) -> int | None:
    """How many writes its nodes lost together; None if that was not noted."""
    nodes = window.evidence.values() if isinstance(window.evidence, dict) else ()
    noted = [node.get("lost") if isinstance(node, dict) else None for node in nodes]
    counts = [lost for lost in noted if type(lost) is int]
    return sum(counts) if noted and len(counts) == len(noted) else None


def other_members(history: History) -> dict[str, list[str]]:
    """Nodes by whose word the run ended with other members than it began with, and that word.

    For every change of the members orders its opposite when it is healed.
    """
    found: dict[str, list[str]] = {}
    for event in history.nemesis("members"):
        said = _output(event)
        first, end = said.get("at_first"), said.get("at_the_end")
        if isinstance(first, list) and isinstance(end, dict):
            differing = {str(node): members for node, members in end.items()}
            found = {n: m for n, m in differing.items() if set(m) != set(first)}
    return found


def never_injected(history: History) -> list[str]:
    """The nemeses that a run was asked for and that injected nothing: it was too short, perhaps."""
    found: list[str] = []
    for event in history.nemesis("not-injected"):
        nemeses = _output(event).get("nemeses")
        found += [str(name) for name in nemeses] if isinstance(nemeses, list) else []
    return found


def live_check(history: History) -> str | None:
    """What the live check did: it ended the driving, or gave up. None if it did neither."""
    for event in history.nemesis("stopped"):
        culprit = value(_output(event).get("not_linearizable"))
        return f"driving ended at {seconds(event.time)}, for operation {culprit} fits into no order"
    for event in history.nemesis("live-check-gave-up"):
        why = _output(event).get("reason")
        return f"it gave up at {seconds(event.time)}: {why}; the whole check judged afterwards"
    return None


def _restless(event: Event, history: History) -> Explanation:
    reasons = _output(event).get("reasons")
    why = listed(map(str, reasons)) if isinstance(reasons, list) and reasons else "no reason noted"
    return Explanation(
        f"All faults were healed, and the cluster had still not come to rest at"
        f" {seconds(event.time)}, when its time was up: {why}.",
        faults=tuple(fault.fault for fault in history.faults if fault.end is None),
    )


def _dead(event: Event, history: History) -> Explanation:
    node = _output(event).get("node", event.node)
    there = [
        fault
        for fault in history.faults
        if fault.start <= event.time and (fault.end is None or event.time <= fault.end)
    ]
    names = listed(f"{fault.f} (fault {fault.fault})" for fault in there)
    during = f"; open at that time: {names}" if there else ""
    return Explanation(
        f"Node {node if isinstance(node, str) else value(node)} was found dead at"
        f" {seconds(event.time)} although nobody had killed it{during}.",
        faults=tuple(fault.fault for fault in there),
    )


def _spans(history: History) -> dict[str, Any]:
    """How long the cluster took to answer again and to come to rest, in nanoseconds."""
    found = {}
    for f in ("recovered", "quiescent"):
        for event in history.nemesis(f):
            span = _output(event).get("after_ns", _output(event).get("seconds_ns"))
            if type(span) is int:
                found[f"{f}_after_ns"] = span
    return found


def _output(event: Event) -> dict[str, Any]:
    return event.output if isinstance(event.output, dict) else {}
