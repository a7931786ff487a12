"""Generators that remember what completions taught, and hand it to later operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from workloads.generators.lifting import lift
from workloads.generators.protocol import Answer, Context, Generator, Liftable, Pending
from workloads.invocations import Invocation

if TYPE_CHECKING:
    from checker.history.events import Event

KEYS_MAX: Final = 1_000
"""So many keys are remembered for each process; the one that was learned first is forgotten."""

Memory = Mapping[Any, Any]
"""For each key, what was learned last."""

EVERYONE: Final = "everyone"


class Remembering(msgspec.Struct, frozen=True):
    """Learns from events by key, for each process or for all together, and applies it."""

    learn: Callable[[Event], Any]
    apply: Callable[[Invocation, Any], Invocation]
    shared: bool
    generator: Generator
    memories: dict[int | str, dict[Any, Any]]
    """What each process has learned. Only the changed process's part is copied for an event."""

    def op(self, ctx: Context) -> Answer:
        """The next operation, with what its process remembers of its key."""
        answer = self.generator.op(ctx)
        if answer is None:
            return None
        op, after = answer
        rest = self if after is self.generator else self._with(after, self.memories)
        if isinstance(op, Pending):
            return op, rest
        whose = EVERYONE if self.shared else op.process
        memory = None if whose is None else self.memories.get(whose)
        return self.apply(op, None if memory is None else memory.get(_plain(op.key))), rest

    def update(self, ctx: Context, event: Event) -> Generator:
        """Learn from the event; forget a process that has ended."""
        after = self.generator.update(ctx, event)
        memories = self.memories
        learned = self.learn(event)
        whose = EVERYONE if self.shared else event.process
        if learned is not None:
            memories = {**memories, whose: _learned(memories.get(whose, {}), event.key, learned)}
        elif event.type == "info" and not self.shared and whose in memories:
            memories = {p: m for p, m in memories.items() if p != whose}
        if after is self.generator and memories is self.memories:
            return self
        return self._with(after, memories)

    def _with(self, generator: Generator, memories: dict[int | str, dict[Any, Any]]) -> Generator:
        return Remembering(self.learn, self.apply, self.shared, generator, memories)


def _learned(memory: dict[Any, Any], key: Any, learned: Any) -> dict[Any, Any]:
    key = _plain(key)
    if key not in memory and len(memory) >= KEYS_MAX:
        memory = dict(list(memory.items())[1:])
    return {**memory, key: learned}


def _plain(key: Any) -> Any:
    """A key that can be looked up: JSON keys may be lists."""
    return repr(key) if isinstance(key, list | dict) else key


def remembering(
    learn: Callable[[Event], Any],
    apply: Callable[[Invocation, Any], Invocation],
    generator: Liftable,
    *,
    shared: bool = False,
) -> Generator:
    """Remembers by key what `learn` made of each event, and has `apply` put it into operations.

    `learn(event)` returns what is worth remembering, None if nothing is. `apply(op, remembered)`
    returns the operation to be invoked; `remembered` is what was learned last on the operation's
    key by its process (with `shared`, by anybody), None if nothing was. Both are pure.
    """
    return Remembering(learn, apply, shared, lift(generator), {})


def context_of(event: Event) -> Any:
    """The causal context that a completion returned: in its output, or beside it."""
    if event.type != "ok":
        return None
    if isinstance(event.output, dict) and "context" in event.output:
        return event.output["context"]
    return event.extra.get("context")


def with_contexts(
    generator: Liftable,
    *,
    in_input: frozenset[str] = frozenset({"put", "delete"}),
    in_extra: frozenset[str] = frozenset({"write"}),
) -> Generator:
    """Gives each write the last causal context that its process was given for its key.

    A context is taken from `output["context"]` of a completion, or from its `extra["context"]`.
    It goes into the input (an object) of operations named in `in_input`, null if there is none,
    and stays as it is where the input has one: `{"value": 7, "context": None}` is a blind write.
    It goes into `extra` of those named in `in_extra`, if there is one.
    """

    def hand(op: Invocation, context: Any) -> Invocation:
        made, extra = op.input, op.extra
        if op.f in in_input:
            if not (made is None or isinstance(made, dict)):
                raise TypeError(f"{op.f!r} has the input {made!r}: a context needs an object")
            if made is not None and "context" in made:
                return op
            made = {**(made or {}), "context": context}
        elif op.f in in_extra and context is not None and "context" not in extra:
            extra = {**extra, "context": context}
        else:
            return op
        return Invocation(op.f, made, op.key, op.process, op.time, op.node, extra)

    return remembering(context_of, hand, generator)
