"""Lives of a node: incarnations, timers, pauses, and deaths of every kind."""

from __future__ import annotations

import pytest

from systems_under_test.environments.cluster import (
    ClusterSpec,
    EnvironmentFailed,
    LinkQuality,
)
from systems_under_test.environments.simulated.cluster import SimulatedCluster
from systems_under_test.environments.simulated.options import SimulationOptions
from systems_under_test.environments.simulated.timers import Timers
from systems_under_test.replica import STOPPING_NS_MAX
from tests.systems_under_test.simulated.puppet import MS, SECOND, World

SLOW_LINK = {("n1", "n2"): LinkQuality(delay_ns=50 * MS)}


def test_the_incarnation_grows_with_each_start_and_the_replica_is_told() -> None:
    world = World()
    for _ in range(2):
        world.nodes["n1"].kill()
        world.nodes["n1"].start()
        world.nodes["n1"].start()  # Running: no change.
        world.settle()
    assert world.nodes["n1"].incarnation() == 3
    assert [e for e in world.said("n1") if "as=" in e] == [f"started as={n}" for n in (1, 2, 3)]


def test_a_message_to_an_earlier_life_is_dropped() -> None:
    world = World(2)
    world.shape(SLOW_LINK)
    world.tell("n1", ["send", "n2", {"n": 1}])
    world.settle(10 * MS)
    world.nodes["n2"].kill()
    world.nodes["n2"].start()
    world.settle()
    assert world.heard("n2") == []
    assert world.link_counters()["n1", "n2"]["stale"] == 1


def test_a_message_sent_to_a_dead_node_is_dropped_though_it_starts_before_it_arrives() -> None:
    world = World(2)
    world.shape(SLOW_LINK)
    world.nodes["n2"].kill()
    world.tell("n1", ["send", "n2", {"n": 1}])
    world.settle(10 * MS)
    world.nodes["n2"].start()
    world.settle()
    assert world.heard("n2") == []


@pytest.mark.parametrize("allowed", [False, True])
def test_a_message_from_an_earlier_life_is_dropped_unless_allowed(allowed: bool) -> None:
    world = World(2, options=SimulationOptions(from_earlier_lives=allowed))
    world.shape(SLOW_LINK)
    world.tell("n1", ["send", "n2", {"n": 1}])
    world.settle(10 * MS)
    world.nodes["n1"].kill()
    world.nodes["n1"].start()
    world.settle()
    assert world.heard("n2") == (['heard who="n1/1" n=1'] if allowed else [])


def test_the_last_words_of_a_dead_node_arrive() -> None:
    world = World(2)
    world.shape(SLOW_LINK)
    world.tell("n1", ["send", "n2", {"n": 1}])
    world.settle(10 * MS)
    world.nodes["n1"].kill()
    world.settle()
    assert world.heard("n2") == ['heard who="n1/1" n=1']


def test_a_replica_that_raises_ends_its_node_and_is_reported_once() -> None:
    world = World(2)
    replies = world.tell("n1", ["write", "k", "v"], ["raise", "out of luck"])
    world.settle()
    assert world.nodes["n1"].state() == "dead"
    assert world.nodes["n2"].state() == "running"
    assert getattr(replies[0], "reason", "") == "connection reset"
    assert "RuntimeError: out of luck" in world.said("n1")[-1]
    assert world.unprovoked_deaths() == ["n1"]
    assert world.unprovoked_deaths() == []
    world.nodes["n1"].start()
    assert world.ask("n1", ["stored", "k"]) == "status 404"  # The input did not happen.


@pytest.mark.parametrize(
    "script",
    [
        [["respond", "one"], ["respond", "two"]],
        [["nonsense"]],
        [["send", "n9", {}]],
        [["send", "n1", {}]],
        [["send", "n2", {"huge": 1 << 80}]],
        [["append", "../etc/passwd", "x"]],
        [["timer", "t", 1.5, []]],
        [["reply", "not bytes"]],
        [["put", "not bytes"]],
    ],
)
def test_a_replica_that_breaks_the_port_ends_its_node(script: list[list[object]]) -> None:
    world = World(2)
    assert world.ask("n1", *script) == "connection reset"
    assert world.unprovoked_deaths() == ["n1"]


def test_a_second_reply_in_a_later_input_ends_the_node() -> None:
    world = World(2)
    assert world.ask("n1", ["respond", "one"]) == "one"
    world.tell("n1", ["timer", "again", MS, [["respond", "two"]]])
    world.settle()
    assert world.unprovoked_deaths() == ["n1"]


