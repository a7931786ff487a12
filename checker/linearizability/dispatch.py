"""Which objects of a history are decided at once, and what is left to be searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checker import _core
from checker.history.layout import FAIL
from checker.linearizability import zones
from checker.linearizability.objects import by_key
from checker.linearizability.problem import problem_of
from checker.models.register import CasRegister, Register
from checker.wording import of_key

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.linearizability.problem import Problem
    from checker.models.model import Specification

ALGORITHMS: Final[dict[str, str]] = {
    "zones": "registers in which no value is written twice, by first returns and last calls",
    "frontier": "any model, by a search over all that may be so after each return",
}
"""How an object can be judged. The first that applies to it is taken."""


class Inapplicable(ValueError):
    """An algorithm that was asked for and does not apply. The message says why."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What is known of a history before anything is searched.

    `problem` is left to be searched: undecided objects, and of those that zones hold for illegal
    the operations that are so alone. `by_zones` numbers the latter objects in the problem. Beside
    them `legal` objects with `legal_operations` are decided; `observed` tells whether any of what
    zones decided was read.
    """

    problem: Problem
    by_zones: frozenset[int] = frozenset()
    legal: int = 0
    legal_operations: int = 0
    observed: bool = False

    def algorithms(self) -> str:
        """The algorithms that judged, in words."""
        by_search = len(self.problem.objects) - len(self.by_zones)
        zones_did = ["zones"] if self.legal or self.by_zones else []
        return " and ".join([*zones_did, *(["frontier"] if by_search or not zones_did else [])])


def dispatch(history: History, model: Specification, algorithm: str | None = None) -> Dispatch:
    """Decide what can be decided at once.

    Raises Inapplicable if an algorithm is asked for that does not apply to every object, Unfit for
    operations that the model cannot take.
    """
    if algorithm == "frontier" or not isinstance(model, Register | CasRegister):
        if algorithm == "zones":
            raise Inapplicable("zones do not apply: the model is no register")
        return Dispatch(problem_of(history, model))
    outcome = history.columns.outcome
    objects = by_key(history, outcome)
    judged = zones.judge(history, objects, model)
    if algorithm == "zones" and judged.inapplicable is not None:
        number, reason = judged.inapplicable
        raise Inapplicable(f"zones do not apply{of_key(objects.key(number))}: {reason}")
    together = [row for rows in judged.illegal.values() for row in rows]
    left = _core.keep_rows(
        outcome, objects.rows, objects.ends, judged.codes, zones.UNDECIDED, together, FAIL
    )
    problem = problem_of(history, model, outcome=memoryview(left).cast("i"))
    legal = [number for number, code in enumerate(judged.codes) if code == zones.LEGAL]
    return Dispatch(
        problem,
        _numbers(history, problem, [rows[0] for rows in judged.illegal.values()]),
        len(legal),
        sum(len(objects.group(number)) for number in legal),
        judged.observed,
    )


def _numbers(history: History, problem: Problem, rows: list[int]) -> frozenset[int]:
    """The objects of the problem to which these rows belong."""
    if not rows:
        return frozenset()
    key: Any = history.columns.key
    wanted = {key[row] for row in rows}
    objects = problem.objects
    return frozenset(n for n in range(len(objects)) if key[objects.group(n)[0]] in wanted)
