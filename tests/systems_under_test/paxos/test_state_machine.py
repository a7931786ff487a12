"""The request table: what is carried out, what is answered from memory, what is refused."""

from __future__ import annotations

from systems_under_test.environments.simulated.disk import Disk
from systems_under_test.environments.simulated.options import SimulationOptions
from systems_under_test.paxos.commands import Command
from systems_under_test.paxos.configuration import MS, Configuration
from systems_under_test.paxos.counters import Counters
from systems_under_test.paxos.state_machine import StateMachine
from systems_under_test.paxos.step import Step
from systems_under_test.replica import Now, Turn
from systems_under_test.rng import Rng

TTL = 1_000


class Applied:
    """A state machine, and the log that it applies."""

    def __init__(self) -> None:
        disk = Disk(SimulationOptions(), Rng("disk"))
        self._step = Step(Turn(Now(0, 0), Rng("replica"), disk))
        self._state = StateMachine(Configuration(session_ttl_ms=TTL), Counters())
        self._slot = 0

    def append(self, sequence: int, *, taken_in: int, applied: int) -> int:
        """The status of a command that makes the list longer, times on the log's clock in ms."""
        self._slot += 1
        steps = (("append", "list", b"1"),)
        command = Command("me", sequence, taken_in * MS, b"same", steps)
        return self._state.apply(self._step, command, self._slot, applied * MS).status

    @property
    def length(self) -> int:
        """How often it was carried out."""
        return self._state.read(self._step, "list").count(b"1")


def test_a_repetition_keeps_its_session_alive_for_its_own_duplicates() -> None:
    log = Applied()
    assert log.append(1, taken_in=0, applied=0) == 200
    assert log.append(1, taken_in=990, applied=995) == 200  # Repeated by the client.
    assert log.append(1, taken_in=990, applied=1_010) == 200  # That repetition, forwarded twice.
    assert log.length == 1


def test_a_repetition_of_the_first_half_of_a_sessions_life_is_never_carried_out_again() -> None:
    log = Applied()
    assert log.append(1, taken_in=0, applied=0) == 200
    assert log.append(1, taken_in=499, applied=998) == 200
    assert log.length == 1
    late = Applied()
    assert late.append(1, taken_in=0, applied=0) == 200
    assert late.append(1, taken_in=499, applied=1_001) == 410
    assert late.length == 1


def test_a_session_that_has_expired_is_another_one() -> None:
    log = Applied()
    assert log.append(1, taken_in=0, applied=0) == 200
    assert log.append(1, taken_in=1_500, applied=1_501) == 200
    assert log.length == 2
