"""Stores in memory that answer at once and correctly, and their broken twins.

They stand behind `replay`, so that a workload, its final reads and its judges are tried together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workloads.generators.schedule import Ending

if TYPE_CHECKING:
    from workloads.generators import Invocation
    from workloads.generators.protocol import Rng

LATENCY_NS_MAX = 40


def ok(rng: Rng, output: Any = None, **extra: Any) -> Ending:
    return Ending("ok", rng.between(1, LATENCY_NS_MAX), output, extra)


@dataclass
class Registers:
    """Single values; broken, a write is forgotten now and then."""

    broken: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    written: int = 0

    def __call__(self, op: Invocation, rng: Rng) -> Ending:
        if op.f == "read":
            return ok(rng, self.values.get(op.key))
        if op.f == "write":
            self.written += 1
            if not (self.broken and self.written % 5 == 0):
                self.values[op.key] = op.input
            return ok(rng)
        assert op.f == "cas"
        old, new = op.input
        swapped: bool = self.values.get(op.key) == old
        if swapped:
            self.values[op.key] = new
        return ok(rng, swapped)

    def dump(self) -> dict[str, Any]:
        return dict(self.values)


@dataclass
class Versioned:
    """Concurrent versions behind contexts; broken, every put replaces whatever there is."""

    broken: bool = False
    versions: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    observed: dict[int, frozenset[int]] = field(default_factory=dict)
    conflicts: int = 0

    def __call__(self, op: Invocation, rng: Rng) -> Ending:
        held = self.versions.setdefault(op.key, {})
        if op.f == "get":
            self.conflicts += len(held) > 1
            covered = frozenset[int]().union(*(self.observed[dot] | {dot} for dot in held))
            shown = [{"id": f"n1.1.{dot}", **held[dot]} for dot in sorted(held)]
            return ok(rng, {"versions": shown, "context": self._token(op.key, covered)})
        context = op.input["context"]
        assert not (op.f == "delete" and context is None), "a delete without a context"
        seen = frozenset(map(int, context.split(":")[1].split(","))) if context else frozenset()
        dot = len(self.observed) + 1
        self.observed[dot] = seen
        kept = {} if self.broken else {d: v for d, v in held.items() if d not in seen}
        new = {"tombstone": True} if op.f == "delete" else {"value": op.input["value"]}
        self.versions[op.key] = {**kept, dot: new}
        return ok(rng, {"id": f"n1.1.{dot}", "context": self._token(op.key, seen | {dot})})

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        return {
            key: [{"id": f"n1.1.{dot}", **held[dot]} for dot in sorted(held)]
            for key, held in sorted(self.versions.items())
        }

    def _token(self, key: str, covered: frozenset[int]) -> str | None:
        return f"{key}:{','.join(map(str, sorted(covered)))}" if covered else None


@dataclass
class Sets:
    """Sets of elements; broken, every seventh element is acknowledged and not kept."""

    broken: bool = False
    elements: dict[str, list[int]] = field(default_factory=dict)

    def __call__(self, op: Invocation, rng: Rng) -> Ending:
        held = self.elements.setdefault(op.key, [])
        if op.f == "read":
            return ok(rng, list(held))
        if not (self.broken and op.input % 7 == 0):
            held.append(op.input)
        return ok(rng)
