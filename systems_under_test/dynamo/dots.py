"""Where dots come from: the node's counter, and the last dot of each key in this life."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.versions import Dot, Version

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

    def __init__(self, step: Step, node: str, incarnation: int, *, reuse: bool, durable: bool):
        stored = step.get(META, COUNTER)
        # The bug: a life that knows neither its number nor how far the last one counted.
        self._incarnation = 1 if reuse else incarnation
        self._counter = 0 if stored is None or reuse else int.from_bytes(stored, "big")
        self._node = node
        self._durable = durable
        self._last: OrderedDict[bytes, int] = OrderedDict()

    @property
    def counter(self) -> int:
        """The counter of the last dot."""
        return self._counter

    def new_version(self, step: Step, key: Key, history: History, value: bytes | None) -> Version:
        """A version that has seen this history, with a dot that nobody ever had."""
        self._counter += 1
        counter = self._counter
        step.write(META, COUNTER, counter.to_bytes(8, "big"), durable=self._durable)
        prev = self._last.pop(key.stored, counter - 1)
        self._last[key.stored] = counter
        if len(self._last) > REMEMBERED_MAX:
            self._last.popitem(last=False)
        return Version(Dot(self._node, self._incarnation, counter), prev, history, value)
