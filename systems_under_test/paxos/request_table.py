"""The request table: which commands of which session were carried out, and how they ended (P21).

Replicated state: the same log prefix gives the same table on every replica, whatever is forgotten
included. A session's row holds short results; a longer one has a row of its own, read only for a
repetition. All longer results together are bounded in bytes: beyond it the oldest is forgotten, and
a repetition of its request is told so and not carried out. So nothing here grows with what clients
ask, and a command rewrites a short row only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from systems_under_test.paxos.commands import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from systems_under_test.paxos.commands import Command
    from systems_under_test.paxos.configuration import Configuration
    from systems_under_test.paxos.counters import Counters
    from systems_under_test.paxos.step import Step

SESSIONS: Final = "sessions"
RESULTS: Final = "results"

RESULT_IN_SESSION_MAX: Final = 64
"""Results of so many bytes stand in the row of their session."""
EXPIRED_AT_ONCE_MAX: Final = 64
"""So many sessions are forgotten with one command, however many have expired."""
SEQUENCE_BYTES: Final = 8


class Result(msgspec.Struct, frozen=True, array_like=True):
    """How a command ended: an HTTP status, and a JSON list with a result for each step.

    A step that shows what it was given has null there. Of a command that was refused the results
    are a JSON string with the reason.
    """

    status: int
    results: bytes
    slot: int


class Session(msgspec.Struct, array_like=True):
    """The requests of a session that are remembered: by sequence their digest and their result.

    `used` is the log's age at the last use, `slot` the slot of it. `floor` is the highest sequence
    that was forgotten: nothing at or below it is executed. A result without bytes lies in a row of
    its own, if it was not forgotten.
    """

    used: int
    slot: int
    floor: int
    results: dict[int, tuple[bytes, Result]]


class _Long(msgspec.Struct, frozen=True, array_like=True):
    """The row of a longer result."""

    session: str
    sequence: int
    slot: int
    results: bytes


Name = tuple[str, int]
"""(session, sequence)."""

_encode = msgspec.msgpack.Encoder().encode
_session_decode = msgspec.msgpack.Decoder(Session).decode
_long_decode = msgspec.msgpack.Decoder(_Long).decode


def _key_of(name: Name) -> bytes:
    """Where a longer result lies. The sequence has a fixed length, so no two names share a key."""
    session, sequence = name
    return session.encode() + sequence.to_bytes(SEQUENCE_BYTES, "big")


def _used_at(pair: tuple[str, Session]) -> int:
    return pair[1].slot


class Gathered:
    """Rows of a request table as they come, in any order."""

    def __init__(self) -> None:
        self.sessions: list[tuple[str, Session]] = []
        self.longer: list[tuple[int, Name, int]] = []

    def add(self, rows: Iterable[tuple[str, bytes, bytes]]) -> None:
        """Take rows (table, key, value); those of other tables are no part of it."""
        for table, key, content in rows:
            if table == SESSIONS:
                self.sessions.append((key.decode(), _session_decode(content)))
            elif table == RESULTS:
                one = _long_decode(content)
                self.longer.append((one.slot, (one.session, one.sequence), len(one.results)))


class RequestTable:
    """The table of one generation of the state. `generation` names its tables."""

    def __init__(self, configuration: Configuration, counters: Counters) -> None:
        self._configuration = configuration
        self._counters = counters
        self.generation = 0
        self.sessions: dict[str, Session] = {}
        """In order of their last use."""
        self._long: dict[Name, int] = {}
        """The longer results that are kept, the oldest first, with their bytes."""
        self.long_bytes = 0

    # --- taking it up ---

    def load(self, gathered: Gathered) -> None:
        """Take the table from the rows of it."""
        sessions, longer = gathered.sessions, gathered.longer
        # In the order of slots, in which every replica has put them in: what is forgotten first
        # must not depend on who was started again.
        sessions.sort(key=_used_at)
        self.sessions = dict(sessions)
        self._long = {name: size for _, name, size in sorted(longer)}
        self.long_bytes = sum(self._long.values())

    # --- a command ---

    def refusal(self, step: Step, command: Command, age: int) -> Result | None:
        """The answer to a request that is not to be executed, None for one that is."""
        if age - command.known >= self._configuration.command_age:
            return _refused(410, "the request took too long to be carried out")
        session = self.sessions.get(command.session)
        if session is None:
            if len(self.sessions) >= self._configuration.sessions_max:
                return _refused(503, "there are too many sessions: try later")
            return None
        known = session.results.get(command.sequence)
        if known is not None:
            return self._repeated(step, command, *known)
        if command.sequence <= session.floor:
            self._counters.requests_below_window += 1
            return _refused(410, "the request id is below the window of its session")
        return None

    def _repeated(self, step: Step, command: Command, digest: bytes, result: Result) -> Result:
        if digest != command.digest:
            self._counters.requests_of_another_body += 1
            return _refused(422, "this request id was used with another body")
        self._counters.duplicates_answered += 1
        if result.results:
            return result
        name = (command.session, command.sequence)
        row = step.get(self._table(RESULTS), _key_of(name)) if name in self._long else None
        if row is None:
            self._counters.results_forgotten += 1
            return _refused(410, "the request was carried out; its result is kept no longer")
        return Result(result.status, _long_decode(row).results, result.slot)

    def remember(self, step: Step, command: Command, result: Result, age: int, slot: int) -> None:
        """A command was carried out in this slot."""
        session = self.sessions.get(command.session)
        if session is None:
            session = Session(age, slot, -1, {})
        kept = result
        if len(result.results) > RESULT_IN_SESSION_MAX:
            self._keep(step, command, result.results, slot)
            kept = Result(result.status, b"", result.slot)
        session.results[command.sequence] = (command.digest, kept)
        if len(session.results) > self._configuration.request_window:
            oldest = min(session.results)
            del session.results[oldest]
            self._drop(step, (command.session, oldest))
            session.floor = max(session.floor, oldest)
        self._use(step, command.session, session, age, slot)

    def touch(self, step: Step, command: Command, age: int, slot: int) -> None:
        """A session was used, also by a repetition: from now on it lives its whole life.

        Else a repetition could be answered at the end of that life, and its own duplicate, later in
        the log and not yet too old, be carried out.
        """
        session = self.sessions.get(command.session)
        if session is not None:
            self._use(step, command.session, session, age, slot)

    def _use(self, step: Step, name: str, session: Session, age: int, slot: int) -> None:
        self.sessions.pop(name, None)
        self.sessions[name] = session
        session.used, session.slot = age, slot
        step.write(self._table(SESSIONS), name.encode(), _encode(session), durable=False)

    # --- forgetting ---

    def expire(self, step: Step, age: int, session: str) -> None:
        """Forget sessions by the log's age; what they asked is too old to be taken again.

        The session of the command in hand first: it must not be found where it has expired.
        """
        limit = age - self._configuration.session_ttl
        mine = self.sessions.get(session)
        if mine is not None and mine.used < limit:
            self._forget(step, session, mine)
        for _ in range(EXPIRED_AT_ONCE_MAX):
            name, oldest = next(iter(self.sessions.items()), ("", None))
            if oldest is None or oldest.used >= limit:
                return
            self._forget(step, name, oldest)

    def _forget(self, step: Step, name: str, session: Session) -> None:
        del self.sessions[name]
        self._counters.sessions_expired += 1
        step.write(self._table(SESSIONS), name.encode(), None, durable=False)
        for sequence in session.results:
            self._drop(step, (name, sequence))

    def _keep(self, step: Step, command: Command, results: bytes, slot: int) -> None:
        """Keep a longer result, and forget the oldest ones if they are too many bytes."""
        name = (command.session, command.sequence)
        self._drop(step, name)
        self._long[name] = len(results)
        self.long_bytes += len(results)
        row = _encode(_Long(*name, slot, results))
        step.write(self._table(RESULTS), _key_of(name), row, durable=False)
        while self.long_bytes > self._configuration.results_bytes_max:
            self._drop(step, next(iter(self._long)))

    def _drop(self, step: Step, name: Name) -> None:
        size = self._long.pop(name, None)
        if size is not None:
            self.long_bytes -= size
            step.write(self._table(RESULTS), _key_of(name), None, durable=False)

    def _table(self, name: str) -> str:
        return f"{name}-{self.generation}"


def _refused(status: int, sentence: Any) -> Result:
    return Result(status, canonical(sentence), 0)
