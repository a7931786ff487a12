"""Where dots come from: the number of the store, its counter, and the last dot of each key.

The number is drawn when the store is first opened, from both clocks of the node, so no store that
was lost, nor any other that the node had, has it: nobody need remember what was lost for dots to be
new. It stays over restarts, and with it the counter and the last dot of each key, which are durable
in the input that stores the version: so the intervals of a key go on where they ended, and its
history does not grow with the lives of its coordinators. Counters are set aside a thousand at a
time; what a crash leaves of them is skipped.

Where versions wait in memory, or are not durable at all, each life begins with a number of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import md5
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
STORE_NUMBER: Final = b"store-number"
NUMBER_BYTES: Final = 5
LAST: Final = "last-dots"
SET_ASIDE: Final = 1_000
REMEMBERED_MAX: Final = 100_000
"""Keys whose last dot is remembered in memory. A forgotten one is looked up."""


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
        bug: str | None,
        durable: bool,
    ) -> None:
        reuse = bug == REUSE_DOT_AFTER_CRASH
        self.by_key = bug == REUSE_DOT_AFTER_HANDOFF
        stored = step.get(META, COUNTER)
        # The bug: a life that knows neither its number nor how far the last one counted.
        self._counter = 0 if stored is None or reuse else int.from_bytes(stored, "big")
        self._set_aside = self._counter
        self._stays = durable and not reuse
        """Whether a later life goes on where this one ends."""
        self.number = 1 if reuse else self._store_number(step, node, incarnation)
        """The number of this store, in all its dots."""
        self._node = node
        self._vector = vector
        self._stamped = stamped
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
            counter = next_counter(self._counter, step.wall)
        else:
            counter = self._counter + 1
        self._count(step, counter)
        dot = Dot(self._node, self.number, counter)
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
        prev = self._last_of(step, key, counter - 1)
        self._last[key.stored] = counter
        if self._stays:
            step.write(LAST, key.stored, counter.to_bytes(8, "big"))
        if len(self._last) > REMEMBERED_MAX:
            self._last.popitem(last=False)
        return Version(dot, prev, history, value)

    def forget(self, step: Step, key: Key) -> None:
        """Nobody holds anything of the key any more: its next history begins anew."""
        self._last.pop(key.stored, None)
        if self._stays:
            step.write(LAST, key.stored, None, durable=False)

    def _store_number(self, step: Step, node: str, incarnation: int) -> int:
        stored = step.get(META, STORE_NUMBER) if self._stays else None
        if stored is None:
            drawn = f"{node} {step.wall} {step.mono} {incarnation}".encode()
            stored = md5(drawn, usedforsecurity=False).digest()[:NUMBER_BYTES]
            if self._stays:
                step.write(META, STORE_NUMBER, stored)
        return int.from_bytes(stored, "big")

    def _count(self, step: Step, counter: int) -> None:
        """Go on to this counter, of which no later life of the store gives any up to it."""
        self._counter = counter
        if counter > self._set_aside:
            by_time = self._vector or self._stamped
            self._set_aside = counter if by_time else counter + SET_ASIDE
            step.write(META, COUNTER, self._set_aside.to_bytes(8, "big"), durable=self._durable)

    def _last_of(self, step: Step, key: Key, otherwise: int) -> int:
        """The counter of the last dot of a key, or of no dot of it at all."""
        known = self._last.pop(key.stored, None)
        if known is not None:
            return known
        stored = step.get(LAST, key.stored) if self._stays else None
        return otherwise if stored is None else int.from_bytes(stored, "big")

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
