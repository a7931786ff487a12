"""The checker of sets that grow: elements lost, missed, made up or doubled, and how long it took.

It judges histories of `add` and `read`. The rules stand in `docs/guarantees.md`. Idea: Jepsen's
`set-full` checker, which follows every element through all reads instead of the last one alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from checker.evidence import Evidence, Explanation, in_order
from checker.invariants.set_elements import lives, sets
from checker.quantiles import percentiles
from checker.wording import asked, listed, of_key, seconds, through, value

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.history.events import Operation
    from checker.identity import Identity
    from checker.invariants.set_elements import Element, Elements, SetRead
    from checker.verdict import CheckContext, Verdict

CLAIMS: Final = frozenset({"lost-element", "stale-element", "phantom-element", "duplicate"})


@dataclass(frozen=True, kw_only=True, slots=True)
class SetFull:
    """Judges what sets promise, each key by itself: what was added is there, once, and no more.

    Final reads are those called once the cluster was at rest. `last_reads_are_final` takes those
    called after the last add was over instead: for histories of other tools, which do not say when
    the cluster was at rest.
    """

    last_reads_are_final: bool = False

    @property
    def name(self) -> str:
        """`set-full`."""
        return "set-full"

    @property
    def claims(self) -> frozenset[str]:
        """What it can judge."""
        return CLAIMS

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Judge every set. Raises ValueError for a read that returned no list."""
        evidence = Evidence(history, context.claims)
        found = sets(history)
        if not any(one.reads and one.elements for one in found):
            evidence.doubt("too little observed: no set was both added to and read", *CLAIMS)
        else:
            evidence.unexercised(_unexercised(found, history), of=CLAIMS)
        for one in found:
            lost = _judge_lost(one, self._finals(one, history), evidence)
            _judge_stale(one, lost, evidence)
            _judge_phantoms(one, evidence)
            _judge_duplicates(one, evidence)
        return evidence.verdict(_observed(found))

    def _finals(self, one: Elements, history: History) -> list[SetRead]:
        """The last final read through each node."""
        after = one.last_add + 1 if self.last_reads_are_final else history.quiescent_time
        if after is None:
            return []
        last = {r.operation.node or "": r for r in one.reads if r.operation.call >= after}
        return [last[node] for node in sorted(last)]


def _unexercised(found: list[Elements], history: History) -> dict[str, str]:
    """The claims that nothing put to the test: only acknowledged adds oblige to anything."""
    if not any(element.acknowledged for one in found for element in one.elements.values()):
        return dict.fromkeys(CLAIMS, "no add was acknowledged")
    missing = {}
    if not any(_is_read_after_an_add(one) for one in found):
        missing["stale-element"] = "no set was read after an add to it was acknowledged"
    rest = history.quiescent_time
    elements = [element for one in found for element in one.elements.values()]
    if rest is not None and not any(_acknowledged_before(element, rest) for element in elements):
        missing["lost-element"] = "no add was acknowledged before the cluster was at rest"
    return missing


def _is_read_after_an_add(one: Elements) -> bool:
    last = max((read.operation.call for read in one.reads), default=-1)
    return any(_acknowledged_before(element, last) for element in one.elements.values())


def _judge_lost(one: Elements, finals: list[SetRead], evidence: Evidence) -> set[Identity]:
    """Elements acknowledged before every final read was called, that none of them has."""
    if not one.elements:
        return set()
    if not finals:
        evidence.doubt(
            f"no read{of_key(one.key)} was answered once the cluster was known to be at rest",
            "lost-element",
        )
        return set()
    first = min(read.operation.call for read in finals)
    shown = frozenset[Any]().union(*(read.elements for read in finals))
    lost = [
        name
        for name, element in one.elements.items()
        if name not in shown and _acknowledged_before(element, first)
    ]
    for name in lost:
        evidence.add("lost-element", partial(_lost, one, name, finals))
    return set(lost)


def _judge_stale(one: Elements, lost: set[Identity], evidence: Evidence) -> None:
    """Elements missing from a read that was called after they were acknowledged.

    Each is told once, of the first such read; those lost at the end are told there.
    """
    waiting = [(_returned(e.acknowledged), n) for n, e in one.elements.items() if e.acknowledged]
    waiting.sort(key=lambda pair: pair[0], reverse=True)
    due: dict[Identity, None] = {}
    for read in one.reads:
        while waiting and waiting[-1][0] < read.operation.call:
            name = waiting.pop()[1]
            if name not in lost:
                due[name] = None
        missed = due.keys() - read.elements
        for name in [name for name in due if name in missed] if missed else ():
            del due[name]
            evidence.add("stale-element", partial(_stale, one, name, read))


