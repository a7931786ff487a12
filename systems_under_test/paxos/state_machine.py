"""The state that the log decides: keys with values, and the request table (P13, P21).

Deterministic: the same log prefix gives the same state on every replica. Both live in tables of
the storage port, ordered by key (the B-tree), in one of two generations; a snapshot is put in
place by writing the other generation and then the head, in one input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from systems_under_test.paxos.commands import NULL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from systems_under_test.paxos.commands import Command, Steps
    from systems_under_test.paxos.configuration import Configuration
    from systems_under_test.paxos.counters import Counters
    from systems_under_test.paxos.step import Step

VALUES: Final = "values"
SESSIONS: Final = "sessions"
TABLES: Final = (VALUES, SESSIONS)

Rows = tuple[tuple[str, bytes, bytes], ...]
"""(table, key, value): a part of the state on its way."""

_json_decode = msgspec.json.Decoder().decode
canonical = msgspec.json.Encoder(order="sorted").encode


class Result(msgspec.Struct, frozen=True, array_like=True):
    """How a command ended: an HTTP status, and a JSON list with a result for each step.

    Of one that was refused the results are a JSON string with the reason.
    """

    status: int
    results: bytes
    slot: int


class Session(msgspec.Struct, array_like=True):
    """The requests of a session that are remembered.

    `floor` is the highest sequence that was forgotten: nothing at or below it is executed.
    """

    used: int
    floor: int
    results: dict[int, tuple[bytes, Result]]


_session_encode = msgspec.msgpack.Encoder().encode
_session_decode = msgspec.msgpack.Decoder(Session).decode


def _used(pair: tuple[str, Session]) -> int:
    return pair[1].used


def aged(age: int, passed: int, configuration: Configuration) -> int:
    """The age of a log after one more slot, whose stamp is later by `passed`; in nanoseconds.

    Of a longer time only so much counts, that of a rest or of a wall clock that jumped: else one
    jump would end every session, and a request that is repeated behind it be carried out again.
    """
    return age + min(max(0, passed), configuration.aging_max)


class Conflict(Exception):
    """A step cannot be carried out: the whole transaction is refused and changes nothing."""


@dataclass(slots=True)
class StateMachine:
    """Applies commands in order of slots."""

    configuration: Configuration
    counters: Counters
    forgets_requests: bool
    """Bug `duplicate-applied-twice`."""
    generation: int
    sessions: dict[str, Session]
    """In order of their last use."""

    def table(self, name: str) -> str:
        """The name of a table in the generation that counts."""
        return f"{name}-{self.generation}"

    def load(self, step: Step) -> None:
        """Read the request table."""
        found = [
            (key.decode(), _session_decode(content))
            for key, content in step.storage.scan(self.table(SESSIONS))
        ]
        found.sort(key=_used)
        self.sessions = dict(found)

    def take_sessions(self, parts: Iterable[Rows]) -> None:
        """Take the request table from a snapshot's rows of (table, key, value)."""
        found = [
            (key.decode(), _session_decode(content))
            for rows in parts
            for table, key, content in rows
            if table == SESSIONS
        ]
        found.sort(key=_used)
        self.sessions = dict(found)

    def read(self, step: Step, key: str) -> bytes:
        """The value of a key in canonical JSON, null if it is absent."""
        return step.get(self.table(VALUES), key.encode()) or NULL

    def apply(self, step: Step, command: Command, slot: int, age: int) -> Result:
        """Carry out a command once, whatever how often the log holds it."""
        self._expire(step, age)
        session = self.sessions.get(command.session)
        refused = self._refusal(command, session, age)
        if refused is not None:
            if session is not None:
                self._use(step, command.session, session, age)
            return refused
        result = self._execute(step, command.steps, slot)
        if session is None:
            session = Session(age, -1, {})
        session.results[command.sequence] = (command.digest, result)
        if len(session.results) > self.configuration.request_window:
            oldest = min(session.results)
            del session.results[oldest]
            session.floor = max(session.floor, oldest)
        self._use(step, command.session, session, age)
        return result

    def _use(self, step: Step, name: str, session: Session, age: int) -> None:
        """A session was used, also by a repetition: from now on it lives its whole life.

        Else a repetition could be answered at the end of that life, and its own duplicate, later in
        the log and not yet too old, be carried out.
        """
        self.sessions.pop(name, None)
        self.sessions[name] = session
        session.used = age
        content = _session_encode(session)
        step.write(self.table(SESSIONS), name.encode(), content, durable=False)

    def _refusal(self, command: Command, session: Session | None, age: int) -> Result | None:
        """The answer to a request that is not to be executed, None for one that is."""
        if self.forgets_requests:
            return None
        if age - command.known >= self.configuration.command_age:
            return Result(410, canonical("the request took too long to be carried out"), 0)
        if session is None:
            if len(self.sessions) >= self.configuration.sessions_max:
                return Result(503, canonical("there are too many sessions: try later"), 0)
            return None
        known = session.results.get(command.sequence)
        if known is not None:
            if known[0] != command.digest:
                self.counters.requests_of_another_body += 1
                return Result(422, canonical("this request id was used with another body"), 0)
            self.counters.duplicates_answered += 1
            return known[1]
        if command.sequence <= session.floor:
            self.counters.requests_below_window += 1
            return Result(410, canonical("the request id is below the window of its session"), 0)
        return None

    def _expire(self, step: Step, age: int) -> None:
        """Forget sessions by the log's age; what they asked is too old to be taken again."""
        limit = age - self.configuration.session_ttl
        while self.sessions:
            name, session = next(iter(self.sessions.items()))
            if session.used >= limit:
                return
            del self.sessions[name]
            self.counters.sessions_expired += 1
            step.write(self.table(SESSIONS), name.encode(), None, durable=False)

    def _execute(self, step: Step, steps: Steps, slot: int) -> Result:
        """Carry out the steps in order, all of them or none."""
        changed: dict[str, bytes] = {}
        results: list[Any] = []
        try:
            for verb, key, value in steps:
                held = changed.get(key)
                if held is None:
                    held = self.read(step, key)
                after, result = step_on(verb, key, held, value)
                if after is not None:
                    changed[key] = after
                results.append(msgspec.Raw(result))
        except Conflict as conflict:
            self.counters.transactions_refused += 1
            return Result(409, canonical(str(conflict)), slot)
        table = self.table(VALUES)
        for key, value in changed.items():
            step.write(table, key.encode(), None if value == NULL else value, durable=False)
        return Result(200, canonical(results), slot)


def step_on(verb: str, key: str, held: bytes, value: bytes) -> tuple[bytes | None, bytes]:
    """The value of the key afterwards (None: unchanged), and the result. Raises Conflict."""
    if verb == "r":
        if value not in (NULL, held):
            raise Conflict(f"{key} does not hold what was expected")
        return None, held
    if verb == "w":
        return value, value
    if verb == "cas":
        old, new = (canonical(part) for part in _json_decode(value))
        return (new, b"true") if held == old else (None, b"false")
    return _longer(verb, key, held, value), value


def _longer(verb: str, key: str, held: bytes, value: bytes) -> bytes:
    """A list with one element more, or a string with another behind it."""
    before = _json_decode(held)
    more = _json_decode(value)
    if verb == "append":
        if before is None:
            before = []
        if not isinstance(before, list):
            raise Conflict(f"{key} holds no list to append to")
        return canonical([*before, more])
    if before is None:
        return value
    if not isinstance(before, str):
        raise Conflict(f"{key} holds no string to append to")
    return canonical(before + more)
