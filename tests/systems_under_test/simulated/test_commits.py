"""What the replica port obliges a host to do about storage, one test for each obligation."""

from __future__ import annotations

import pytest

from systems_under_test.environments.cluster import DiskQuality
from systems_under_test.environments.simulated.latency import Constant
from systems_under_test.environments.simulated.options import SimulationOptions
from tests.systems_under_test.simulated.puppet import MS, World

COMMIT = 10 * MS
GAP = 1 * MS
SLOW = SimulationOptions(
    commit_latency=Constant(COMMIT),
    effect_gap=Constant(GAP),
    client_latency=Constant(1000),
    peer_latency=Constant(1000),
)


def test_a_reply_that_stands_after_a_write_waits_for_the_commit() -> None:
    world = World(options=SLOW)
    began = world.now
    assert world.ask("n1", ["write", "k", "v"], ["respond", "done"]) == "done"
    assert world.now - began >= COMMIT
    assert world.nodes["n1"].disk_counters()["commits"] == 1


def test_a_reply_that_stands_before_any_write_does_not_wait() -> None:
    world = World(options=SLOW)
    began = world.now
    assert world.ask("n1", ["respond", "early"], ["write", "k", "v"]) == "early"
    assert world.now - began < COMMIT


def test_a_lazy_write_delays_nothing() -> None:
    world = World(options=SLOW)
    began = world.now
    assert world.ask("n1", ["write_later", "k", "v"], ["respond", "soon"]) == "soon"
    assert world.now - began < COMMIT


def test_a_read_does_not_overtake_the_commit_of_the_write_that_it_saw() -> None:
    world = World(options=SLOW)
    began = world.now
    world.tell("n1", ["write", "k", "v"], ["respond", "done"])
    world.settle(MS)
    assert world.ask("n1", ["stored", "k"]) == "v"
    assert world.now - began >= COMMIT


def test_effects_leave_in_the_order_of_inputs() -> None:
    world = World(2, options=SLOW)
    world.tell("n1", ["write", "k", "1"], ["send", "n2", {"n": 1}])
    world.tell("n1", ["send", "n2", {"n": 2}])
    world.tell("n1", ["write", "k", "3"], ["send", "n2", {"n": 3}], ["send", "n2", {"n": 4}])
    world.settle()
    assert [event[-1] for event in world.heard("n2")] == ["1", "2", "3", "4"]


def test_inputs_of_one_commit_in_flight_share_the_next_one() -> None:
    world = World(options=SLOW)
    for n in range(6):
        world.tell("n1", ["write", f"k{n}", "v"], ["respond", "done"])
    world.settle()
    assert world.nodes["n1"].disk_counters()["commits"] == 2


def test_without_batching_each_input_has_a_commit_of_its_own() -> None:
    world = World(options=SimulationOptions(batch_commits=False))
    for n in range(6):
        world.tell("n1", ["write", f"k{n}", "v"], ["respond", "done"])
    world.settle()
    assert world.nodes["n1"].disk_counters()["commits"] == 6


def crashed_after(ns: int, *, power: bool = False, seed: int = 1) -> tuple[str, str, list[str]]:
    """A write with two sends, a crash so much later: the reply, what is stored, what n2 heard."""
    world = World(2, options=SLOW, seed=seed)
    replies = world.tell(
        "n1",
        ["write", "k", "v"],
        ["send", "n2", {"n": 1}],
        ["send", "n2", {"n": 2}],
        ["respond", "done"],
    )
    world.settle(ns)
    node = world.nodes["n1"]
    (node.power_off if power else node.kill)()
    node.start()
    stored = world.ask("n1", ["stored", "k"])
    world.settle()
    (reply,) = replies
    return getattr(reply, "reason", "done"), stored, [e[-1] for e in world.heard("n2")]