def test_reading_damage_that_was_injected_is_no_unprovoked_death() -> None:
    world = World()
    world.ask("n1", ["write", "k", "v"], ["respond", "ok"])
    world.nodes["n1"].kill()
    assert world.nodes["n1"].damage_disk("flip")["record"] == "k"
    world.nodes["n1"].start()
    assert world.ask("n1", ["stored", "k"]) == "connection reset"
    assert world.nodes["n1"].state() == "dead"
    assert "StorageDamaged" in world.said("n1")[-1]
    assert world.unprovoked_deaths() == []


def test_kills_are_not_reported_as_deaths() -> None:
    world = World(3)
    world.nodes["n1"].kill()
    world.nodes["n2"].power_off()
    world.down()
    assert world.unprovoked_deaths() == []


def test_inputs_of_a_pause_are_handled_afterwards_in_order() -> None:
    world = World(2)
    world.nodes["n2"].pause()
    assert world.nodes["n2"].state() == "paused"
    for n in range(3):
        world.ask("n1", ["send", "n2", {"n": n}], ["respond", "ok"])
        world.settle()
    assert world.heard("n2") == []
    world.nodes["n2"].resume()
    world.settle()
    assert [event[-1] for event in world.heard("n2")] == ["0", "1", "2"]
    assert world.nodes["n2"].incarnation() == 1


def test_the_inbox_of_a_paused_node_is_bounded() -> None:
    world = World(2, options=SimulationOptions(inbox_inputs_max=2))
    world.nodes["n2"].pause()
    for n in range(5):
        world.ask("n1", ["send", "n2", {"n": n}], ["respond", "ok"])
    world.settle()
    world.nodes["n2"].resume()
    world.settle()
    assert len(world.heard("n2")) == 2
    assert world.nodes["n2"].overflowed == 3


def test_a_kill_while_paused_leaves_a_dead_node_that_resume_does_not_wake() -> None:
    world = World()
    world.nodes["n1"].pause()
    world.nodes["n1"].kill()
    world.nodes["n1"].resume()
    assert world.nodes["n1"].state() == "dead"
    world.nodes["n1"].start()
    assert world.nodes["n1"].state() == "running"


@pytest.mark.parametrize("rate", [-200_000, -1, 0, 1, 200_000])
def test_timers_are_never_early_on_the_node_s_own_clock(rate: int) -> None:
    world = World()
    node = world.nodes["n1"]
    node.set_clock(rate_ppm=rate)
    before = node.clock.read(world.now).mono
    world.tell("n1", ["timer", "t", 100 * MS, []])
    world.settle(200 * MS)
    stamp = world.log("n1")[-1].split("mono=")[1].split()[0]
    passed = int(stamp.replace(".", "")) - before
    assert 100 * MS <= passed < 101 * MS


def test_a_timer_follows_a_change_of_the_rate() -> None:
    world = World()
    node = world.nodes["n1"]
    world.tell("n1", ["timer", "slowed", SECOND, []])
    world.settle(500 * MS)
    node.set_clock(rate_ppm=-500_000)
    world.settle(900 * MS)
    assert "fired" not in world.said("n1")[-1]
    world.settle(200 * MS)
    assert world.said("n1")[-1] == 'fired name="slowed"'


def test_a_replica_that_hears_of_its_end_has_time_for_it_and_others_go_on_meanwhile() -> None:
    leaving = ["timer", "later", 30 * MS, [["send", "n2", {"n": 2}], ["leave"]]]
    world = World(2, on_stop=[["write", "k", "v"], ["send", "n2", {"n": 1}], leaving])
    world.tell("n2", ["timer", "now", 10 * MS, [["note", "meanwhile"]]])
    began = world.now
    world.nodes["n1"].stop()
    assert 30 * MS <= world.now - began < 40 * MS
    assert "meanwhile" in world.said("n2")
    world.settle()
    assert world.heard("n2") == ['heard who="n1/1" n=1', 'heard who="n1/1" n=2']
    assert world.said("n1")[-1] == "stopped"
    assert not world.unprovoked_deaths()
    world.nodes["n1"].start()
    assert world.ask("n1", ["stored", "k"]) == "v"


def test_a_replica_that_does_not_leave_is_ended_when_its_time_is_up() -> None:
    world = World(2, on_stop=[["note", "stays"]])
    began = world.now
    world.nodes["n1"].stop()
    assert STOPPING_NS_MAX <= world.now - began < STOPPING_NS_MAX + MS
    assert world.nodes["n1"].state() == "dead"


def test_a_replica_that_raises_when_it_hears_of_its_end_is_dead_and_reported() -> None:
    world = World(on_stop=[["raise", "not now"]])
    world.nodes["n1"].stop()
    assert world.nodes["n1"].state() == "dead"
    assert world.unprovoked_deaths() == ["n1"]


def test_a_replica_that_does_not_hear_of_its_end_is_ended_at_once() -> None:
    world = World()
    began = world.now
    world.nodes["n1"].stop()
    assert (world.now, world.nodes["n1"].state()) == (began, "dead")
    world.nodes["n1"].stop()  # No change.


