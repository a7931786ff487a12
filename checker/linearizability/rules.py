"""Objects judged by rules, without a search: registers by zones, containers by what lies in them.

`zones.rs`, `items.rs` and `stacks.rs` say how, and why that is enough. Rules ask that no value is
given twice; what they find illegal they show in a few operations that are so alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from checker import _core
from checker.history.layout import FAIL, INFO
from checker.models.queues import Queue, Stack, UnorderedQueue
from checker.models.register import CasRegister, Register

if TYPE_CHECKING:
    from collections.abc import Mapping

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
}
"""For each set of rules the models that it judges, and what is said of any other."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """What rules say of each object.

    `codes` has a byte for each: UNDECIDED, LEGAL or ILLEGAL. `illegal` has rows of those that are
    illegal, which are so alone; `inapplicable` is the first undecided one with the reason.
    `observed` tells whether any decided one was read.
    """

    codes: bytes
    illegal: Mapping[int, list[int]]
    inapplicable: tuple[int, str] | None
    observed: bool


def misfit(name: str, model: Specification) -> str | None:
    """Why these rules say nothing of this model, whatever the history; None if they may.

    A model that is derived from one of these may do anything else.
    """
    models, why = RULES[name]
    return None if type(model) in models else why


def judge(name: str, history: History, objects: Objects, model: Specification) -> Ruled:
    """Judge every object of the history by the rules of this name, which fit the model."""
    columns, values = history.columns, history.values
    codes, illegal, inapplicable, observed = _core.judge_by_rules(
        name,
        (columns.call, columns.ret, columns.process),
        (columns.f, columns.input, columns.output, columns.outcome),
        values.texts,
        values.ends,
        objects.rows,
        objects.ends,
        _initial(model).encode(),
        FAIL,
        INFO,
        isinstance(model, CasRegister),
    )
    return Ruled(codes, dict(illegal), inapplicable, observed)


def _initial(model: Specification) -> str:
    """What the object holds at the beginning, as canonical JSON text."""
    if isinstance(model, REGISTERS):
        return model.value
    assert isinstance(model, CONTAINERS)
    return f"[{','.join(model.items)}]"