def test_a_crash_can_strike_before_a_commit() -> None:
    outcomes = [crashed_after(COMMIT // 2, seed=seed) for seed in range(10)]
    assert {(reply, tuple(heard)) for reply, _, heard in outcomes} == {("connection reset", ())}
    # The process died while the disk was at work: either is possible, and both happen.
    assert {stored for _, stored, _ in outcomes} == {"v", "status 404"}


@pytest.mark.parametrize(("after", "heard"), [(0, []), (1, ["1"]), (2, ["1", "2"])])
def test_a_crash_can_strike_after_the_commit_and_between_any_two_sends(
    after: int, heard: list[str]
) -> None:
    reply, stored, seen = crashed_after(COMMIT + after * GAP + GAP // 2)
    assert (reply, stored, seen) == ("connection reset", "v", heard)


def test_a_reply_that_has_left_arrives_though_the_node_dies() -> None:
    assert crashed_after(COMMIT + 4 * GAP + GAP // 2) == ("done", "v", ["1", "2"])


def test_what_was_to_be_logged_after_a_death_is_not_in_the_log() -> None:
    world = World(options=SLOW)
    world.tell("n1", ["note", "first"], ["note", "second"])
    world.settle(2 * GAP + GAP // 2)
    world.nodes["n1"].kill()
    assert world.said("n1")[-3:] == ["asked id=1", "first", "killed"]


def test_power_loss_after_the_commit_loses_nothing() -> None:
    for seed in range(10):
        assert crashed_after(COMMIT + 5 * GAP, power=True, seed=seed)[1] == "v"


@pytest.mark.parametrize("write", ["write_later", "append_later"])
def test_a_lazy_write_survives_a_kill(write: str) -> None:
    for seed in range(10):
        world = World(seed=seed)
        assert world.ask("n1", [write, "k", "v"], ["respond", "ok"]) == "ok"
        world.nodes["n1"].kill()
        world.nodes["n1"].start()
        question = ["stored", "k"] if write == "write_later" else ["records", "k"]
        assert world.ask("n1", question) == "v"


def test_power_loss_loses_lazy_writes_and_only_them() -> None:
    kept = set()
    for seed in range(20):
        world = World(seed=seed)
        world.ask("n1", ["write_later", "a", "1"], ["respond", "ok"])
        world.ask("n1", ["write", "b", "2"], ["respond", "ok"])
        world.ask("n1", ["write_later", "c", "3"], ["respond", "ok"])
        world.ask("n1", ["write_later", "d", "4"], ["respond", "ok"])
        node = world.nodes["n1"]
        node.power_off()
        node.start()
        found = [world.ask("n1", ["stored", key]) for key in "abcd"]
        assert found[:2] == ["1", "2"]  # The durable write took the lazy one before it along.
        assert node.disk_counters()["lost"] == found.count("status 404")
        kept.add(tuple(found[2:]))
    lost = "status 404"
    assert kept == {(lost, lost), ("3", lost), ("3", "4")}  # A prefix, never the later one alone.


def test_by_option_any_of_the_unsynced_inputs_survive() -> None:
    kept = set()
    for seed in range(30):
        world = World(seed=seed, options=SimulationOptions(power_loss="subset"))
        world.ask("n1", ["write_later", "c", "3"], ["respond", "ok"])
        world.ask("n1", ["write_later", "d", "4"], ["respond", "ok"])
        world.nodes["n1"].power_off()
        world.nodes["n1"].start()
        kept.add(tuple(world.ask("n1", ["stored", key]) for key in "cd"))
    assert len(kept) == 4


def test_what_a_life_reads_at_its_start_is_not_lost_later() -> None:
    for seed in range(20):
        world = World(options=SLOW, seed=seed)
        world.tell("n1", ["write", "k", "v"], ["respond", "done"])
        world.settle(COMMIT // 2)
        node = world.nodes["n1"]
        node.kill()
        node.start()
        seen = world.ask("n1", ["stored", "k"])
        node.power_off()
        node.start()
        assert world.ask("n1", ["stored", "k"]) == seen


def test_the_writes_of_one_input_survive_together_or_not_at_all() -> None:
    seen = set()
    for seed in range(20):
        world = World(options=SLOW, seed=seed)
        world.tell("n1", ["write_later", "a", "1"], ["write", "b", "2"], ["append", "f", "3"])
        world.settle(COMMIT // 2)
        world.nodes["n1"].power_off()
        world.nodes["n1"].start()
        questions: list[list[str]] = [["stored", "a"], ["stored", "b"], ["records", "f"]]
        seen.add(tuple(world.ask("n1", question) for question in questions))
    assert seen == {("1", "2", "3"), ("status 404", "status 404", "")}


def test_a_full_disk_ends_the_node_and_nothing_leaves() -> None:
    world = World(2)
    node = world.nodes["n1"]
    node.set_disk(DiskQuality(full=True))
    script = ["respond", "done"], ["write_later", "k", "v"], ["send", "n2", {}]
    assert world.ask("n1", *script) == "connection reset"
    assert node.state() == "dead"
    assert node.disk_counters()["refused_full"] == 1
    assert world.unprovoked_deaths() == []
    assert 'disk failed why="no space left on the disk"' in world.said("n1")[-1]
    node.set_disk(DiskQuality())
    node.start()
    assert world.ask("n1", ["stored", "k"]) == "status 404"
    assert world.heard("n2") == []


def test_a_failed_commit_ends_the_node_and_nothing_of_its_batch_leaves() -> None:
    world = World(2, options=SLOW)
    node = world.nodes["n1"]
    replies = world.tell("n1", ["write", "k", "v"], ["send", "n2", {}], ["respond", "done"])
    replies += world.tell("n1", ["stored", "k"])
    world.settle(MS)
    node.set_disk(DiskQuality(errors_ppm=1_000_000))
    world.settle()
    assert node.disk_counters()["failed"] == 1
    assert 'why="I/O error"' in world.said("n1")[-1]
    assert world.unprovoked_deaths() == []
    assert world.heard("n2") == []


def test_a_slow_disk_delays_commits() -> None:
    world = World(options=SLOW)
    world.nodes["n1"].set_disk(DiskQuality(slow_ns=50 * MS))
    began = world.now
    world.ask("n1", ["write", "k", "v"], ["respond", "done"])
    assert world.now - began >= COMMIT + 50 * MS


def test_the_memory_engine_keeps_nothing_but_the_count_of_lives() -> None:
    world = World(engine="memory", options=SLOW)
    began = world.now
    assert world.ask("n1", ["write", "k", "v"], ["respond", "done"]) == "done"
    assert world.now - began < COMMIT
    assert world.ask("n1", ["stored", "k"]) == "v"
    world.nodes["n1"].kill()
    world.nodes["n1"].start()
    assert world.ask("n1", ["stored", "k"]) == "status 404"
    assert world.nodes["n1"].incarnation() == 2


def test_a_pause_does_not_stop_the_disk_but_what_waits_for_it() -> None:
    world = World(options=SLOW)
    replies = world.tell("n1", ["write", "k", "v"], ["respond", "done"])
    world.settle(MS)
    world.nodes["n1"].pause()
    world.settle(5 * COMMIT)
    assert world.nodes["n1"].disk_counters()["commits"] == 1
    assert replies == []
    world.nodes["n1"].resume()
    world.settle(2 * GAP + MS)
    assert len(replies) == 1