def test_a_paused_replica_does_not_hear_of_its_end() -> None:
    world = World(on_stop=[["leave"]])
    world.nodes["n1"].pause()
    with pytest.raises(EnvironmentFailed, match="paused"):
        world.nodes["n1"].stop()
    assert world.nodes["n1"].state() == "paused"


def test_a_pause_does_not_stop_the_clocks() -> None:
    world = World()
    world.tell("n1", ["timer", "t", 100 * MS, []])
    world.settle(MS)
    world.nodes["n1"].pause()
    world.settle(200 * MS)
    assert "fired" not in world.said("n1")[-1]
    world.nodes["n1"].resume()
    world.settle(1000)
    world.settle(MS)
    assert "fired" in world.said("n1")[-1]


def test_a_timer_set_again_fires_once_and_a_cancelled_one_never() -> None:
    world = World()
    world.tell("n1", ["timer", "twice", 10 * MS, []], ["timer", "never", 10 * MS, []])
    world.settle(5 * MS)
    world.tell("n1", ["timer", "twice", 10 * MS, []], ["cancel", "never"], ["cancel", "unknown"])
    world.settle(6 * MS)
    assert "fired" not in world.said("n1")[-1]
    world.settle()
    assert [e for e in world.said("n1") if "fired" in e] == ['fired name="twice"']


def test_a_timer_that_rang_during_a_pause_is_cancelled_by_an_input_before_it() -> None:
    world = World()
    world.tell("n1", ["timer", "t", 10 * MS, []])
    world.settle(5 * MS)
    world.nodes["n1"].pause()
    world.tell("n1", ["cancel", "t"])
    world.settle(50 * MS)
    world.nodes["n1"].resume()
    world.settle()
    assert not [e for e in world.said("n1") if "fired" in e]


def test_timers_die_with_the_process() -> None:
    world = World()
    world.tell("n1", ["timer", "t", 10 * MS, []])
    world.settle(5 * MS)
    world.nodes["n1"].kill()
    world.nodes["n1"].start()
    world.settle()
    assert not [e for e in world.said("n1") if "fired" in e]


def test_only_power_loss_starts_the_monotonic_clock_anew() -> None:
    world = World()
    node = world.nodes["n1"]
    world.settle(SECOND)
    before = node.clock.read(world.now)
    node.kill()
    assert node.clock.read(world.now) == before
    node.power_off()
    assert node.clock.read(world.now).mono != before.mono
    assert node.clock.read(world.now).wall == before.wall


def test_clocks_are_set_and_read_back() -> None:
    world = World(options=SimulationOptions(wall_skew_ns=MS))
    node = world.nodes["n1"]
    assert 0 < abs(node.read_clock().wall_offset) <= MS
    node.set_clock(wall_offset_ns=3 * SECOND, rate_ppm=100)
    world.settle(SECOND)
    assert node.read_clock().wall_offset == 3 * SECOND + 100_000
    assert node.read_clock().mono_rate_ppm == 100


def test_a_running_node_s_disk_is_not_damaged() -> None:
    with pytest.raises(EnvironmentFailed, match="n1 runs"):
        World().nodes["n1"].damage_disk("flip")


def test_a_replica_that_cannot_be_made_is_an_unprovoked_death() -> None:
    spec = ClusterSpec(
        nodes=("n1",), replica_path=f"{__name__}:broken", options={}, bug=None,
        engine="sqlite", seed=1,
    )  # fmt: skip
    cluster = SimulatedCluster(spec)
    cluster.up()
    assert cluster.nodes["n1"].state() == "dead"
    assert cluster.unprovoked_deaths() == ["n1"]


def broken(*_: object) -> None:
    raise RuntimeError("cannot be made")


def test_an_unknown_replica_path_is_said_in_words() -> None:
    spec = ClusterSpec(
        nodes=("n1",), replica_path="nowhere:make", options={}, bug=None, engine="sqlite", seed=1
    )
    with pytest.raises(EnvironmentFailed, match="no replica maker at 'nowhere:make'"):
        SimulatedCluster(spec)


def test_the_log_is_bounded_and_says_what_it_forgot() -> None:
    world = World(options=SimulationOptions(log_lines_max=5))
    for _ in range(10):
        world.ask("n1", ["respond", "ok"])
    assert world.log("n1")[0] == "(the 7 oldest lines have been forgotten)"
    assert len(world.log("n1")) == 6


def test_timers_forget_what_they_fired() -> None:
    world = World()
    life = world.nodes["n1"].life
    assert life is not None
    for n in range(10):
        world.tell("n1", ["timer", f"t{n}", MS, []])
    world.settle()
    assert isinstance(life.timers, Timers)
    assert not life.timers._set
