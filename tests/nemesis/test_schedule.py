"""When faults come and go: quiet, fault, healing, quiet; several plans side by side."""

from __future__ import annotations

import itertools

import pytest

from checker.history.events import NEMESIS, Event
from nemesis.families import disk, kill, partition, pause, power
from nemesis.plans import parse
from nemesis.schedule import Alternate, Strike, Timing, alternate
from nemesis.targets import Target
from systems_under_test.rng import Rng
from tests.nemesis.rehearsal import SECOND, Rehearsal
from workloads.generators.protocol import Context, Pending

DOWN = ("kill", "pause", "power", "damage", "disk")
FIVE = ("n1", "n2", "n3", "n4", "n5")


def down_at_once(rehearsal: Rehearsal) -> int:
    """The most nodes that were killed or paused at any moment."""
    most = 0
    open_faults: dict[int | None, list[str]] = {}
    for event in rehearsal.invoked():
        if event.f == "heal":
            open_faults.pop(event.fault, None)
        elif event.f in DOWN:
            targets = event.input["targets"]
            taken = {name for names in open_faults.values() for name in names}
            assert not taken & set(targets), "a node that is down is struck again"
            open_faults[event.fault] = targets
        most = max(most, sum(len(names) for names in open_faults.values()))
    return most


def test_a_schedule_is_quiet_injects_heals_and_is_quiet_again() -> None:
    timing = Timing(
        lead_in_ns=(SECOND, SECOND), fault_ns=(3 * SECOND, 3 * SECOND), quiet_ns=(SECOND, SECOND)
    )
    rehearsal = Rehearsal(partition("halves", timing=timing), seconds=10)
    times = [(event.f, event.time // (SECOND // 10)) for event in rehearsal.invoked()]
    assert times == [("partition", 10), ("heal", 40), ("partition", 50), ("heal", 80),
                     ("partition", 91)]  # fmt: skip
    assert [event.fault for event in rehearsal.invoked()] == [1, 1, 2, 2, 3]
    assert rehearsal.effects() == {("partition", "applied"), ("heal", "healed")}


def test_a_strobing_clock_jumps_to_and_fro_many_times_a_second() -> None:
    rehearsal = Rehearsal(parse("clock:strobe@one"), seconds=10)
    jumps = rehearsal.invoked("clock")
    assert len(jumps) > 20
    assert {event.input["variant"] for event in jumps} == {"strobe"}
    assert {e["wall_offset_ns"] > 0 for e in (event.input for event in jumps)} == {True, False}
    slower = Timing(fault_ns=(SECOND, SECOND), quiet_ns=(SECOND, SECOND))
    assert len(Rehearsal(parse("clock:strobe@one", timing=slower), seconds=10).invoked("clock")) < 6


@pytest.mark.parametrize(
    ("variant", "struck"),
    [
        ("slow", [("n1", "n2"), ("n1", "n3"), ("n2", "n1"), ("n3", "n1")]),
        ("slow-out", [("n1", "n2"), ("n1", "n3")]),
        ("slow-in", [("n2", "n1"), ("n3", "n1")]),
    ],
)
def test_a_slow_node_is_slow_in_the_directions_that_are_asked_for(
    variant: str, struck: list[tuple[str, str]]
) -> None:
    rehearsal = Rehearsal(parse(f"link:{variant}@n1"), seconds=10, size=3)
    assert rehearsal.invoked("link")
    for event in rehearsal.invoked("link"):
        assert [tuple(link) for link in event.input["links"]] == struck
        assert event.input["targets"] == ["n1"]
    assert rehearsal.effects() == {("link", "applied"), ("heal", "healed")}


def test_a_node_may_be_slow_to_one_peer_alone() -> None:
    peers = set()
    for event in Rehearsal(parse("link:slow-peer@n1"), seconds=60, size=5).invoked("link"):
        (there, back) = event.input["links"]
        assert there == ["n1", back[0]]
        assert back == [there[1], "n1"]
        peers.add(there[1])
    assert len(peers) > 1, "drawn each time"


def test_lead_in_fault_and_quiet_last_as_long_as_they_say() -> None:
    for seed in range(20):
        rehearsal = Rehearsal(kill(), seconds=30, seed=seed)
        windows = list(rehearsal.windows())
        assert SECOND // 2 <= windows[0][0].time <= 2.1 * SECOND
        for (begin, end), (following, _) in itertools.pairwise(windows):
            assert end is not None
            assert 2 * SECOND <= end.time - begin.time <= 4.2 * SECOND
            assert SECOND <= following.time - end.time <= 2.2 * SECOND


@pytest.mark.parametrize("seed", range(10))
def test_in_20_seconds_each_family_of_the_demo_strikes_several_times(seed: int) -> None:
    rehearsal = Rehearsal(parse("partition,kill,pause"), seconds=20, seed=seed)
    for family in ("partition", "kill", "pause"):
        assert len(rehearsal.invoked(family)) >= 3
    assert ("heal", "leaked") not in rehearsal.effects()


@pytest.mark.parametrize("text", ["partition,kill,pause", "kill,kill@minority,pause,power", "all"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 6])
def test_never_more_than_a_minority_is_down_at_once(text: str, size: int) -> None:
    for seed in range(3):
        rehearsal = Rehearsal(parse(text), seconds=40, size=size, seed=seed)
        assert down_at_once(rehearsal) <= max(1, (size - 1) // 2)
        assert rehearsal.invoked(*DOWN)


def test_who_asks_for_more_than_a_minority_gets_it() -> None:
    assert down_at_once(Rehearsal(power("all"), seconds=30)) == 5
    assert down_at_once(Rehearsal(kill("majority"), seconds=30)) == 3
    assert down_at_once(Rehearsal(kill("n1+n2+n4"), seconds=30)) == 3
    together = Rehearsal(kill("majority") + pause(), seconds=60)
    assert down_at_once(together) == 3
    assert together.invoked("pause")


def test_plans_run_independently_of_one_another() -> None:
    rehearsal = Rehearsal(partition() + kill() + pause(), seconds=60)
    windows = [(b, e) for b, e in rehearsal.windows() if e is not None]
    overlaps = {
        frozenset((a.f, b.f))
        for a, a_end in windows
        for b, b_end in windows
        if a.f != b.f and a.time < b_end.time and b.time < a_end.time
    }
    assert len(overlaps) == 3
    for _, end in windows:
        assert end.input is None or "fault" in end.input


def test_each_healing_names_the_fault_of_its_own_plan() -> None:
    rehearsal = Rehearsal(parse("partition:halves,partition:one-node,kill,pause"), seconds=60)
    healed = [event.input["fault"] for event in rehearsal.invoked("heal")]
    assert len(healed) == len(set(healed))
    assert len(healed) >= len(rehearsal.invoked()) - len(healed) - 4
    for begin, end in rehearsal.windows():
        assert end is None or end.time - begin.time <= 4.3 * SECOND


def test_the_same_seed_gives_the_same_schedule_and_another_one_another() -> None:
    def lines(seed: int) -> list[tuple[int, str, object]]:
        rehearsal = Rehearsal(parse("all"), seconds=40, seed=seed)
        return [(event.time, event.f, event.input) for event in rehearsal.invoked()]

    assert lines(7) == lines(7)
    assert lines(7) != lines(8)


def test_asking_again_changes_no_moment() -> None:
    schedule = Alternate(Strike("kill", Target("one")))
    rng = Rng("1/asking")
    context = Context(0, (NEMESIS,), {NEMESIS: NEMESIS}, FIVE, rng)
    first = schedule.op(context)
    assert first is not None
    waiting, after = first
    assert isinstance(waiting, Pending)
    assert waiting.until is not None
    for _ in range(50):
        again = after.op(context)
        assert again == (waiting, after)
    due = Context(waiting.until, (NEMESIS,), {NEMESIS: NEMESIS}, FIVE, rng)
    answer = after.op(due)
    assert answer is not None
    assert not isinstance(answer[0], Pending)
    assert answer[0].time == waiting.until


def test_a_busy_nemesis_is_waited_for() -> None:
    schedule = Alternate(Strike("kill", Target("one")), at=0)
    busy = Context(5, (), {NEMESIS: NEMESIS}, FIVE, Rng("1/busy"))
    assert schedule.op(busy) == (Pending(), schedule)


def test_events_of_clients_change_nothing() -> None:
    schedule = Alternate(Strike("kill", Target("one")), at=0, acting="kill")
    context = Context(5, (), {NEMESIS: NEMESIS}, FIVE, Rng("1/clients"))
    event = Event(index=0, time=5, process=3, type="invoke", f="kill")
    assert schedule.update(context, event) is schedule


def test_an_event_of_the_run_itself_completes_no_action() -> None:
    schedule = Alternate(Strike("kill", Target("one")), at=0, acting="kill", faults=(1,))
    context = Context(5, (), {NEMESIS: NEMESIS}, FIVE, Rng("1/run"))
    died = Event(index=0, time=5, process=NEMESIS, type="info", f="node-died", output={})
    assert schedule.update(context, died) is schedule


def test_an_injection_without_a_number_could_never_be_healed_and_is_refused() -> None:
    context = Context(5, (), {NEMESIS: NEMESIS}, FIVE, Rng("1/number"))
    event = Event(index=3, time=5, process=NEMESIS, type="invoke", f="kill", input={})
    with pytest.raises(ValueError, match="has no fault number"):
        alternate("kill").update(context, event)


@pytest.mark.parametrize("range_", [(-1, 5), (5, 1)])
def test_a_range_that_no_time_lies_in_is_refused(range_: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="quiet_ns must be a range"):
        Timing(quiet_ns=range_)


def test_every_family_is_applied_and_healed_in_a_rehearsal() -> None:
    for text in (
        "partition",
        "kill",
        "stop",
        "pause",
        "power",
        "clock",
        "link",
        "disk",
        "disk:torn",
    ):
        rehearsal = Rehearsal(parse(text), seconds=60)
        kinds = {effect for _, effect in rehearsal.effects()}
        assert kinds == {"applied", "healed"}, text


def test_what_is_open_at_the_end_is_healed_by_number() -> None:
    rehearsal = Rehearsal(kill() + pause() + disk("full"), seconds=23, seed=3)
    assert rehearsal.open
    rehearsal.heal()
    assert {node.state() for node in rehearsal.cluster.nodes.values()} == {"running"}
