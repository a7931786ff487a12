"""The openly simple twin of `checker.convergence.contexts`: the definitions, as sets and recursion.

Slow, and here for comparison on random histories. A write is named by the index of its invocation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from checker.history.values import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker.history.columns import History
    from checker.history.events import Operation

Bound = Literal["certain", "possible"]


class Reference:
    """What every write had observed, and every read has in its `down`, by definition."""

    def __init__(self, history: History) -> None:
        self._operations = [op for op in history if op.outcome != "fail"]
        self._known: dict[tuple[int, Bound], frozenset[int]] = {}

    def writes(self, key: Any) -> list[Operation]:
        """The puts and deletes of a key that happened or may have."""
        return [op for op in self._of_key(key) if op.f in ("put", "delete")]

    def reads(self, key: Any) -> list[Operation]:
        """The answered gets of a key."""
        return [op for op in self._of_key(key) if op.f == "get" and op.outcome == "ok"]

    def covered(self, reply: Operation, bound: Bound) -> frozenset[int]:
        """What the context of an answered operation covers: of a get all, unless it says not."""
        if reply.f != "get":
            return self._down(reply, bound)
        versions = reply.output["versions"]
        return self._all_of([it for it in versions if it.get("covered", True)], reply, bound)

    def down(self, read: Operation, bound: Bound) -> frozenset[int]:
        """What a get returned with all that this observed."""
        return self._all_of(read.output["versions"], read, bound)

    def _all_of(
        self, versions: Iterable[dict[str, Any]], reply: Operation, bound: Bound
    ) -> frozenset[int]:
        found: frozenset[int] = frozenset()
        for version in versions:
            candidates = [self._down(write, bound) for write in self.candidates(version, reply)]
            found |= _all_or_any(candidates, bound)
        return found

    def candidates(self, version: dict[str, Any], reply: Operation) -> list[Operation]:
        """The writes that may have made a version: asked before the reply came, and fitting."""
        assert reply.completion is not None
        before = [op for op in self.writes(reply.key) if op.index < reply.completion]
        if "tombstone" not in version:
            wanted = canonical(version["value"])
            return [op for op in before if op.f == "put" and canonical(op.input["value"]) == wanted]
        deletes = [op for op in before if op.f == "delete"]
        told = [op for op in deletes if op.outcome == "ok" and op.output["id"] == version["id"]]
        return told or [op for op in deletes if op.outcome == "info"]

    def observed(self, write: Operation, bound: Bound) -> frozenset[int]:
        """What the writer of a write had seen; remembered, nothing else is clever here."""
        name = (write.index, bound)
        if name not in self._known:
            self._known[name] = self._passed(write, bound)
        return self._known[name]

    def _passed(self, write: Operation, bound: Bound) -> frozenset[int]:
        """What is covered by the reply whose context the write passed.

        If several replies gave that context, what all of them cover is certain, and what one of
        them covers is possible. Of a context that no reply about the key gave nothing is certain.
        """
        token = write.input.get("context")
        if token is None:
            return frozenset()
        replies = [reply for reply in self._operations if self._gave(reply, token, write)]
        own = [reply for reply in replies if canonical(reply.key) == canonical(write.key)]
        if own:
            return _all_or_any([self.covered(reply, bound) for reply in own], bound)
        if replies and not any(self.covered(reply, "possible") for reply in replies):
            return frozenset()
        everything = frozenset(op.index for op in self.writes(write.key) if op.index < write.index)
        return everything if bound == "possible" else frozenset()

    def _gave(self, reply: Operation, token: Any, write: Operation) -> bool:
        if reply.outcome != "ok" or reply.f not in ("get", "put", "delete"):
            return False
        assert reply.completion is not None
        given = reply.output.get("context")
        return reply.completion < write.index and canonical(given) == canonical(token)

    def _down(self, write: Operation, bound: Bound) -> frozenset[int]:
        return self.observed(write, bound) | {write.index}

    def _of_key(self, key: Any) -> list[Operation]:
        return [op for op in self._operations if canonical(op.key) == canonical(key)]


def _all_or_any(sets: Iterable[frozenset[int]], bound: Bound) -> frozenset[int]:
    given = list(sets)
    if not given:
        return frozenset()
    if bound == "certain":
        return frozenset.intersection(*given)
    return frozenset().union(*given)
