"""`at-most`: how many nodes are down or without a majority, counted on the cluster's own links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from nemesis.courses import course_of
from nemesis.limits import disturbed
from nemesis.options import options_of
from nemesis.plan import Effect, Fault, FaultPlan
from nemesis.plans import missing_capabilities, parse, within
from nemesis.schedule import Alternate, Strike, alternate
from nemesis.targets import Target
from systems_under_test.environments.cluster import CAPABILITIES
from systems_under_test.rng import Rng
from tests.nemesis.memory_cluster import MemoryCluster
from tests.nemesis.rehearsal import Rehearsal
from workloads.generators.protocol import Context

if TYPE_CHECKING:
    from pathlib import Path

    from nemesis.plan import Nemesis
    from systems_under_test.environments.cluster import Cluster

FIVE = ("n1", "n2", "n3", "n4", "n5")
THIRDS = (("n1",), ("n2", "n3"), ("n4", "n5"))


def out_of_service(cluster: MemoryCluster) -> int:
    """How many nodes of it exchange messages with fewer than a majority, themselves included."""
    passes = cluster.probe(cluster.links)
    running = {name for name, node in cluster.nodes.items() if node.state() == "running"}
    return sum(
        name not in running
        or 1 + sum(passes[a, b] and passes[b, a] for a, b in cluster.links if a == name)
        <= len(cluster.nodes) // 2
        for name in cluster.nodes
    )


class Counted(Rehearsal):
    """A rehearsal that counts on its cluster after every event."""

    most = 0

    def _record(self, kind: Any, f: str, fault: int | None, **fields: Any) -> None:
        assert isinstance(self.cluster, MemoryCluster)
        self.most = max(self.most, out_of_service(self.cluster))
        super()._record(kind, f, fault, **fields)


def counted(text: str, limit: str | None, seed: int = 4, seconds: int = 60) -> Counted:
    options = options_of({} if limit is None else {"at-most": limit})
    return Counted(parse(text, options=options), seconds=seconds, seed=seed)


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize(
    ("text", "limit", "most"),
    [
        ("partition:one-node@one,kill@one,pause@one,kill:rolling@all", "one", 1),
        ("partition:one-node@one,kill@one,pause@one,kill:rolling@all", "minority", 2),
        ("partition:majorities-ring,kill@one", "one", 1),
        ("partition:majorities-ring,kill@minority", "minority", 2),
        ("partition:majorities-ring,kill@minority", "3", 3),
        ("partition:bridge,kill@one", "one", 1),
        ("partition:bridge,pause@minority", "minority", 2),
        ("partition,partition,kill", "minority", 2),
        ("partition:one-way-halves,link:hold@one,disk:full@one", "minority", 2),
        ("partition:swizzle@minority,partition:flapping,stop@one", "minority", 2),
    ],
)
def test_no_more_nodes_are_down_or_without_a_majority_than_the_limit(
    text: str, limit: str, most: int, seed: int
) -> None:
    free = counted(text, None, seed)
    assert free.most > most, "the limit is what keeps it"
    bound = counted(text, limit, seed)
    assert bound.most <= most
    asked = {item.partition("@")[0].partition(":")[0] for item in text.split(",")}
    assert {event.f for event in bound.invoked()} == {*asked, "heal"}


def test_the_disturbed_are_counted_over_all_faults_at_once() -> None:
    ring = {"n1": ["n3", "n4"], "n2": ["n4", "n5"], "n3": ["n5", "n1"]}
    ring |= {"n4": ["n1", "n2"], "n5": ["n2", "n3"]}
    cut = Fault(1, "partition", {"grudge": ring, "targets": []})
    assert disturbed([cut], FIVE) == frozenset()
    kill = Fault(2, "kill", {"targets": ["n1"]})
    assert disturbed([kill], FIVE) == {"n1"}
    assert disturbed([cut, kill], FIVE) == {"n5", "n1", "n2"}
    slow = Fault(3, "link", {"targets": ["n3"], "quality": {"delay_ns": 5}, "links": []})
    clock = Fault(4, "clock", {"targets": ["n3"]})
    assert disturbed([slow, clock], FIVE) == frozenset()
    held = [[a, "n4"] for a in FIVE if a != "n4"]
    hold = Fault(5, "link", {"targets": ["n4"], "quality": {"hold": True}, "links": held})
    assert disturbed([hold], FIVE) == {"n4"}
    replace = Fault(6, "replace", {"targets": ["n2"], "by": "n5"})
    assert disturbed([replace, kill], FIVE) == {"n1", "n2"}


def refused(
    text: str, limit: str, zones: tuple[tuple[str, ...], ...] = THIRDS, **more: Any
) -> list[str]:
    plan = parse(text, options=options_of({"at-most": limit, **more}))
    return missing_capabilities(plan, "simulated", frozenset(CAPABILITIES), FIVE, zones)


@pytest.mark.parametrize(
    ("text", "limit", "fewest"),
    [
        ("kill@majority", "minority", 5),
        ("kill@minority", "one", 2),
        ("kill:crash-loop@minority", "one", 2),
        ("partition:halves", "one", 2),
        ("partition:swizzle@all", "minority", 5),
        ("pause@followers", "minority", 5),
    ],
)
def test_what_can_never_fit_is_refused_before_a_run(text: str, limit: str, fewest: int) -> None:
    (said,) = refused(f"{text},clock", limit)
    assert f"{text} leaves {fewest} nodes at least down or without a majority" in said
    assert f"at-most={limit} is {fewest - 1 if fewest == 2 else 2}" in said


@pytest.mark.parametrize(
    "text",
    [
        "kill:rolling@all",
        "kill@leader",
        "kill",
        "partition",
        "partition:majorities-ring",
        "partition:mute-node",
        "zone",
        "clock@all,link:slow@all",
        "all",
    ],
)
def test_what_may_fit_is_not_refused(text: str) -> None:
    assert refused(text, "one") == []


def test_a_zone_is_as_many_nodes_as_it_has() -> None:
    (said,) = refused("kill@n5,zone:lost", "one", (("n1", "n2", "n3"), ("n4", "n5")))
    assert "zone:lost leaves 2 nodes at least" in said
    assert refused("kill@n5,zone:lost", "2", (("n1", "n2", "n3"), ("n4", "n5"))) == []


def test_each_plan_of_a_cycle_has_to_fit() -> None:
    (said,) = refused("kill@one,kill@minority", "one", order="cycle")
    assert "turn 2 of `cycle` leaves 2 nodes at least" in said


@dataclass(frozen=True)
class Tripping:
    """Somebody's own: what it strikes is down, as far as anybody knows."""

    faults: ClassVar[frozenset[str]] = frozenset({"trip"})
    needs: ClassVar[frozenset[str]] = frozenset()

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        return Effect("applied", "none")

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        return Effect("healed", "none")


