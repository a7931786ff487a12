"""The state that the log decides: keys with values, and the request table (P13, P21).

Deterministic: the same log prefix gives the same state on every replica. Both live in tables of
the storage port, ordered by key (the B-tree), in one of two generations; a snapshot is put in
place by writing the other generation and then the head, in one input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from systems_under_test.paxos.commands import NULL, canonical
from systems_under_test.paxos.request_table import RESULTS, SESSIONS, Gathered, RequestTable, Result

if TYPE_CHECKING:
    from systems_under_test.paxos.commands import Command, Steps
    from systems_under_test.paxos.configuration import Configuration
    from systems_under_test.paxos.counters import Counters
    from systems_under_test.paxos.step import Step

VALUES: Final = "values"
TABLES: Final = (VALUES, SESSIONS, RESULTS)
GROWS: Final = ("append", "concat")

Rows = tuple[tuple[str, bytes, bytes], ...]
"""(table, key, value): a part of the state on its way."""

_json_decode = msgspec.json.Decoder().decode


def aged(age: int, passed: int, configuration: Configuration) -> int:
    """The age of a log after one more slot, whose stamp is later by `passed`; in nanoseconds.

    Of a longer time only so much counts, that of a rest or of a wall clock that jumped: else one
    jump would end every session, and a request that is repeated behind it be carried out again.
    """
    return age + min(max(0, passed), configuration.aging_max)


class Conflict(Exception):
    """A step cannot be carried out: the whole transaction is refused and changes nothing."""

    status = 409


class TooLarge(Conflict):
    """It would make a value too long, or read and write too much at once."""

    status = 413


class StateMachine:
    """Applies commands in order of slots. `forgets_requests` is bug `duplicate-applied-twice`."""

    def __init__(
        self,
        configuration: Configuration,
        counters: Counters,
        *,
        forgets_requests: bool = False,
        generation: int = 0,
    ) -> None:
        self._configuration = configuration
        self._counters = counters
        self._forgets_requests = forgets_requests
        self.requests = RequestTable(configuration, counters)
        self.generation = generation

    @property
    def generation(self) -> int:
        """The generation of the tables that counts."""
        return self.requests.generation

    @generation.setter
    def generation(self, generation: int) -> None:
        self.requests.generation = generation

    def table(self, name: str) -> str:
        """The name of a table in the generation that counts."""
        return f"{name}-{self.generation}"

    def load(self, step: Step) -> None:
        """Read the request table."""
        gathered = Gathered()
        for table in (SESSIONS, RESULTS):
            rows = step.storage.scan(self.table(table))
            gathered.add((table, key, content) for key, content in rows)
        self.requests.load(gathered)

    def read(self, step: Step, key: str) -> bytes:
        """The value of a key in canonical JSON, null if it is absent."""
        return step.get(self.table(VALUES), key.encode()) or NULL

    def apply(self, step: Step, command: Command, slot: int, age: int) -> Result:
        """Carry out a command once, whatever how often the log holds it."""
        self.requests.expire(step, age, command.session)
        if not self._forgets_requests:
            refused = self.requests.refusal(step, command, age)
            if refused is not None:
                self.requests.touch(step, command, age, slot)
                return refused
        result = self._execute(step, command.steps, slot)
        self.requests.remember(step, command, result, age, slot)
        return result

    def _execute(self, step: Step, steps: Steps, slot: int) -> Result:
        """Carry out the steps in order, all of them or none."""
        changed: dict[str, bytes] = {}
        results: list[msgspec.Raw] = []
        work = 0
        try:
            for verb, key, value in steps:
                held = changed.get(key)
                if held is None:
                    held = self.read(step, key)
                after, result = step_on(verb, key, held, value)
                if after is not None:
                    self._check_length(key, after)
                    changed[key] = after
                results.append(msgspec.Raw(result))
                work += len(result) + (len(after) if after is not None and verb in GROWS else 0)
                self._check_work(work)
        except Conflict as conflict:
            self._counters.transactions_refused += 1
            return Result(conflict.status, canonical(str(conflict)), slot)
        table = self.table(VALUES)
        for key, value in changed.items():
            step.write(table, key.encode(), None if value == NULL else value, durable=False)
        return Result(200, canonical(results), slot)

    def _check_length(self, key: str, value: bytes) -> None:
        limit = self._configuration.value_bytes_max
        if len(value) > limit:
            raise TooLarge(f"{key} would have {len(value)} bytes; at most {limit} fit")

    def _check_work(self, work: int) -> None:
        limit = self._configuration.transaction_bytes_max
        if work > limit:
            raise TooLarge(f"the transaction reads and makes longer more than {limit} bytes")


def step_on(verb: str, key: str, held: bytes, value: bytes) -> tuple[bytes | None, bytes]:
    """The value of the key afterwards (None: unchanged), and the result; null for a step whose
    result is what it was given. Raises Conflict."""
    if verb == "r":
        if value not in (NULL, held):
            raise Conflict(f"{key} does not hold what was expected")
        return None, held
    if verb == "w":
        return value, NULL
    if verb == "cas":
        old, new = (canonical(part) for part in _json_decode(value))
        return (new, b"true") if held == old else (None, b"false")
    return _longer(verb, key, held, value), NULL


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
