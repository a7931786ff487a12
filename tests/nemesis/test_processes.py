"""Kills, power losses, damage and pauses, alone and on top of one another."""

from __future__ import annotations

import itertools

import pytest

from nemesis.damage import Damage
from nemesis.kill import Kill
from nemesis.pause import Pause
from nemesis.plan import Effect, Fault, Nemesis
from nemesis.power import Power
from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.rng import Rng
from tests.nemesis.memory_cluster import MemoryCluster

NEMESES: dict[str, Nemesis] = {
    "kill": Kill(),
    "power": Power(),
    "pause": Pause(),
    "damage": Damage(),
}
UNDOING = {"kill": "start", "power": "start", "damage": "start", "pause": "resume"}
DOING = {"kill": "kill", "power": "power_off", "damage": "damage_disk", "pause": "pause"}


def fault(number: int, f: str, *targets: str) -> Fault:
    return Fault(number, f, {"targets": list(targets), "variant": "flip"})


def inject(cluster: MemoryCluster, *faults: Fault) -> list[Effect]:
    return [NEMESES[one.f].inject(cluster, one) for one in faults]


def heal(cluster: MemoryCluster, *faults: Fault) -> list[Effect]:
    return [NEMESES[one.f].heal(cluster, one) for one in faults]


def states(cluster: MemoryCluster) -> str:
    return " ".join(node.life for node in cluster.nodes.values())


@pytest.mark.parametrize("f", sorted(NEMESES))
def test_a_fault_strikes_its_targets_alone_and_is_healed(f: str) -> None:
    cluster = MemoryCluster()
    one = fault(1, f, "n2", "n4")
    (effect,) = inject(cluster, one)
    assert effect.effect == "applied"
    state = "paused" if f == "pause" else "dead"
    assert states(cluster) == f"running {state} running {state} running"
    assert sorted(effect.evidence) == ["n2", "n4"]
    assert effect.evidence["n2"]["before"] == "running"
    assert effect.evidence["n2"]["after"] == state
    (healing,) = heal(cluster, one)
    assert healing.effect == "healed"
    assert states(cluster) == "running running running running running"
    assert cluster.nodes["n2"].lives == (1 if f == "pause" else 2)


@pytest.mark.parametrize("f", sorted(NEMESES))
def test_a_verb_that_does_nothing_is_ineffective(f: str) -> None:
    cluster = MemoryCluster()
    cluster.broken.add(DOING[f])
    (effect,) = inject(cluster, fault(1, f, "n2", "n4"))
    assert effect.effect == "ineffective"


def test_damage_to_a_node_that_cannot_be_killed_is_ineffective() -> None:
    cluster = MemoryCluster()
    cluster.broken.add("kill")
    (effect,) = inject(cluster, fault(1, "damage", "n2"))
    assert effect.effect == "ineffective"
    assert states(cluster) == "running running running running running"


@pytest.mark.parametrize("f", sorted(NEMESES))
def test_a_healing_that_does_nothing_leaks(f: str) -> None:
    cluster = MemoryCluster()
    one = fault(1, f, "n2", "n4")
    inject(cluster, one)
    cluster.broken.add(UNDOING[f])
    (healing,) = heal(cluster, one)
    assert healing.effect == "leaked"


@pytest.mark.parametrize("f", sorted(NEMESES))
def test_a_fault_on_a_node_that_is_dead_already_takes_effect_on_the_others_only(f: str) -> None:
    cluster = MemoryCluster()
    cluster.nodes["n2"].life = "dead"
    cluster.nodes["n2"].records = 0
    (effect,) = inject(cluster, fault(1, f, "n2", "n4"))
    assert effect.effect == "partly"
    (effect,) = inject(cluster, fault(2, "kill", "n2"))
    assert effect.effect == "ineffective"
    assert effect.evidence["n2"]["before"] == "dead"


def test_a_paused_node_can_be_killed_and_stays_dead_when_the_pause_is_healed() -> None:
    cluster = MemoryCluster()
    pause, kill = fault(1, "pause", "n1"), fault(2, "kill", "n1")
    assert [e.effect for e in inject(cluster, pause, kill)] == ["applied", "applied"]
    assert heal(cluster, pause)[0].effect == "healed"
    assert cluster.nodes["n1"].state() == "dead"
    assert heal(cluster, kill)[0].effect == "healed"
    assert cluster.nodes["n1"].state() == "running"


def test_a_node_killed_while_paused_is_paused_again_when_it_is_started() -> None:
    cluster = MemoryCluster()
    pause, kill = fault(1, "pause", "n1"), fault(2, "kill", "n1")
    inject(cluster, pause, kill)
    (healing,) = heal(cluster, kill)
    assert healing.effect == "healed"
    assert healing.evidence["n1"] == {"after": "paused", "incarnation": 2, "held_by_faults": [1]}
    assert heal(cluster, pause)[0].effect == "healed"
    assert cluster.nodes["n1"].state() == "running"


def test_a_pause_of_a_dead_node_is_ineffective_until_it_is_started() -> None:
    cluster = MemoryCluster()
    kill, pause = fault(1, "kill", "n1"), fault(2, "pause", "n1")
    assert [e.effect for e in inject(cluster, kill, pause)] == ["applied", "ineffective"]
    heal(cluster, kill)
    assert cluster.nodes["n1"].state() == "paused"