class Nagging(Tripping):
    """Says that it leaves its targets in service."""

    serving: ClassVar[frozenset[str]] = frozenset({"trip"})


def own(nemesis: Nemesis, target: str) -> FaultPlan:
    plan = FaultPlan("own", nemesis, alternate("trip", target)) + parse("kill@one")
    return within(options_of({"at-most": "one"}), plan)


def most_struck(plan: FaultPlan) -> int:
    """The most nodes that all open faults name at once."""
    most, still_open = 0, dict[int | None, list[str]]()
    for event in Rehearsal(plan, seconds=60).invoked():
        if event.f == "heal":
            del still_open[event.fault]
        else:
            still_open[event.fault] = event.input["targets"]
        most = max(most, len({name for names in still_open.values() for name in names}))
    return most


def test_what_a_nemesis_of_ones_own_strikes_counts_unless_it_says_otherwise() -> None:
    assert most_struck(own(Tripping(), "one")) == 1
    assert most_struck(own(Nagging(), "one")) == 2
    carried = frozenset(CAPABILITIES)
    (said,) = missing_capabilities(own(Tripping(), "minority"), "simulated", carried, FIVE)
    assert "trip@minority leaves 2 nodes at least" in said
    assert missing_capabilities(own(Nagging(), "minority"), "simulated", carried, FIVE) == []