def _judge_phantoms(one: Elements, evidence: Evidence) -> None:
    """Elements read that nobody had asked to add by the time the read returned."""
    told: set[Identity] = set()
    for read in one.reads:
        returned = _returned(read.operation)
        for name in read.values:
            element = one.elements.get(name)
            if name not in told and (element is None or element.asked.call > returned):
                told.add(name)
                evidence.add("phantom-element", partial(_phantom, one, name, read))


def _judge_duplicates(one: Elements, evidence: Evidence) -> None:
    """Elements that one read returned more than once."""
    told: set[Identity] = set()
    for read in one.reads:
        for name in read.repeated:
            if name not in told:
                told.add(name)
                evidence.add("duplicate", partial(_duplicate, one, name, read))


def _lost(one: Elements, name: Identity, finals: list[SetRead]) -> Explanation:
    element = one.elements[name]
    add = element.acknowledged
    assert add is not None
    seen = [read.operation for read in one.reads if name in read.elements]
    trace = (
        f"It was last seen by process {seen[-1].process} ({asked(seen[-1])})"
        if seen
        else "No read ever returned it"
    )
    reads = [read.operation for read in finals]
    where = listed(f"{asked(read)}{through(read)}" for read in reads)
    return Explanation(
        f"{_added(add, one)}; but it is lost: at the end, after healing, no read has it"
        f" ({where}). {trace}.",
        in_order([add, *seen[-1:], *reads]),
    )


def _stale(one: Elements, name: Identity, read: SetRead) -> Explanation:
    add, get = one.elements[name].acknowledged, read.operation
    assert add is not None
    later = [r.operation for r in one.reads if name in r.elements and r.operation.call > get.call]
    then = (
        f"A read by process {later[0].process} ({asked(later[0])}) had it again"
        if later
        else "No later read had it"
    )
    return Explanation(
        f"{_added(add, one)}; process {get.process} read the set afterwards{through(get)}"
        f" ({asked(get)}), and it was missing. {then}.",
        in_order([add, get, *later[:1]]),
    )


def _phantom(one: Elements, name: Identity, read: SetRead) -> Explanation:
    get, element = read.operation, one.elements.get(name)
    why = (
        "no client ever added it, or every attempt surely failed"
        if element is None
        else f"the first client that added it did so later, at {seconds(element.asked.call)}"
    )
    return Explanation(
        f"Process {get.process} read the set{of_key(one.key)}{through(get)} ({asked(get)}) and got"
        f" {value(read.values[name])}: {why}.",
        (get,) if element is None else in_order([element.asked, get]),
    )


def _duplicate(one: Elements, name: Identity, read: SetRead) -> Explanation:
    get = read.operation
    return Explanation(
        f"Process {get.process} read the set{of_key(one.key)}{through(get)} ({asked(get)}) and got"
        f" {value(read.values[name])} {read.repeated[name]} times.",
        (get,),
    )


def _added(add: Operation, one: Elements) -> str:
    return (
        f"Process {add.process} added {value(add.input)} to the set{of_key(one.key)}{through(add)}"
        f" and was told at {seconds(_returned(add))} that it is in"
    )


def _observed(found: list[Elements]) -> dict[str, Any]:
    """What became of the elements, and percentiles of how long it took (nanoseconds)."""
    fates: Counter[str] = Counter()
    latencies: dict[str, list[int]] = {"stable": [], "lost": []}
    unacknowledged: Counter[str] = Counter()
    for one in found:
        for name, life in lives(one).items():
            fates[life.fate] += 1
            if life.fate in latencies:
                latencies[life.fate].append(life.latency_ns)
            if one.elements[name].acknowledged is None:
                unacknowledged[life.fate] += 1
    elements = [element for one in found for element in one.elements.values()]
    reads = [read for one in found for read in one.reads]
    return {
        "elements": len(elements),
        "acknowledged": sum(element.acknowledged is not None for element in elements),
        "reads": len(reads),
        "stable": fates["stable"],
        "lost": fates["lost"],
        "never_read": fates["never-read"],
        "seen_without_acknowledgement": dict(sorted(unacknowledged.items())),
        "duplicated": sum(len(set().union(*(r.repeated for r in one.reads))) for one in found),
        "stable_latency_ns": percentiles(latencies["stable"]),
        "lost_latency_ns": percentiles(latencies["lost"]),
    }


def _acknowledged_before(element: Element, moment: int) -> bool:
    return element.acknowledged is not None and _returned(element.acknowledged) < moment


def _returned(operation: Operation) -> int:
    assert operation.ret is not None
    return operation.ret