def test_a_node_that_two_faults_killed_starts_with_the_second_healing() -> None:
    cluster = MemoryCluster()
    kill, power = fault(1, "kill", "n1"), fault(2, "power", "n1", "n2")
    assert [e.effect for e in inject(cluster, kill, power)] == ["applied", "partly"]
    assert heal(cluster, kill)[0].effect == "healed"
    assert states(cluster) == "dead dead running running running"
    assert heal(cluster, power)[0].effect == "healed"
    assert states(cluster) == "running running running running running"


def test_every_order_of_overlapping_faults_and_healings_ends_with_all_running() -> None:
    faults = (fault(1, "kill", "n1"), fault(2, "pause", "n1", "n2"), fault(3, "power", "n2"))
    for injected in itertools.permutations(faults):
        for healed in itertools.permutations(faults):
            cluster = MemoryCluster(3)
            inject(cluster, *injected)
            effects = heal(cluster, *healed)
            assert states(cluster) == "running running running"
            assert {effect.effect for effect in effects} == {"healed"}


def test_random_overlaps_leave_each_node_as_the_open_faults_want_it() -> None:
    for seed in range(200):
        rng = Rng(f"{seed}/overlaps")
        cluster = MemoryCluster(3)
        open_faults: list[Fault] = []
        for number in range(12):
            if open_faults and rng.below(2):
                done = open_faults.pop(rng.below(len(open_faults)))
                assert heal(cluster, done)[0].effect == "healed"
            else:
                new = fault(
                    number, rng.choice(["kill", "pause", "power"]), rng.choice(["n1", "n2"])
                )
                inject(cluster, new)
                open_faults.append(new)
            for name, node in cluster.nodes.items():
                on = {one.f for one in open_faults if name in one.input["targets"]}
                want = "dead" if on & {"kill", "power"} else "paused" if on else "running"
                assert node.life == want


def test_healing_a_pause_leaves_a_node_dead_that_died_by_itself() -> None:
    cluster = MemoryCluster()
    pause = fault(1, "pause", "n1")
    inject(cluster, pause)
    cluster.nodes["n1"].life = "dead"
    assert heal(cluster, pause)[0].effect == "healed"
    assert cluster.nodes["n1"].state() == "dead"


def test_a_node_that_refuses_to_run_on_damage_was_still_started() -> None:
    cluster = MemoryCluster()
    damage = fault(1, "damage", "n1")
    inject(cluster, damage)
    cluster.nodes["n1"].refuses_to_live = True
    (healing,) = heal(cluster, damage)
    assert healing.effect == "healed"
    assert healing.evidence["n1"] == {"after": "dead", "incarnation": 2}


def test_damage_names_the_record_and_power_loss_counts_what_was_lost() -> None:
    cluster = MemoryCluster()
    damaged, powerless = inject(cluster, fault(1, "damage", "n1"), fault(2, "power", "n2"))
    assert damaged.evidence["n1"]["damaged"] == {"file": "log", "record": 4}
    assert powerless.evidence["n2"]["lost"] == 2


def test_a_power_loss_that_took_nothing_was_a_kill() -> None:
    cluster = MemoryCluster()
    cluster.nodes["n1"].unsynced = cluster.nodes["n2"].unsynced = 0
    (effect,) = inject(cluster, fault(1, "power", "n1", "n2"))
    assert effect.effect == "partly"
    assert [effect.evidence[name]["lost"] for name in ("n1", "n2")] == [0, 0]
    (effect,) = inject(cluster, fault(2, "power", "n3", "n4"))
    assert effect.effect == "applied"


def test_healing_twice_or_without_an_injection_does_no_harm() -> None:
    cluster = MemoryCluster()
    for f in NEMESES:
        one = fault(1, f, "n1")
        assert heal(cluster, one)[0].effect == "healed"
        inject(cluster, one)
        assert [e.effect for e in heal(cluster, one, one)] == ["healed", "healed"]
    assert states(cluster) == "running running running running running"


def test_a_node_that_cannot_be_started_does_not_keep_the_others_dead() -> None:
    class StuckFirst(MemoryCluster):
        def __init__(self) -> None:
            super().__init__()
            self.nodes["n1"].failing = {"start"}

    cluster = StuckFirst()
    kill = fault(1, "kill", "n1", "n2")
    inject(cluster, kill)
    with pytest.raises(EnvironmentFailed, match="n1 could not start"):
        heal(cluster, kill)
    assert states(cluster) == "dead running running running running"


def test_what_half_failed_to_be_injected_is_healed_whole() -> None:
    cluster = MemoryCluster()
    cluster.nodes["n1"].failing = {"kill"}
    kill = fault(1, "kill", "n1", "n2")
    with pytest.raises(EnvironmentFailed, match="n1 could not kill"):
        inject(cluster, kill)
    assert cluster.nodes["n2"].state() == "dead"
    heal(cluster, kill)
    assert cluster.nodes["n2"].state() == "running"


def test_an_unknown_node_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"names n9; nodes are n1, n2, n3, n4, n5"):
        inject(MemoryCluster(), fault(1, "kill", "n9"))
