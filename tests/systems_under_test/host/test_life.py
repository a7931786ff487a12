"""The obligations of a host, one test each, on a life without sockets."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from systems_under_test.host.clock import ClockSetting, NodeClock
from systems_under_test.host.life import (
    BATCH_INPUTS_MAX,
    EXIT_COMMIT_FAILED,
    EXIT_REPLICA_RAISED,
    EXIT_STORAGE_DAMAGED,
    INPUTS_WAITING_MAX,
    Life,
)
from systems_under_test.host.log import NodeLog
from systems_under_test.host.memory import MemoryEngine
from systems_under_test.host.storage import Change, CommitFailed
from systems_under_test.replica import (
    Append,
    CancelTimer,
    Diagnostic,
    Effect,
    Input,
    Leave,
    ObjectRequest,
    PeerMessage,
    Respond,
    Send,
    SetTimer,
    Started,
    Stopping,
    StorageDamaged,
    TimerFired,
    Turn,
    Wire,
    Write,
    WriteLater,
)
from systems_under_test.rng import Rng

MILLISECOND = 1_000_000

Handle = Callable[[Input, Turn], Sequence[Effect]]


class Witness:
    """Everything that happened, in order: the outlets and the storage of a life."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.died: list[int] = []

    def send(self, to: str, body: Wire) -> None:
        self.seen.append(("send", to, body))

    def respond(self, reply: Respond) -> None:
        self.seen.append(("respond", reply.request))

    def end(self) -> None:
        self.seen.append(("end",))

    def ask_objects(self, asked: ObjectRequest) -> None:
        self.seen.append(("objects", asked.verb, asked.name))


class WitnessedEngine(MemoryEngine):
    def __init__(self, witness: Witness, failure: Exception | None = None) -> None:
        super().__init__()
        self._witness = witness
        self._failure = failure

    def stage(self, changes: Sequence[Change]) -> None:
        super().stage(changes)

    def commit(self) -> None:
        if self._failure is not None:
            raise self._failure
        super().commit()
        self._witness.seen.append("commit")


class Fixture:
    def __init__(self, handle: Handle, *, failure: Exception | None = None) -> None:
        class Replica:
            def handle(self, event: Input, turn: Turn) -> Sequence[Effect]:
                return handle(event, turn)

        self.witness = Witness()
        self.clock = NodeClock()
        self.text = io.StringIO()
        self.storage = WitnessedEngine(self.witness, failure)
        self.life = Life(
            loop=asyncio.get_running_loop(),
            replica=Replica(),
            storage=self.storage,
            clock=self.clock,
            rng=Rng("test"),
            log=NodeLog(self.text, node="n1", clock=self.clock),
            outlets=self.witness,
            die=self.witness.died.append,
            begun=lambda: self.begun(),
        )
        self.begun: Callable[[], object] = lambda: None


def message(body: Wire) -> PeerMessage:
    return PeerMessage("n2", 1, body)


def bodies(handle: Callable[[Wire, Turn], Sequence[Effect]]) -> Handle:
    def handled(event: Input, turn: Turn) -> Sequence[Effect]:
        return handle(event.body, turn) if isinstance(event, PeerMessage) else []

    return handled


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_batch_is_committed_once_and_then_its_effects_leave_in_order() -> None:
    async def scene() -> None:
        fixture = Fixture(
            bodies(lambda n, _: [Write("t", b"k", b"v"), Send("n2", n), Respond(n, 200)])
        )
        fixture.life.begin(Started(1))
        fixture.witness.seen.clear()
        for n in range(3):
            fixture.life.offer(message(n))
        await settle()
        leaving = [e for n in range(3) for e in (("send", "n2", n), ("respond", n))]
        assert fixture.witness.seen == ["commit", *leaving]
        assert fixture.storage.counters["commits"] == 1
        assert fixture.life.counters["inputs"] == 4

    asyncio.run(scene())


def test_a_replica_that_was_told_to_stop_leaves_after_what_it_sent() -> None:
    async def scene() -> None:
        last: list[Effect] = [Write("t", b"k", b"v"), Send("n2", "take over"), Leave()]
        fixture = Fixture(lambda event, _: last if isinstance(event, Stopping) else [])
        fixture.life.begin(Started(1))
        fixture.witness.seen.clear()
        fixture.life.offer(Stopping())
        await settle()
        assert fixture.witness.seen == ["commit", ("send", "n2", "take over"), ("end",)]

    asyncio.run(scene())


