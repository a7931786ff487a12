"""Versioning as in the paper: vector clocks of server ids, cut to ten entries by timestamp.

A vector clock is a history with one interval (-1, counter] for each server: it says "everything
that this server wrote of the key up to here". A version is dropped when another's clock is nowhere
less. As the coordinator advances its own entry beyond all that it ever wrote, its clock passes an
earlier one that differs in this entry alone, whether the client had seen that version or not: **of
two concurrent updates through one coordinator the first is lost**. That is the paper's scheme,
known, and claimed by nobody; compare `versions.py`, which is exact.

The paper keeps beside each entry the time of its last update, and drops the oldest entry beyond
ten. Here the counter is that time: it runs with the node's wall clock in microseconds, and never
back. What was dropped is no longer covered, so what had been replaced may be read beside it again.

An entry belongs to a server's store: one that was lost has lost the counter.

Source: DeCandia et al., SOSP 2007, 4.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.versions import CLOCKED, join

if TYPE_CHECKING:
    from systems_under_test.dynamo.versions import History

ENTRIES_MAX: Final = 10


def advanced(context: History, node: str, incarnation: int, counter: int) -> History:
    """The clock of a write with this counter, less the write itself.

    Its own entry, which is updated now, stays whatever its clock says.
    """
    others = tuple(line for line in context if line[:2] != (node, incarnation))
    earlier = ((node, incarnation, (CLOCKED, counter - 1)),)
    return join((cut(others, ENTRIES_MAX - 1), earlier))


def cut(history: History, entries: int) -> History:
    """At most so many entries: those with the greatest counters stay."""
    if len(history) <= entries:
        return history
    newest = sorted(history, key=lambda line: (line[2][-1], line[0]), reverse=True)
    return tuple(sorted(newest[:entries]))
