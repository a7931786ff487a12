"""One after the other, everyone waiting for everyone in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from workloads.generators.lifting import lift, sequence
from workloads.generators.protocol import PENDING, Answer, Context, Generator, Liftable

if TYPE_CHECKING:
    from checker.history.events import Event


class Synchronize(msgspec.Struct, frozen=True):
    """Waits until every thread it sees is free."""

    generator: Generator

    def op(self, ctx: Context) -> Answer:
        """The generator's first operation, once nothing is in flight."""
        return self.generator.op(ctx) if len(ctx.free) == len(ctx.processes) else (PENDING, self)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Pass it on."""
        after = self.generator.update(ctx, event)
        return self if after is self.generator else Synchronize(after)


def synchronize(generator: Liftable) -> Generator:
    """Waits until every thread is free, then goes on as the generator.

    Only threads that it sees count: inside `on_clients` it does not wait for the nemesis.
    """
    return Synchronize(lift(generator))


def phases(*generators: Liftable) -> Generator:
    """Each of these when everything before it has ended, operations in flight included."""
    return sequence(tuple(synchronize(g) for g in generators))


def then(first: Liftable, second: Liftable) -> Generator:
    """The first; once it and its operations have ended, the second."""
    return sequence((lift(first), synchronize(second)))
