"""Plans by name, their composition, and what is said of those that cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from checker.history.notation import parse as parse_history
from nemesis.damage import Wipe
from nemesis.families import kill, none, partition, pause
from nemesis.grudges import VARIANTS
from nemesis.kill import Kill
from nemesis.plan import Effect, Fault, FaultPlan, Union
from nemesis.plans import NEMESES, InvalidPlan, missing_capabilities, parse
from nemesis.schedule import SECOND, Timing, alternate
from nemesis.turns import CUTS
from systems_under_test.environments.cluster import CAPABILITIES
from tests.nemesis.rehearsal import Rehearsal
from workloads.generators.lifting import NOTHING

if TYPE_CHECKING:
    from pathlib import Path

FIVE = ("n1", "n2", "n3", "n4", "n5")
EVERYTHING = frozenset(CAPABILITIES)
LOCAL = frozenset({"partition", "link", "kill", "pause", "clock"})


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(InvalidPlan) as raised:
        parse(text)
    assert str(raised.value).splitlines() == list(raised.value.problems)
    return raised.value.problems


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("none", set()),
        ("partition", {"partition"}),
        ("partition:majorities-ring,kill@minority", {"partition", "kill"}),
        ("partition:one-node@n1+n2", {"partition"}),
        ("clock:drift, link:slow@one ,pause@all", {"clock", "link", "pause"}),
        ("disk", {"disk"}),
        ("disk:flip@one", {"damage"}),
        ("all", {"partition", "link", "kill", "stop", "pause", "power", "clock", "disk"}),
        ("none,kill@none,pause", {"pause"}),
    ],
)
def test_a_name_gives_a_plan_with_its_faults(text: str, faults: set[str]) -> None:
    plan = parse(text)
    assert plan.nemesis.faults == faults
    assert missing_capabilities(plan, "simulated", EVERYTHING, FIVE) == []


@pytest.mark.parametrize("name", sorted(set(NEMESES) - {"none", "membership"}))
def test_every_name_and_variant_injects_what_it_says(name: str) -> None:
    for variant in NEMESES[name].variants or [""]:
        rehearsal = Rehearsal(parse(f"{name}:{variant}" if variant else name), seconds=20)
        injected = [event for event in rehearsal.invoked() if event.f != "heal"]
        assert injected
        if variant and variant != "any":
            assert {event.input["variant"] for event in injected} == {variant}
        if name in ("partition", "kill", "stop", "pause", "power", "clock", "link"):
            assert {event.f for event in injected} == {name}


def test_the_list_says_what_each_nemesis_needs() -> None:
    assert all(nemesis.sentence for nemesis in NEMESES.values())
    for name, nemesis in NEMESES.items():
        assert nemesis.needs == (frozenset() if name == "all" else parse(name).nemesis.needs)
    assert set(NEMESES["partition"].variants) == set(VARIANTS) | set(CUTS)


def test_all_takes_what_the_environment_carries() -> None:
    plan = parse("all", capabilities=LOCAL)
    assert plan.nemesis.faults == {"partition", "link", "kill", "pause", "clock"}
    assert missing_capabilities(plan, "local", LOCAL, FIVE) == []
    assert parse("all", capabilities=frozenset()).nemesis.faults == frozenset()


def test_every_problem_of_a_text_is_told_at_once() -> None:
    unknown, variant, target = problems_of("kil,partition:rings,kill@")
    assert "`kil` is no nemesis" in unknown
    assert "partition" in unknown
    assert "power" in unknown
    assert "`rings` is no variant of `partition`" in variant
    assert "majorities-ring" in variant
    assert "names no target" in target
    assert "minority" in target


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "an empty name is no nemesis"),
        ("kill,,pause", "an empty name is no nemesis"),
        ("kill:hard", "`hard` is no variant of `kill`; variants are any, brief"),
        ("pause:hard", "`hard` is no variant of `pause`; it has none"),
        ("kill:", "`` is no variant of `kill`"),
        ("none@one", "`none` takes no target"),
        ("partition:bridge@n1", "`partition:bridge` has no sides"),
        ("pause@n1++n2", "names no target"),
        ("no_such_module:plan", "No module named 'no_such_module'"),
        ("tests.nemesis.own_nemesis:nothing", "has no `nothing`"),
        ("tests.nemesis.own_nemesis:NUMBER", "is a int, and should be a FaultPlan"),
        ("tests.nemesis.own_nemesis:broken", "raised KeyError"),
    ],
)
def test_what_names_no_plan_is_refused_in_words(text: str, what: str) -> None:
    (problem,) = problems_of(text)
    assert what in problem


@pytest.mark.parametrize("attribute", ["READY", "made"])
def test_a_plan_of_ones_own_is_named_by_its_import_path(attribute: str) -> None:
    path = f"tests.nemesis.own_nemesis:{attribute}"
    plan = parse(f"{path},kill")
    assert plan.name == f"{path},kill"
    assert plan.nemesis.faults == {"pause", "kill"}


def test_an_environment_that_does_not_carry_a_plan_is_told_before_the_run() -> None:
    plan = parse("kill,power,disk:full")
    disk, power = missing_capabilities(plan, "local", LOCAL)
    assert "needs `disk`" in disk
    assert "which the environment `local` does not carry" in disk
    assert "needs `power`" in power
    assert "not made durable" in power


def test_nodes_that_cannot_show_a_plan_are_told_before_the_run() -> None:
    plan = parse("partition:bridge,kill@minority,pause@n4")
    problems = missing_capabilities(plan, "local", LOCAL, ("n1", "n2"))
    assert len(problems) == 3
    assert "at least 3 nodes, and there are 2" in problems[0]
    assert "`minority` of 2 node(s) is no node at all" in problems[1]
    assert "no node n4" in problems[2]


def test_a_plan_in_python_is_the_plan_of_its_name() -> None:
    assert (kill("minority") + pause()).name == "kill@minority,pause"
    assert partition("bridge").name == "partition:bridge"
    assert parse("kill@minority") == kill("minority")
    assert parse("partition:one-node@n1") == partition("one-node", "n1")


def test_a_partition_of_any_map_or_function_is_a_plan() -> None:
    fixed = Rehearsal(partition({"n1": ["n2", "n3"]}), seconds=10)
    assert fixed.invoked()[0].input["grudge"] == {"n1": ["n2", "n3"]}
    made = Rehearsal(partition(lambda nodes, rng: {nodes[0]: frozenset(nodes[1:2])}), seconds=10)
    assert made.invoked()[0].input["grudge"] == {"n1": ["n2"]}
    assert made.effects() == {("partition", "applied"), ("heal", "healed")}


def test_a_partition_of_any_shape_says_which_one_was_drawn() -> None:
    rehearsal = Rehearsal(parse("partition"), seconds=200)
    drawn = {event.input["variant"] for event in rehearsal.invoked("partition")}
    assert drawn == set(VARIANTS) - {"any"}


def test_a_partition_around_targets_cuts_those_off() -> None:
    rehearsal = Rehearsal(partition("halves", "n2+n4"), seconds=10)
    first = rehearsal.invoked()[0].input
    assert first["targets"] == ["n2", "n4"]
    assert first["grudge"]["n1"] == ["n2", "n4"]
    mute = Rehearsal(partition("mute-node", "minority"), seconds=10).invoked()[0].input
    assert len(mute["targets"]) == 2
    assert all(senders == mute["targets"] for senders in mute["grudge"].values())


def test_the_timing_of_a_text_is_that_of_all_its_plans() -> None:
    soon = Timing(lead_in_ns=(0, 0), fault_ns=(SECOND, SECOND), quiet_ns=(0, 0))
    rehearsal = Rehearsal(parse("kill,partition", timing=soon), seconds=10)
    assert len(rehearsal.invoked("heal")) >= 14


@dataclass(frozen=True, slots=True)
class OtherKill:
    faults: frozenset[str] = frozenset({"kill"})
    needs: frozenset[str] = frozenset()

    def inject(self, cluster: object, fault: Fault) -> Effect:
        return Effect("applied", "other")

    heal = inject


def test_one_name_for_two_faults_is_refused() -> None:
    other = FaultPlan("other", OtherKill(), alternate("kill"))
    with pytest.raises(ValueError, match="both inject kill"):
        kill() + other


def test_a_union_sends_each_fault_to_who_knows_it_and_refuses_strangers() -> None:
    union = (kill() + pause() + kill("all")).nemesis
    assert isinstance(union, Union)
    assert union.parts[0] == Kill()
    assert len(union.parts) == 2
    with pytest.raises(
        ValueError, match=r"no nemesis here injects 'power', only \['kill', 'pause'"
    ):
        union.inject(Rehearsal(none(), seconds=0).cluster, Fault(1, "power", {"targets": []}))


def test_a_plan_without_faults_refuses_to_inject_one() -> None:
    cluster = Rehearsal(none(), seconds=1).cluster
    for act in (none().nemesis.inject, none().nemesis.heal):
        with pytest.raises(ValueError, match="no nemesis here"):
            act(cluster, Fault(1, "kill", {"targets": []}))
    assert (none() + none()).nemesis.faults == frozenset()


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("disk:flip@n3,kill", {"n3"}),
        ("disk:flip@n3,disk:lost@n1+n3", {"n1", "n3"}),
        ("disk:flip@n3,disk:lost@one", None),
        ("disk:torn", None),
        ("disk:full@one,power", set()),
    ],
)
def test_a_plan_says_whose_stores_it_may_damage(text: str, nodes: set[str] | None) -> None:
    assert parse(text).spoilt == (None if nodes is None else frozenset(nodes))


CUT_UP = 'nemesis: damage {"targets": ["n2"]} fault=1 -> '


@pytest.mark.parametrize(
    ("text", "history", "most"),
    [
        ("disk:flip@one", None, None),
        ("disk:flip@one", "", 0),
        ("disk:flip@one", CUT_UP + "applied", 1),
        ("disk:flip@one", CUT_UP + "uncertain", 1),
        ("disk:flip@one", f"{CUT_UP}applied\n{CUT_UP}applied".replace("=1", "=2", 1), 1),
        (
            "disk:flip@one,disk:lost",
            f'{CUT_UP}applied\nnemesis: wipe {{"targets": ["n3"]}} fault=2',
            2,
        ),
        ("disk:flip@one", "nemesis: damage fault=1 -> applied", None),
        ("disk:flip@one,kill", 'nemesis: kill {"targets": ["n1"]} fault=1 -> applied', 0),
        ("disk:flip@n3+n4", None, 2),
        ("disk:flip@n3+n4", CUT_UP.replace("n2", "n3") + "applied", 1),
        ("kill", None, 0),
    ],
)
def test_of_a_run_that_is_over_it_says_how_many_stores_were_struck(
    text: str, history: str | None, most: int | None
) -> None:
    over = None if history is None else parse_history("p1: read x -> 1\n" + history)
    assert parse(text).summary(over).spoilt_max == most


def test_a_script_says_whose_stores_it_may_damage(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("n3: disk flip\nnemesis: heal\nn3: disk lost\n", encoding="utf-8")
    assert parse(f"script:{script}").spoilt == frozenset({"n3"})
    script.write_text("n3: disk flip\nnemesis: disk flip target=one\n", encoding="utf-8")
    assert parse(f"script:{script}").spoilt is None


def test_a_plan_of_ones_own_that_does_not_say_so_may_damage_any() -> None:
    assert FaultPlan("own", Wipe(), NOTHING).spoilt is None
    assert (FaultPlan("own", Wipe(), NOTHING) + parse("disk:lost@n1")).spoilt is None
