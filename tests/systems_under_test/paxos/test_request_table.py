"""The request table: the same on every replica, bounded, and never executing anything twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.simulated.disk import Disk
from systems_under_test.environments.simulated.options import SimulationOptions
from systems_under_test.paxos.commands import Command
from systems_under_test.paxos.configuration import MS, Configuration
from systems_under_test.paxos.counters import Counters
from systems_under_test.paxos.own_ids import LANES, OwnIds
from systems_under_test.paxos.request_table import EXPIRED_AT_ONCE_MAX
from systems_under_test.paxos.state_machine import TABLES, StateMachine
from systems_under_test.paxos.step import Step
from systems_under_test.replica import Now, Turn
from systems_under_test.rng import Rng

if TYPE_CHECKING:
    from systems_under_test.paxos.request_table import Result

OPTIONS = Configuration(
    session_ttl_ms=1_000,
    sessions_max=100,
    request_window=4,
    results_bytes_max=2_000,
    transaction_bytes_max=900,
    value_bytes_max=600,
)


class Replica:
    """A state machine on a disk of its own; each command is an input."""

    def __init__(self, configuration: Configuration = OPTIONS) -> None:
        self._disk = Disk(SimulationOptions(), Rng("disk"))
        self._configuration = configuration
        self.start()

    def start(self) -> None:
        """A new life."""
        self.state = StateMachine(self._configuration, Counters())
        self.state.load(self._step())

    def _step(self) -> Step:
        return Step(Turn(Now(0, 0), Rng("replica"), self._disk))

    def apply(self, command: Command, slot: int, time: int) -> Result:
        step = self._step()
        result = self.state.apply(step, command, slot, time)
        self._disk.apply(step.effects)  # type: ignore[arg-type]
        return result

    def rows(self) -> dict[str, dict[bytes, bytes]]:
        return {table: dict(self._step().scan(self.state.table(table))) for table in TABLES}


def commands(seed: int, count: int) -> list[tuple[Command, int]]:
    """Commands with the log's time: repetitions, long results, pauses in which sessions expire."""
    rng = Rng(f"{seed}")
    made: list[tuple[Command, int]] = []
    now = 0
    for _ in range(count):
        now += rng.choice([0, 0, 1, 5, 400]) * MS
        if made and rng.below(4) == 0:
            made.append((rng.choice(made)[0], now))
            continue
        session, sequence = f"s{rng.below(6)}", rng.below(12)
        key, grows = f"k{rng.below(3)}", b'"%s"' % (b"x" * rng.choice([1, 90, 200]))
        steps = rng.choice([(("r", key, b"null"),), (("concat", key, grows), ("r", key, b"null"))])
        made.append((Command(session, sequence, now, b"%d" % sequence, steps), now))
    return made


@pytest.mark.parametrize("seed", range(5))
def test_a_replica_that_was_started_again_goes_on_like_one_that_was_not(seed: int) -> None:
    log = commands(seed, 300)
    steady, restarted = Replica(), Replica()
    statuses = set()
    for slot, (command, time) in enumerate(log, 1):
        if slot % 37 == 0:
            restarted.start()
        results = [replica.apply(command, slot, time) for replica in (steady, restarted)]
        assert results[0] == results[1]
        statuses.add(results[0].status)
        assert steady.state.requests.long_bytes <= OPTIONS.results_bytes_max
    assert steady.rows() == restarted.rows()
    assert statuses == {200, 410, 413, 422} or statuses == {200, 410, 413}
    assert steady.state.requests.long_bytes == restarted.state.requests.long_bytes


def test_of_many_sessions_that_expire_together_few_are_forgotten_with_each_command() -> None:
    replica = Replica()
    steps = (("append", "k", b"1"),)
    for n in range(100):
        assert replica.apply(Command(f"s{n}", 1, 0, b"", steps), n + 1, 0).status == 200
    late = 2_000 * MS
    # Its own session has expired as well, and is not found: the request is another one.
    assert replica.apply(Command("s99", 1, late, b"", steps), 101, late).status == 200
    assert len(replica.state.requests.sessions) == 100 - EXPIRED_AT_ONCE_MAX
    assert replica.state.read(replica._step(), "k").count(b"1") == 101
    replica.apply(Command("s99", 2, late, b"", steps), 102, late)
    assert list(replica.state.requests.sessions) == ["s99"]


def test_a_copy_of_a_command_that_outlived_its_session_is_refused() -> None:
    """Nothing is known of its request any more: carried out, it would be carried out twice."""
    replica, late, half = Replica(), 1_000 * MS + 1, 500 * MS
    command = Command("s", 1, 0, b"", (("append", "k", b"1"),))
    assert replica.apply(command, 1, 0).status == 200
    assert replica.apply(Command("t", 1, late, b"", (("w", "j", b"1"),)), 2, late).status == 200
    assert list(replica.state.requests.sessions) == ["t"]
    assert replica.apply(command, 3, late).status == 410
    assert replica.state.read(replica._step(), "k") == b"[1]"
    young = Command("u", 1, late, b"", (("append", "k", b"2"),))
    assert replica.apply(young, 4, late + half).status == 410
    assert replica.apply(young, 5, late + half - 1).status == 200


def test_a_node_gives_ids_so_that_none_falls_below_the_window_in_whatever_order() -> None:
    """Two thousand requests open at once, of which the oldest reach the log last."""
    replica = Replica(Configuration())
    ids = OwnIds("n1~1~", Configuration().request_window)
    taken = [ids.take() for _ in range(2_000)]
    assert len(set(taken)) == 2_000
    for slot, (session, sequence) in enumerate(reversed(taken), 1):
        command = Command(session, sequence, 0, b"", (("w", "k", b"1"),))
        assert replica.apply(command, slot, 0).status == 200
    for name in taken:
        ids.done(*name)
    lanes = ids.lanes
    assert lanes == 2_000 // 16
    for _ in range(10 * LANES):
        ids.done(*ids.take())
    assert ids.lanes == lanes
