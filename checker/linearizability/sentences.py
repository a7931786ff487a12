"""What the checker says, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checker.evidence import Explanation
from checker.linearizability.twin import action_of, precedes
from checker.wording import asked, counted, listed, of_object, through

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from checker._core import SearchResult
    from checker.history.events import Operation
    from checker.linearizability.problem import Problem
    from checker.linearizability.witness import Configuration, Witness

REASONS_MAX: Final = 4
TOLD_MAX: Final = 6
"""So many configurations, and other details, are told of a violation."""
RULED_MAX: Final = 250
"""So many of the operations that rules hold for impossible are shown."""
NAMED_MAX: Final = 4
"""Where there are more so many are named."""
AMONG_THESE: Final = "among these operations alone"
"""What is told of a part of the history: the operations that the finding shows."""
FREER: Final = "even if crashed operations could do more than they can"
"""What is told of a walk that allows more than the model."""
EARLIER: Final = "an operation before it may fit nowhere already"
"""What is told of an operation that need not be the first which fits nowhere."""
UNSOUGHT: Final = "nothing but these operations was searched"
NONE_SHOWN: Final = "no small history is shown"
UNWRITTEN: Final = "nobody had written what it saw"
ALONE: Final = "nothing that was called before it ended could have led to it"
"""The reasons of an operation that is impossible without any other."""


def explanation(
    found: Witness, of: str, beside: tuple[Operation, ...] = (), hidden: int = 0
) -> Explanation:
    """Why an operation could not be linearized.

    `of` names the object. Where a part of the history was searched the reasons are of that part.
    What is `beside` belongs to it, though it was not searched, and so many `hidden` operations,
    which are too many to show.
    """
    culprit, small = found.culprit, found.operations
    if small:
        small = tuple(sorted([*small, *beside], key=lambda op: op.index))
    if not found.alone:
        freer = f"{FREER}, " if found.freer else ""
        why = _joined(f"{freer}whatever the order, ", list(found.reasons))
    elif len(small) == 1 and not hidden:
        why = f": {UNWRITTEN if found.unwritten else ALONE}"
    else:
        others = listed([_named(op) for op in small if op != culprit] + _additions(hidden))
        why = _joined(f"even with {others} alone, ", list(found.reasons))
        why = why or f", even with {others} alone"
    told = f"{operation(culprit)}{of} fits into no order of the operations{why}"
    details = [*_details(found)]
    if hidden and small:
        details.append(f"the small history is wrong only with {listed(_additions(hidden))} more")
    return Explanation(told, (culprit,), small, details=tuple(details))


def _additions(hidden: int) -> list[str]:
    return [counted(hidden, "addition")] if hidden else []


def _details(found: Witness) -> Iterator[str]:
    """What was possible before the culprit, the longest orders, and what would have to differ."""
    if not found.first and found.sought:
        yield f"{EARLIER}: to see that takes too long"
    yield from _of_the_small_history(found)
    alone = f", {AMONG_THESE}" if found.alone else ""
    before = list(dict.fromkeys(map(_possible, found.configurations)))
    yield from (f"before it{alone}: {possible}" for possible in before[:TOLD_MAX])
    if len(before) > TOLD_MAX:
        yield f"before it{alone}: {len(before) - TOLD_MAX} more"
    alone = f", {AMONG_THESE}" if found.alone or found.ordered == found.relaxed else ""
    for order in found.orders:
        way = ", ".join(map(_named, order.operations)) or "nothing"
        reasons = "; ".join(f"not {_named(op)}: {reason}" for op, reason in order.stuck[:TOLD_MAX])
        start = "" if order.start is None or not found.starts else f"from {order.start}, "
        yield f"longest order{alone}: {start}{way}; then {order.state}" + (
            f"; {reasons}" if reasons else ""
        )
    yield from (f"nobody knows what could be left out: {why}" for why in found.untold)
    pairs = list(_needed(found.relaxed))
    for first, second in pairs[:TOLD_MAX]:
        yield f"it matters that {_named(first)} ended before {_named(second)} began"
    free = [op for op in found.relaxed if op.ret is None and op.outcome == "ok"]
    if free:
        yield f"it does not matter whether {listed(map(_named, free))} came to an end"
    if not (found.first or found.sought):
        yield f"{EARLIER}: {UNSOUGHT}"


def _of_the_small_history(found: Witness) -> Iterator[str]:
    """What is to be known of it, or why there is none."""
    if found.unmade is not None:
        made = "these operations were not made fewer" if found.operations else NONE_SHOWN
        yield f"{made}: {found.unmade}"
    if found.unchecked is not None:
        yield f"only the search found the small history illegal: {found.unchecked}"
    if found.starts:
        begun = "; ".join(found.starts)
        yield f"what came before the small history does not matter: it is so from each of: {begun}"


def _possible(configuration: Configuration) -> str:
    """Those that differ only in crashed operations still to come read alike."""
    early = f" with {listed(map(_named, configuration.done))} done" if configuration.done else ""
    return f"{configuration.state}{early}; {configuration.reason}"


def _needed(relaxed: Sequence[Operation]) -> Iterator[tuple[Operation, Operation]]:
    """Pairs of which the first had to end before the second began, without those that follow."""
    for first in relaxed:
        later = [second for second in relaxed if precedes(first, second)]
        for second in later:
            if not any(precedes(middle, second) for middle in later):
                yield first, second


def _joined(before: str, reasons: list[str]) -> str:
    if len(reasons) > REASONS_MAX:
        reasons = [*reasons[: REASONS_MAX - 1], f"{len(reasons) - REASONS_MAX + 1} reasons more"]
    return f": {before}{', or '.join(reasons)}" if reasons else ""


def operation(of: Operation) -> str:
    """An operation, who did it, and when."""
    return f"{_named(of)[:-1]}, by process {of.process}{through(of)}, {asked(of)})"


def _named(of: Operation) -> str:
    return f"operation {of.index} ({action_of(of)})"


def undecided(problem: Problem, of: str, result: SearchResult) -> str:
    """Why a search came to no end, and how far it came."""
    row = result.row
    place = f" at operation {problem.history[row].index}" if row is not None else ""
    if result.broken is not None:
        state, action, _ = result.broken
        told = problem.automaton.failed(state, action) + of
        return f"{told} (the search was{place})" if place else told
    return (
        f"the search{of} ran out of {result.outcome}{place}: {result.passed} of"
        f" {result.returns} returns passed, {counted(result.crashed, 'crashed operation')};"
        f" {_walked(result)}"
    )


def _walked(result: SearchResult) -> str:
    """How wide the walk over everything was. What else is tried holds one way at a time."""
    if result.walked is None:
        return "they were passed depth first, and nothing was left for the walk over everything"
    passed = "" if result.walked == result.passed else f", which passed {result.walked} returns,"
    held = counted(result.frontier, "configuration")
    return f"the walk over everything{passed} had {held} in hand, at most {result.widest:,}"


def hottest(hardest: Sequence[Mapping[str, Any]], steps: int) -> str:
    """Where most steps went, of those that were taken for all objects."""
    most = max(hardest, key=lambda entry: int(entry["steps"]))
    of = of_object(most["key"], most.get("element"))
    return f"most steps went to the object{of}: {most['steps']:,} of {steps:,}"


def refuted(found: Witness, of: str) -> str:
    """The search and its twin disagree."""
    return (
        f"the native search holds {operation(found.culprit)}{of} for impossible, its twin"
        " does not: one of them is wrong, please report this history"
    )


def unasked(of: str) -> str:
    """An object was found illegal, with crashed operations left out that may have an effect."""
    return (
        f"the search{of} found no order, but the seconds were spent before the crashed"
        " operations that the model declares pure were asked in every state that it came upon"
    )


def doubted(rules: str, of: str) -> str:
    """Rules and the search disagree."""
    return (
        f"the rules of {rules} hold the history{of} for impossible, the search does not:"
        " one of them is wrong, please report this history"
    )


def ruled_out(problem: Problem, number: int, rules: str, spent: str) -> Explanation:
    """Operations that rules hold for impossible, where the search came to no end."""
    beside = problem.beside_of(number)
    with_it = () if beside is None else beside.rows
    rows = sorted({*problem.objects.group(number), *with_it})
    operations = tuple(problem.history[row] for row in rows[:RULED_MAX])
    shown = operations if len(operations) == len(rows) else operations[:NAMED_MAX]
    named = [*map(_named, shown), *_additions(0 if beside is None else beside.hidden)]
    if len(shown) < len(rows):
        named.append(counted(len(rows) - len(shown), "other operation"))
    told = f"{listed(named)}{problem.objects.named(number)}"
    why = (
        f"so say the rules of {rules}: the search came to no end with these operations, for the"
        f" budget of {spent} was spent, and they were not made fewer"
    )
    more = counted(len(rows) - len(operations), "operation")
    cut = f"the small history is wrong only with {more} more"
    details = (why, cut) if len(operations) < len(rows) else (why,)
    return Explanation(f"no order explains {told} alone", operations, operations, details=details)