def test_a_read_waits_for_the_commit_of_the_write_that_it_saw() -> None:
    async def scene() -> None:
        def handle(body: Wire, turn: Turn) -> Sequence[Effect]:
            if body == "write":
                return [Write("t", b"k", b"new")]
            return [Send("n2", turn.storage.get("t", b"k"))]

        fixture = Fixture(bodies(handle))
        fixture.life.begin(Started(1))
        fixture.witness.seen.clear()
        fixture.life.offer(message("write"))
        fixture.life.offer(message("read"))
        await settle()
        assert fixture.witness.seen == ["commit", ("send", "n2", b"new")]

    asyncio.run(scene())


def test_nothing_leaves_when_the_commit_fails_and_the_node_dies_saying_why() -> None:
    async def scene() -> None:
        fixture = Fixture(
            bodies(
                lambda n, _: [
                    Diagnostic("told", {"n": n}),
                    Write("t", b"k", b"v"),
                    Send("n2", n),
                    Respond(n, 200),
                ]
            ),
            failure=CommitFailed("no space left"),
        )
        fixture.life._drain_is_due = False
        for n in range(3):
            fixture.life.offer(message(n))
        await settle()
        fixture.life.offer(message(3))
        await settle()
        assert fixture.witness.seen == []
        assert fixture.witness.died == [EXIT_COMMIT_FAILED]
        lines = fixture.text.getvalue().splitlines()
        assert ["told n=0" in lines[0], "told n=2" in lines[2]] == [True, True]
        assert 'reason="no space left"' in lines[-1]

    asyncio.run(scene())


def test_a_replica_that_raises_takes_its_whole_batch_with_it() -> None:
    async def scene() -> None:
        def handle(n: Wire, turn: Turn) -> Sequence[Effect]:
            if n == 2:
                raise RuntimeError("broken on purpose")
            return [Send("n2", n)]

        fixture = Fixture(bodies(handle))
        fixture.life.begin(Started(1))
        fixture.witness.seen.clear()
        for n in range(4):
            fixture.life.offer(message(n))
        await settle()
        assert fixture.witness.seen == []
        assert fixture.witness.died == [EXIT_REPLICA_RAISED]
        assert "RuntimeError: broken on purpose" in fixture.text.getvalue().splitlines()[-1]
        assert "Traceback" in fixture.text.getvalue()

    asyncio.run(scene())


def test_damage_that_the_replica_does_not_handle_ends_the_node_by_name() -> None:
    async def scene() -> None:
        def handle(body: Wire, turn: Turn) -> Sequence[Effect]:
            raise StorageDamaged("record 7 of f")

        fixture = Fixture(bodies(handle))
        fixture.life.begin(Started(1))
        fixture.life.offer(message(1))
        await settle()
        assert fixture.witness.died == [EXIT_STORAGE_DAMAGED]
        assert "record 7 of f" in fixture.text.getvalue()

    asyncio.run(scene())


@pytest.mark.parametrize(
    "effect",
    [
        "sneaky",
        Write("t", "text", b""),  # type: ignore[arg-type]
        WriteLater("t", b"k", "text"),  # type: ignore[arg-type]
        Append("f", bytearray(b"x")),  # type: ignore[arg-type]
        SetTimer("t", 0.5),  # type: ignore[arg-type]
    ],
)
def test_what_the_port_does_not_know_ends_the_node(effect: Any) -> None:
    async def scene() -> None:
        fixture = Fixture(bodies(lambda n, _: [effect]))
        fixture.life.begin(Started(1))
        fixture.life.offer(message(None))
        await settle()
        assert fixture.witness.died == [EXIT_REPLICA_RAISED]

    asyncio.run(scene())


def test_started_is_the_first_input_whatever_came_before_it() -> None:
    async def scene() -> None:
        seen: list[Input] = []

        def handle(event: Input, turn: Turn) -> Sequence[Effect]:
            seen.append(event)
            return []

        fixture = Fixture(handle)
        fixture.life.offer(message("early"))
        await settle()
        assert seen == []
        fixture.life.begin(Started(7))
        await settle()
        assert seen == [Started(7), message("early")]

    asyncio.run(scene())


