"""A run judged while it goes on: driving ends at the first violation of linearizability.

What is judged so is what the workload's own checker would judge, by the same model. The verdict is
still that of the whole check afterwards; this one only ends the run.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checker.linearizability.checker import CLAIM, Linearizable
from checker.linearizability.streaming import Stream
from workloads.judging import OfOperations

if TYPE_CHECKING:
    from checker.history.events import Event
    from lineal.definition import Test
    from workloads.generators.protocol import Answer, Context, Generator

logger = logging.getLogger("lineal.live_check")


class LiveCheck:
    """Streams of all judges of linearizability of a test, fed with every event recorded."""

    def __init__(self, streams: list[Stream]) -> None:
        self._streams = streams

    @property
    def violation(self) -> int | None:
        """The index of an operation that fits into no order, None as long as there is none."""
        found = (stream.culprit for stream in self._streams if stream.state == "illegal")
        return next(found, None)

    @property
    def gave_up(self) -> str | None:
        """Why it cannot say any more, None as long as it can."""
        return next((s.cause for s in self._streams if s.state == "given up"), None)

    def event(self, event: Event) -> None:
        """Take the next event."""
        for stream in self._streams:
            before = stream.state
            if before == "possible" and stream.feed(event) == "given up":
                logger.warning("the live check gave up: %s", stream.cause)


def problems_of(test: Test) -> list[str]:
    """Why a test cannot be judged while it goes on."""
    if not _streams_of(test):
        return [f"nothing for --live-check: the workload {test.workload} judges no linearizability"]
    if CLAIM not in test.promises().claims:
        return [f"nothing for --live-check: {test.system.name} claims no linearizability here"]
    return []


def live_check_of(test: Test) -> LiveCheck:
    """The live check of a test."""
    return LiveCheck(_streams_of(test))


def _streams_of(test: Test) -> list[Stream]:
    streams = []
    for judge in test.made_workload.judges:
        names, inner = None, judge
        if isinstance(judge, OfOperations):
            names, inner = judge.names, judge.judge
        if isinstance(inner, Linearizable):
            streams.append(Stream(inner.model, names=names, prune=inner.prune))
    return streams


@dataclass(frozen=True, slots=True)
class WhileFine:
    """A generator that is exhausted for good when the live check has found a violation."""

    generator: Generator
    live: LiveCheck

    def op(self, ctx: Context) -> Answer:
        """What the generator does next, as long as nothing is wrong."""
        answer = None if self.live.violation is not None else self.generator.op(ctx)
        return answer and (answer[0], WhileFine(answer[1], self.live))

    def update(self, ctx: Context, event: Event) -> Generator:
        """Pass it on."""
        return WhileFine(self.generator.update(ctx, event), self.live)