def scripted(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "faults.txt").write_text(text)
    plan = parse(f"script:{tmp_path / 'faults.txt'}")
    return missing_capabilities(plan, "simulated", frozenset(CAPABILITIES), FIVE, THIRDS)


def test_a_script_that_would_wait_for_ever_is_refused(tmp_path: Path) -> None:
    kills = "n1: kill\nn2: kill\n"
    (said,) = scripted(tmp_path, kills + "n3: kill\nnemesis: heal\n")
    assert "line 3 of the script (kill@n3) finds nothing that it may strike" in said
    assert scripted(tmp_path, kills + "nemesis: heal kill\nn3: kill\n") == []
    assert scripted(tmp_path, kills + "nemesis: heal\nn3: kill\nn4: pause\n") == []
    assert scripted(tmp_path, 'nemesis: kill target="n1+n2+n3"\n') == []
    assert scripted(tmp_path, kills + "nemesis: partition one-node target=n4\n") == []
    (said,) = scripted(tmp_path, "n1: kill\nn1: pause\n")
    assert "line 2 of the script (pause@n1)" in said


def test_spares_count_neither_for_words_nor_for_limits() -> None:
    spares = ("n4", "n5")  # Two of five nodes are a minority; two of three members are none.
    kill = Fault(1, "kill", {"targets": ["n4", "n5"]})
    assert disturbed([kill], FIVE, spares=spares) == frozenset()
    two = Fault(1, "kill", {"targets": ["n2", "n3"]})
    assert disturbed([two], FIVE, spares=spares) == {"n1", "n2", "n3"}
    leave = Fault(2, "leave", {"targets": ["n1"]})
    one = Fault(3, "kill", {"targets": ["n2"]})
    assert disturbed([leave, one], FIVE) == {"n2"}
    for number in range(20):
        ctx = Context(0, (), {}, FIVE, Rng(f"{number}"), spares=spares)
        assert len(Target("minority").chosen(ctx)) == 1
        assert set(Target("majority").chosen(ctx)) < {"n1", "n2", "n3"}
        assert Target("all").chosen(ctx) == FIVE
        assert Target("n4").chosen(ctx) == ("n4",)
        drawn = Strike("kill", Target("some"))(ctx, ())
        assert drawn is not None
        assert len(drawn.input["targets"]) == 1
        assert Strike("kill", Target("some"))(ctx, (one,)) is None, "a minority is down"
    plan = parse("kill@minority,kill@one", spares=spares, options=options_of({"at-most": "one"}))
    carried = frozenset(CAPABILITIES)
    assert missing_capabilities(plan, "simulated", carried, FIVE, spares=spares) == []


def test_a_minority_is_asked_of_the_members_and_a_name_of_all_nodes() -> None:
    carried, spares = frozenset(CAPABILITIES), ("n3", "n4", "n5")
    (said,) = missing_capabilities(parse("kill@minority"), "local", carried, FIVE, spares=spares)
    assert "`minority` of 2 node(s) is no node at all" in said
    assert missing_capabilities(parse("kill@n4"), "local", carried, FIVE, spares=spares) == []


def test_shapes_without_a_target_are_of_all_nodes() -> None:
    """A log replica of Paxos is a spare, and the group takes it in by itself."""
    targets = set()
    for number in range(40):
        ctx = Context(0, (), {}, FIVE, Rng(f"{number}"), spares=("n4", "n5"))
        (schedule,) = parse("partition:one-node").schedules
        assert isinstance(schedule, Alternate)
        (first, *_) = course_of(schedule.draw).steps(ctx, (), schedule.timing, 0)
        assert first.inject is not None
        drawn = first.inject(ctx, ())
        assert drawn is not None
        targets |= {*drawn.input["targets"]}
    assert targets == {*FIVE}