def test_each_input_has_a_reading_of_the_clocks_taken_after_it_arrived() -> None:
    async def scene() -> None:
        readings: list[int] = []

        def handle(body: Wire, turn: Turn) -> Sequence[Effect]:
            readings.append(turn.now.mono)
            return []

        fixture = Fixture(bodies(handle))
        fixture.life.begin(Started(1))
        fixture.life.offer(message(1))
        fixture.life.offer(message(2))
        offered = fixture.clock.now().mono
        await settle()
        assert offered < readings[0] < readings[1]

    asyncio.run(scene())


def test_a_long_queue_is_handled_in_batches_without_losing_order() -> None:
    async def scene() -> None:
        fixture = Fixture(bodies(lambda n, _: [Write("t", b"k", b""), Send("n2", n)]))
        fixture.life.begin(Started(1))
        fixture.witness.seen.clear()
        many = 2 * BATCH_INPUTS_MAX + 5
        for n in range(many):
            fixture.life.offer(message(n))
        await settle()
        assert [e[2] for e in fixture.witness.seen if e != "commit"] == list(range(many))
        assert fixture.storage.counters["commits"] == 3

    asyncio.run(scene())


def test_too_many_inputs_are_refused_and_counted() -> None:
    async def scene() -> None:
        fixture = Fixture(bodies(lambda n, _: []))
        taken = [fixture.life.offer(message(n)) for n in range(INPUTS_WAITING_MAX + 1)]
        assert taken.count(False) == 1
        assert fixture.life.counters["inputs_refused"] == 1

    asyncio.run(scene())


class Alarms:
    """A replica that sets and cancels timers as messages tell it."""

    def __init__(self) -> None:
        self.fired: list[tuple[str, Wire]] = []
        self.early: list[int] = []
        self._due: dict[str, int] = {}

    def handle(self, event: Input, turn: Turn) -> Sequence[Effect]:
        if isinstance(event, TimerFired):
            self.fired.append((event.name, event.payload))
            if turn.now.mono < self._due[event.name]:
                self.early.append(turn.now.mono)
        if not isinstance(event, PeerMessage):
            return []
        match event.body:
            case ["set", name, delay, payload]:
                self._due[name] = turn.now.mono + delay
                return [SetTimer(name, delay, payload), WriteLater("t", b"", b"")]
            case ["cancel", name]:
                return [CancelTimer(name)]
        return []


async def _with_alarms(*bodies: Wire, for_s: float) -> tuple[Fixture, Alarms]:
    alarms = Alarms()
    fixture = Fixture(alarms.handle)
    fixture.life.begin(Started(1))
    for body in bodies:
        fixture.life.offer(message(body))
    await asyncio.sleep(for_s)
    return fixture, alarms


def test_timers_fire_in_order_and_never_early() -> None:
    times = [3, 1, 2, 0, 7, 5]
    told = [["set", f"t{ms}", ms * MILLISECOND, ms] for ms in times]
    _, alarms = asyncio.run(_with_alarms(*told, for_s=0.05))
    assert [payload for _, payload in alarms.fired] == sorted(times)
    assert alarms.early == []


def test_a_timer_set_again_replaces_the_one_before() -> None:
    told = [["set", "t", MILLISECOND, "old"], ["set", "t", 2 * MILLISECOND, "new"]]
    _, alarms = asyncio.run(_with_alarms(*told, for_s=0.03))
    assert alarms.fired == [("t", "new")]


def test_a_cancelled_timer_does_not_fire_even_if_its_time_had_come() -> None:
    async def scene() -> None:
        fixture, alarms = await _with_alarms(["set", "t", MILLISECOND, 1], for_s=0)
        # Both wait in the queue when the batch begins: the message first, then the timer.
        fixture.life.offer(message(["cancel", "t"]))
        fixture.life._drain_is_due = True
        await asyncio.sleep(0.01)
        fixture.life._drain()
        await asyncio.sleep(0.01)
        assert alarms.fired == []
        fixture.life.offer(message(["cancel", "never set"]))
        await settle()
        assert fixture.witness.died == []

    asyncio.run(scene())


def test_timers_follow_the_nodes_own_clock_when_its_rate_changes() -> None:
    async def scene() -> None:
        fixture, alarms = await _with_alarms(["set", "t", 400 * MILLISECOND, 1], for_s=0.001)
        fixture.clock.set(ClockSetting(rate_ppm=39_000_000))  # Forty times as fast.
        fixture.life.timers.clock_changed()
        await asyncio.sleep(0.05)
        assert alarms.fired == [("t", 1)]
        assert alarms.early == []

    asyncio.run(scene())
