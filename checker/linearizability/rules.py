"""Objects judged by rules, without a search: registers by zones, queues by four rules.

`zones.rs` and `queues.rs` say how, and why that is enough. Rules ask that no value is given twice;
what they find illegal they show in a few operations that are so alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from checker import _core
from checker.history.layout import FAIL, INFO
from checker.models.queues import Queue
from checker.models.register import CasRegister, Register

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checker.history.columns import History
    from checker.linearizability.objects import Objects
    from checker.models.model import Specification

UNDECIDED, LEGAL, ILLEGAL = range(3)

RULES: Final = ("zones", "queue")
REGISTERS: Final = (Register, CasRegister)


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
    if name == "zones":
        return None if type(model) in REGISTERS else "the model is no register"
    if type(model) is not Queue:
        return "the model is no queue, first in first out"
    return "the queue does not start empty" if model != Queue() else None


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
        model.value.encode() if isinstance(model, REGISTERS) else b"null",
        FAIL,
        INFO,
        isinstance(model, CasRegister),
    )
    return Ruled(codes, dict(illegal), inapplicable, observed)
