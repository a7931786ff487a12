"""Rebuilding a state from the archive: list, fetch a snapshot, replay the segments after it.

One object is fetched and replayed with each input, so that none takes long. What a replay gives is
what a replica would have had: it is the same state machine, over rows in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from systems_under_test.paxos import commands
from systems_under_test.paxos.archive import (
    Inventory,
    NotArchived,
    decode_picture,
    decode_values,
)
from systems_under_test.paxos.commands import COMMAND
from systems_under_test.paxos.counters import Counters
from systems_under_test.paxos.request_table import Gathered
from systems_under_test.paxos.state_machine import TABLES, VALUES, StateMachine, aged
from systems_under_test.paxos.step import Step
from systems_under_test.replica import Now, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from systems_under_test.paxos.archive import Segment
    from systems_under_test.paxos.configuration import Configuration
    from systems_under_test.replica import ObjectAnswer, Rng

LONGEST: Final = 60_000_000_000
"""A rebuilding that is not done after so many nanoseconds is given up."""


@dataclass(slots=True)
class Memory:
    """A storage of rows in memory; what a replay writes stays in its step."""

    tables: dict[str, dict[bytes, bytes]] = field(default_factory=dict)

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value under a key."""
        return self.tables.get(table, {}).get(key)

    def scan(
        self,
        table: str,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        size_max: int | None = None,
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries with start <= key < stop, in order of key."""
        size = 0
        for key, value in sorted(self.tables.get(table, {}).items()):
            if start <= key and (stop is None or key < stop):
                yield key, value
                size += len(key) + len(value)
                if size_max is not None and size >= size_max:
                    return

    def records(self, file: str) -> Iterator[bytes]:
        """None: a replica keeps no files."""
        return iter(())


class Replay:
    """A state that grows by what the log holds, up to a slot or a time."""

    def __init__(
        self, configuration: Configuration, rng: Rng, slot: int | None, time: int | None
    ) -> None:
        self.slot, self.time, self._age = 0, 0, 0
        self.done = False
        self._until_slot, self._until_time = slot, time
        self._configuration = configuration
        self._memory = Memory()
        self._step = Step(Turn(Now(0, 0), rng, self._memory))
        self._state = StateMachine(configuration, Counters())

    def take_picture(self, content: bytes) -> None:
        """Begin with a snapshot."""
        picture = decode_picture(content)
        for table, key, value in picture.rows:
            self._memory.tables.setdefault(self._state.table(table), {})[key] = value
        gathered = Gathered()
        gathered.add(picture.rows)
        self._state.requests.load(gathered)
        self.slot, self.time = picture.head.applied, picture.head.time
        self._age = picture.head.age

    def take_values(self, segment: Segment, content: bytes) -> None:
        """Apply the slots of a segment that follow on what is applied."""
        for slot, (stamp, payload) in enumerate(decode_values(content), segment.first):
            if slot != self.slot + 1:
                continue
            time = max(self.time, stamp)
            late = self._until_time is not None and time > self._until_time
            if late or self.slot == self._until_slot:
                self.done = True
                return
            self._age = aged(self._age, time - self.time, self._configuration)
            self.slot, self.time = slot, time
            if payload[:1] == COMMAND:
                self._state.apply(self._step, commands.decode(payload), slot, self._age)
        self._step.effects.clear()

    def rows(self) -> dict[str, dict[bytes, bytes]]:
        """The state: for each table, without its generation, value by key."""
        return {table: dict(self._step.scan(self._state.table(table))) for table in TABLES}


class Rebuilding:
    """One rebuilding under way. `finished` is told the replay, or why there is none."""

    def __init__(
        self, step: Step, configuration: Configuration, *,
        finished: Callable[[Step, Replay | str], None],
        slot: int | None = None, time: int | None = None,
    ) -> None:  # fmt: skip
        self._slot, self._time = slot, time
        self._finished = finished
        self._replay = Replay(configuration, step.rng, slot, time)
        self._began = step.mono
        self._left: list[Segment] = []
        self._waits_for = ("list", "")
        self.over = False
        step.ask_objects("list", "")

    def on_answer(self, step: Step, answer: ObjectAnswer) -> None:
        """Go on with what was fetched."""
        if self.over or (answer.verb, answer.name) != self._waits_for:
            return
        if answer.status != "done":
            told = answer.reason or f"{answer.name} is {answer.status}"
            self._end(step, f"the archive: {told}")
            return
        try:
            self._take(step, answer)
        except NotArchived as missing:
            self._end(step, str(missing))

    def on_timer(self, step: Step) -> None:
        """Give up what takes too long."""
        if not self.over and step.mono - self._began > LONGEST:
            self._end(step, "the archive did not answer in time")

    def _take(self, step: Step, answer: ObjectAnswer) -> None:
        if answer.verb == "list":
            there = Inventory(answer.names)
            if self._slot is not None:
                start, self._left = there.at_slot(self._slot)
            else:
                assert self._time is not None
                start, self._left = there.at_time(self._time)
            if start.slot:
                self._fetch(step, start.name)
                return
        elif self._left and answer.name == self._left[0].name:
            self._replay.take_values(self._left.pop(0), answer.content)
        else:
            self._replay.take_picture(answer.content)
        if self._left and not self._replay.done:
            self._fetch(step, self._left[0].name)
        else:
            self._end(step, self._replay)

    def _fetch(self, step: Step, name: str) -> None:
        self._waits_for = ("get", name)
        step.ask_objects("get", name)

    def _end(self, step: Step, result: Replay | str) -> None:
        self.over = True
        self._finished(step, result)


def keys_of(rows: dict[str, dict[bytes, bytes]]) -> dict[bytes, bytes]:
    """The clients' keys with their values, canonical JSON, without the request table."""
    return rows[VALUES]
