"""Objects judged by rules, without a search: registers by zones, containers by what lies in them.

`zones.rs`, `items.rs`, `stacks.rs`, `whole_sets.py` and `counting.py` say how, and why that is
enough. What they find illegal they show in a few operations that are so alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from checker import _core
from checker.history.layout import FAIL, INFO
from checker.linearizability.problem import Beside
from checker.linearizability.unruled import Unruled, Watch
from checker.models.counter import Counter, Distance
from checker.models.model import text
from checker.models.queues import Queue, Stack, UnorderedQueue
from checker.models.register import CasRegister, Register
from checker.models.set import Part, Set

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checker._core import SearchBudget
    from checker.history.columns import History
    from checker.linearizability.objects import Objects
    from checker.models.model import Specification

UNDECIDED, LEGAL, ILLEGAL = range(3)

REGISTERS: Final = (Register, CasRegister)
CONTAINERS: Final = (Queue, Stack, UnorderedQueue)
RULES: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    "zones": (REGISTERS, "the model is no register"),
    "queue": ((Queue,), "the model is no queue, first in first out"),
    "stack": ((Stack,), "the model is no stack"),
    "unordered-queue": ((UnorderedQueue,), "the model is no unordered queue"),
    "growing": ((Set,), "the model is no set"),
    "counting": ((Counter,), "the model is no counter"),
}
"""For each set of rules the models that it judges, and what is said of any other."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """What rules say of each object.

    `codes` has a byte for each: UNDECIDED, LEGAL or ILLEGAL. `illegal` has rows of those that are
    illegal, which are so alone; `inapplicable` is the first undecided one with the reason.
    `observed` tells whether any decided one was read. `part` is a model for which the rows of the
    illegal ones are illegal alone, if it is not that of the whole history; `beside` what is to be
    shown with an illegal one then, if anything is.
    """

    codes: bytes
    illegal: Mapping[int, list[int]]
    inapplicable: tuple[int, str] | None
    observed: bool
    part: Specification | None = None
    beside: Mapping[int, Beside] = field(default_factory=dict)


def misfit(name: str, model: Specification) -> str | None:
    """Why these rules say nothing of this model, whatever the history; None if they may.

    A model that is derived from one of these may do anything else.
    """
    models, why = RULES[name]
    return None if type(model) in models else why


def judge(
    name: str,
    history: History,
    objects: Objects,
    model: Specification,
    spent: SearchBudget | None = None,
) -> Ruled:
    """Judge every object of the history by the rules of this name, which fit the model.

    Objects to which they have not come when the budget is `spent` are undecided.
    """
    if name == "growing":
        assert isinstance(model, Set)
        return _judge_sets(history, objects, model, spent)
    if name == "counting":
        assert isinstance(model, Counter)
        return _judge_counters(history, objects, model, spent)
    columns, values = history.columns, history.values
    codes, illegal, inapplicable, observed = _core.judge_by_rules(
        name,
        (columns.call, columns.ret, columns.process),
        (columns.f, columns.key, columns.input, columns.output, columns.outcome),
        values.texts,
        values.ends,
        objects.rows,
        objects.ends,
        _initial(model).encode(),
        FAIL,
        INFO,
        isinstance(model, CasRegister),
        spent,
    )
    return Ruled(codes, dict(illegal), inapplicable, observed)


def _initial(model: Specification) -> str:
    """What the object holds at the beginning, as canonical JSON text."""
    if isinstance(model, REGISTERS):
        return model.value
    assert isinstance(model, CONTAINERS)
    return f"[{','.join(model.items)}]"


def _judge_sets(
    history: History, objects: Objects, model: Set, spent: SearchBudget | None
) -> Ruled:
    # Of no use to the checks of other models, which would wait for it to be loaded.
    from checker.linearizability.whole_sets import WholeSet, Wrong, adding

    codes = bytearray()
    wrong: dict[int, set[int]] = {}
    elements: set[str] = set()
    inapplicable: tuple[int, str] | None = None
    observed = False
    for number in range(len(objects)):
        try:
            observed |= WholeSet(history, model.elements, Watch(spent)).judge(objects.group(number))
            codes.append(LEGAL)
        except Unruled as why:
            codes.append(UNDECIDED)
            inapplicable = inapplicable or (number, str(why))
        except Wrong as found:
            codes.append(ILLEGAL)
            wrong[number] = found.rows
            elements |= found.elements
            observed = True
    part = Part(frozenset(elements), model.elements & elements)
    illegal = {
        number: sorted({*rows, *adding(history, objects.group(number), part.of)})
        for number, rows in wrong.items()
    }
    return Ruled(bytes(codes), illegal, inapplicable, observed, part if illegal else None)


def _judge_counters(
    history: History, objects: Objects, model: Counter, spent: SearchBudget | None
) -> Ruled:
    # As for sets: other models need not wait for it.
    from checker.linearizability import counting

    codes, watch = bytearray(), Watch(spent)
    illegal: dict[int, list[int]] = {}
    bounds: dict[str, tuple[int | None, int, int]] = {}
    beside: dict[int, Beside] = {}
    inapplicable: tuple[int, str] | None = None
    observed = False
    # Otherwise a search is narrow mostly, and tells more of what is wrong.
    crashed = history.columns.outcome.tolist().count(INFO) > 0
    for number in range(len(objects)):
        try:
            if not crashed:
                raise Unruled("nothing crashed")
            adds, reads = counting.read_all(history, objects.group(number), watch)
            if type(model.value) is not int:
                raise Unruled("a number is not whole")
            found = counting.judge(model.value, adds, reads, watch)
        except Unruled as why:
            codes.append(UNDECIDED)
            inapplicable = inapplicable or (number, str(why))
            continue
        observed |= bool(reads)
        codes.append(LEGAL if found is None else ILLEGAL)
        if found is not None:
            illegal[number] = sorted(found.rows)
            bounds[text(objects.key(number))] = found.start, found.least, found.most
            beside[number] = Beside(found.adds, found.hidden)
    part = Distance(bounds) if illegal else None
    return Ruled(bytes(codes), illegal, inapplicable, observed, part, beside)
