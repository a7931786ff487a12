"""Registers in which no value is written twice, decided without a search: `zones.rs` says how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from checker import _core
from checker.history.layout import FAIL, INFO
from checker.models.register import CasRegister, Register

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checker.history.columns import History
    from checker.linearizability.objects import Objects
    from checker.models.model import Specification

UNDECIDED, LEGAL, ILLEGAL = range(3)


@dataclass(frozen=True, slots=True)
class Zones:
    """What zones say of each object.

    `codes` has a byte for each: UNDECIDED, LEGAL or ILLEGAL. `illegal` has rows of those that are
    illegal, which are so alone; `inapplicable` is the first undecided one with the reason.
    `observed` tells whether any decided one was read.
    """

    codes: bytes
    illegal: Mapping[int, list[int]]
    inapplicable: tuple[int, str] | None
    observed: bool


NOT_A_REGISTER: Final = "the model is no register"


def judge(history: History, objects: Objects, model: Specification) -> Zones:
    """Judge every object of the history by zones."""
    if not isinstance(model, Register | CasRegister):
        count = len(objects)
        return Zones(bytes(count), {}, (0, NOT_A_REGISTER) if count else None, False)
    columns, values = history.columns, history.values
    codes, illegal, inapplicable, observed = _core.judge_by_zones(
        (columns.call, columns.ret, columns.process),
        (columns.f, columns.input, columns.output, columns.outcome),
        values.texts,
        values.ends,
        objects.rows,
        objects.ends,
        model.value.encode(),
        FAIL,
        INFO,
        isinstance(model, CasRegister),
    )
    return Zones(codes, dict(illegal), inapplicable, observed)
