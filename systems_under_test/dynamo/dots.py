"""Where dots come from: the node's counter, and the last dot of each key in this life."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.bugs import (
    REUSE_DOT_AFTER_CRASH,
    REUSE_DOT_AFTER_HANDOFF,
    TRUNCATE_AT_TWO,
)
from systems_under_test.dynamo.last_write_wins import next_counter
from systems_under_test.dynamo.vector_clocks import advanced, cut
from systems_under_test.dynamo.versions import (
    CLOCKED,
    STAMPED,
    Dot,
    Version,
    context_of,
    decode,
)

if TYPE_CHECKING:
    from systems_under_test.dynamo.ring import Key
    from systems_under_test.dynamo.step import Step
    from systems_under_test.dynamo.versions import History

META: Final = "meta"
COUNTER: Final = b"counter"
REMEMBERED_MAX: Final = 100_000
"""Keys whose last dot is remembered. A forgotten one costs a longer history, nothing else."""


class DotSource:
    """Makes versions. The counter is durable in the same input that stores the version."""

    def __init__(
        self,
        step: Step,
        node: str,
        incarnation: int,
        *,
        vector: bool,
        stamped: bool = False,
        ahead: int = 0,
        bug: str | None,
        durable: bool,
    ) -> None:
        reuse = bug == REUSE_DOT_AFTER_CRASH
        self.by_key = bug == REUSE_DOT_AFTER_HANDOFF
        stored = step.get(META, COUNTER)
        # The bug: a life that knows neither its number nor how far the last one counted.
        self.incarnation = 1 if reuse else incarnation
        self._counter = 0 if stored is None or reuse else int.from_bytes(stored, "big")
        self._node = node
        self._vector = vector
        self._stamped = stamped
        self._ahead = ahead
        self._cuts = bug == TRUNCATE_AT_TWO
        self.cut = 0
        """How many histories of new versions were cut in this life."""
        self._durable = durable
        self._last: OrderedDict[bytes, int] = OrderedDict()

    @property
    def counter(self) -> int:
        """The counter of the last dot."""
        return self._counter

    def new_version(
        self, step: Step, key: Key, history: History, value: bytes | None, held: bytes | None = None
    ) -> Version:
        """A version that has seen this history, with a dot that nobody ever had.

        `held` is what the bug `reuse-dot-after-handoff` counts on from.
        """
        if self.by_key:
            return self._counted_by_key(history, value, decode(held))
        if self._vector or self._stamped:
            counter = next_counter(self._counter, step.wall + self._ahead)
        else:
            counter = self._counter + 1
        self._counter = counter
        step.write(META, COUNTER, counter.to_bytes(8, "big"), durable=self._durable)
        dot = Dot(self._node, self.incarnation, counter)
        if self._vector:
            clock = advanced(history, *dot)
            lines = {(node, life) for node, life, _ in history} | {dot[:2]}
            self.cut += len(clock) < len(lines)
            return Version(dot, CLOCKED, clock, value)
        if self._stamped:
            return Version(dot, STAMPED, history, value)
        if self._cuts:
            self.cut += len(history) > len(cut(history, 2))
            history = cut(history, 2)
        prev = self._last.pop(key.stored, counter - 1)
        self._last[key.stored] = counter
        if len(self._last) > REMEMBERED_MAX:
            self._last.popitem(last=False)
        return Version(dot, prev, history, value)

    def _counted_by_key(
        self, history: History, value: bytes | None, held: tuple[Version, ...]
    ) -> Version:
        """The bug: the counter of a key goes on from what is held of it, and begins anew at 1."""
        counter = 1 + max(
            (
                bounds[-1]
                for node, life, bounds in context_of(held)
                if (node, life) == (self._node, 1)
            ),
            default=0,
        )
        return Version(Dot(self._node, 1, counter), counter - 1, history, value)
