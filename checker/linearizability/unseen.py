"""Crashed operations that put into a container what nobody took out again: they are left out.

A history with such an operation is legal if and only if it is without. Take an order in which it
has its place. Either its value stayed inside to the end; then nothing behind it in a queue, or
under it in a stack, was taken any more, and nobody found the container empty. Or a crashed
operation took it, which need not have happened either: leave out both. What the others found is as
before, whatever else has the same value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checker.history.layout import FAIL, INFO
from checker.history.values import NULL, int32
from checker.models.queues import Queue, Stack, UnorderedQueue

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.models.model import Specification

PUTS: Final = {Queue: "enqueue", UnorderedQueue: "enqueue", Stack: "push"}


def outcomes_without_unseen(history: History, model: Specification) -> memoryview:
    """The outcomes of a history (int32), FAIL for what is left out of it.

    They are the history's own where nothing is: there are no such operations, or the model is no
    container. One that is derived from a container may do anything else.
    """
    columns, put = history.columns, PUTS.get(type(model))
    outcomes = columns.outcome.tolist()
    if put is None or INFO not in outcomes:
        return columns.outcome
    # Of an output it does not matter here whose it is: too many only leave too much in.
    seen = set(zip(columns.key.tolist(), columns.output.tolist(), strict=True))
    crashed = (row for row, outcome in enumerate(outcomes) if outcome == INFO)
    for row in crashed:
        # Null cannot be put in, which is to be said.
        is_put = history.values[columns.f[row]] == put and columns.input[row] != NULL
        if is_put and (columns.key[row], columns.input[row]) not in seen:
            outcomes[row] = FAIL
    return int32(outcomes)
