"""Makes the version graphs of a history: follows every causal context from reply to write."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checker.convergence.versions import (
    DELETE,
    GET,
    NOTHING,
    PUT,
    Bounds,
    Read,
    VersionGraph,
    Write,
)
from checker.identity import identity
from checker.wording import of_key, value

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.history.events import Operation
    from checker.identity import Identity


SHOWN: Final = ("versions", "id")
"""Fields of answers that tell versions."""


WRITES_MAX: Final = 50_000
"""Writes of one key that are followed: their sets take n * n / 8 bytes and as much time."""


class Cover(NamedTuple):
    """What a context covers: as bounds, by the positions that its reply named, in that reply."""

    bounds: Bounds
    parents: tuple[int, ...]
    reply: Operation


class TwoCovers(NamedTuple):
    """One context of one key, given with two replies that cover different versions."""

    graph: VersionGraph
    first: Cover
    second: Cover


class ForeignContext(NamedTuple):
    """A write that was accepted with a context that only replies about another key had given."""

    operation: Operation
    reply: Operation


@dataclass(slots=True)
class Versions:
    """The version graph of every key, and what is wrong with contexts, in order of events."""

    by_key: dict[Identity, VersionGraph] = field(default_factory=dict)
    two_covers: list[TwoCovers] = field(default_factory=list)
    foreign: list[ForeignContext] = field(default_factory=list)

    @classmethod
    def of(cls, history: History, *, writes_max: int = WRITES_MAX) -> Versions:
        """Follow every event of a get, put or delete. ValueError for one of another shape.

        Operations that surely never happened (`fail`) are left out, and so are gets without an
        answer: they tell nothing. A key with more than `writes_max` writes has a problem and no
        versions.
        """
        versions, covers = cls(), _Covers()
        events = _events(history)
        writes = Counter(identity(op.key) for op, is_answer in events if not is_answer)
        for operation, is_answer in events:
            graph = versions._graph(operation.key)
            if writes[identity(operation.key)] > writes_max:
                graph.problem = (
                    f"more than {writes_max} writes{of_key(graph.key)} were not followed"
                )
            elif not is_answer:
                versions._asked(graph, operation, covers)
            elif operation.f == GET:
                versions._read(graph, operation, covers)
            else:
                write = graph.writes[covers.position_of[operation.index]]
                cover = Cover(write.down, (write.position,), operation)
                versions._returned(graph, _output(operation).get("context"), cover, covers)
        return versions

    def _graph(self, key: Any) -> VersionGraph:
        return self.by_key.setdefault(identity(key), VersionGraph(key))

    def _asked(self, graph: VersionGraph, operation: Operation, covers: _Covers) -> None:
        position = len(graph.writes)
        covers.position_of[operation.index] = position
        asked = _input(operation)
        cover = self._passed(graph, operation, asked.get("context"), covers)
        graph.append(
            Write(
                position,
                operation,
                _id(operation) if operation.outcome == "ok" else None,
                NOTHING if cover is None else cover.bounds,
                () if cover is None else cover.parents,
                None if cover is None else cover.reply,
            )
        )

    def _read(self, graph: VersionGraph, operation: Operation, covers: _Covers) -> None:
        output = _output(operation)
        entries = output.get("versions")
        if not isinstance(entries, list):
            raise ValueError(f"the get at index {operation.index} has no list of versions")
        found = tuple(map(graph.version, entries))
        read = Read(operation, found, graph.down(found))
        graph.reads.append(read)
        inside = tuple(v for v, it in zip(found, entries, strict=True) if _is_covered(it))
        told = read if len(inside) == len(found) else Read(operation, inside, graph.down(inside))
        cover = Cover(told.down, told.parents, operation)
        self._returned(graph, output.get("context"), cover, covers)

    def _returned(self, graph: VersionGraph, token: Any, cover: Cover, covers: _Covers) -> None:
        """A reply gave this context."""
        if token is None:
            return
        token, key = identity(token), identity(graph.key)
        covers.last_reply[token, key, cover.reply.process] = cover.reply
        of_token = covers.of_token.setdefault(token, {})
        known = of_token.get(key)
        if known is None:
            of_token[key] = cover
            return
        if known.bounds == cover.bounds:
            return
        (certain, possible), (also_certain, also_possible) = known.bounds, cover.bounds
        if certain & ~also_possible or also_certain & ~possible:
            self.two_covers.append(TwoCovers(graph, known, cover))
        bounds = Bounds(certain & also_certain, possible | also_possible)
        parents = tuple(p for p in known.parents if p in cover.parents)
        of_token[key] = Cover(bounds, parents, known.reply)

    def _passed(
        self, graph: VersionGraph, operation: Operation, token: Any, covers: _Covers
    ) -> Cover | None:
        """What the context covers that a write passed; None for a blind write."""
        if token is None:
            return None
        of_token = covers.of_token.get(identity(token), {})
        own = of_token.get(key := identity(graph.key))
        if own is not None:
            given = covers.last_reply.get((identity(token), key, operation.process))
            return own if given is None else own._replace(reply=given)
        if of_token and not any(cover.bounds.possible for cover in of_token.values()):
            # The context of nothing may look the same for every key, and does no harm.
            return None
        source = next(iter(of_token.values())).reply if of_token else None
        if source is not None and operation.outcome == "ok":
            self.foreign.append(ForeignContext(operation, source))
        else:
            graph.gap = graph.gap or (
                f"assumption broken: the {operation.f}{of_key(graph.key)} at index"
                f" {operation.index} passed the context {value(token)}, which no reply about this"
                f" key had given"
            )
        everything = (1 << len(graph.writes)) - 1
        return Cover(Bounds(0, everything), (), source or operation)


@dataclass(slots=True)
class _Covers:
    """What the contexts given so far cover, by key; and where each write stands in its graph.

    `last_reply` is the last reply that gave a context of a key to a process.
    """

    of_token: dict[Identity, dict[Identity, Cover]] = field(default_factory=dict)
    last_reply: dict[tuple[Identity, Identity, int], Operation] = field(default_factory=dict)
    position_of: dict[int, int] = field(default_factory=dict)


def shows_versions(history: History) -> bool:
    """Whether gets list versions, or writes return their ids."""
    return any(
        isinstance(operation.output, dict) and not operation.output.keys().isdisjoint(SHOWN)
        for f in (GET, PUT, DELETE)
        for operation in history.operations(f, outcome="ok")
    )


def _events(history: History) -> list[tuple[Operation, bool]]:
    """Invocations of writes, and answers, in the order of the file."""
    events: list[tuple[int, Operation, bool]] = []
    for operation in history:
        is_write = operation.f in (PUT, DELETE)
        if not (is_write or operation.f == GET) or operation.outcome == "fail":
            continue
        if is_write:
            events.append((operation.index, operation, False))
        if operation.outcome == "ok" and operation.completion is not None:
            events.append((operation.completion, operation, True))
    events.sort(key=lambda event: event[0])
    return [(operation, is_answer) for _, operation, is_answer in events]


def _is_covered(entry: dict[str, Any]) -> bool:
    """Whether the context of the reply covers a version that it shows: unless it says not.

    A store whose contexts are bounded may show more than one of them can say.
    """
    return entry.get("covered") is not False


def _input(operation: Operation) -> dict[str, Any]:
    asked = operation.input
    if not isinstance(asked, dict) or (operation.f == PUT and "value" not in asked):
        raise ValueError(
            f"the {operation.f} at index {operation.index} needs an input with a context"
            f"{' and a value' if operation.f == PUT else ''}, not {value(asked)}"
        )
    return asked


def _output(operation: Operation) -> dict[str, Any]:
    answered = operation.output
    if not isinstance(answered, dict):
        raise ValueError(
            f"the answer to the {operation.f} at index {operation.index} is {value(answered)},"
            " no object"
        )
    return answered


def _id(operation: Operation) -> str:
    id = _output(operation).get("id")
    if not isinstance(id, str):
        raise ValueError(f"the {operation.f} at index {operation.index} was answered without an id")
    return id
