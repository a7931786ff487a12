"""The kit for nemeses of one's own: good ones keep the rules, a bad one is told which it breaks."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lineal.conformance import nemesis_problems
from nemesis.kill import Kill
from nemesis.plan import Effect, Fault, FaultPlan
from nemesis.plans import parse
from nemesis.schedule import alternate

if TYPE_CHECKING:
    from systems_under_test.environments.cluster import Cluster

PAGE = Path(__file__).parents[2] / "docs" / "nemesis.md"


def of_the_page() -> FaultPlan:
    """The nemesis of the page about nemeses."""
    names: dict[str, Any] = {}
    examples = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    exec(next(example for example in examples if "class Bounce" in example), names)
    plan: FaultPlan = names["bounce"]
    return plan


@pytest.mark.parametrize("text", ["partition:zones", "stop:brief"])
def test_bundled_families_keep_the_rules(text: str) -> None:
    assert nemesis_problems(parse(text), environments=("simulated",)) == []


@pytest.mark.live
def test_the_nemesis_of_the_page_keeps_the_rules_in_both_environments() -> None:
    assert nemesis_problems(of_the_page()) == []


@dataclass(frozen=True)
class Own:
    """A nemesis that kills, to be spoilt."""

    faults = frozenset({"own"})
    needs = frozenset({"kill"})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        return Kill().inject(cluster, replace(fault, f="kill"))

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        return Kill().heal(cluster, replace(fault, f="kill"))


class Liar(Own):
    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        return Effect("applied", "words", {"said": "so"})


class Silent(Own):
    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        return replace(super().inject(cluster, fault), evidence={})


class Leaky(Own):
    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        return Effect("healed", "words")


class Meddler(Own):
    """Lets go on whoever is paused, its own victims or not."""

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        for node in cluster.nodes.values():
            node.resume()
        return super().heal(cluster, fault)


class Mender(Own):
    """Mends every link, whoever has cut it."""

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        cluster.set_cut(())
        return super().heal(cluster, fault)


class Starter(Own):
    """Starts whoever is dead."""

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        for node in cluster.nodes.values():
            node.start()
        return super().heal(cluster, fault)


class Forgetful(Own):
    kept: list[int] = []  # noqa: RUF012 - this is what is wrong with it

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        self.kept.append(fault.fault)
        effect = super().inject(cluster, fault)
        return replace(effect, evidence={**effect.evidence, "kept": len(self.kept)})


class Raising(Own):
    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        raise KeyError(fault.fault)


class Confused(Own):
    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        return replace(super().inject(cluster, fault), effect="healed")


class Boaster(Own):
    """Heals, and says so without having looked."""

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        super().heal(cluster, fault)
        return Effect("healed", "words")


class OnceOnly(Own):
    """Heals what it remembers, and raises where it remembers nothing."""

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        cluster.nodes["n1"].open = True  # type: ignore[attr-defined]
        return super().inject(cluster, fault)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        del cluster.nodes["n1"].open  # type: ignore[attr-defined]
        return super().heal(cluster, fault)


class Wordless(Own):
    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        super().heal(cluster, fault)
        return None  # type: ignore[return-value]


class Waiter(Own):
    """Waits for what never comes."""

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        threading.Event().wait()
        return super().heal(cluster, fault)


class Lazy(Own):
    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        return Effect("ineffective", "nothing")


@pytest.mark.parametrize(
    ("nemesis", "said"),
    [
        (Liar(), "is `applied` in a cluster whose verbs do nothing"),
        (Silent(), "is `applied` without evidence"),
        (Leaky(), "own, once healed, leaves n"),
        (Meddler(), "own and its healing undo the pause of another fault: n1"),
        (Mender(), "own and its healing undo the partition of another fault: n1->n2"),
        (Starter(), "own and its healing undo the kill of another fault: n1"),
        (Forgetful(), "two runs from one seed differ"),
        (Raising(), "the nemesis raised KeyError"),
        (Confused(), "answers 'healed': there are ['applied', 'ineffective'"),
        (Boaster(), "own is `healed` by verbs that do nothing, and leaves n"),
        (OnceOnly(), "own, injected and healed by itself: the nemesis raised"),
        (Wordless(), "`heal` answers None, which is no Effect"),
        (Lazy(), "no injection took effect: ineffective"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Own) else "",
)
def test_a_broken_rule_is_told(nemesis: Own, said: str) -> None:
    plan = FaultPlan("own", nemesis, alternate("own", "minority"))
    problems = nemesis_problems(plan, environments=("simulated",))
    assert any(said in problem for problem in problems), problems


def test_one_that_waits_for_ever_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lineal.conformance.PATIENCE_S", 1.0)
    plan = FaultPlan("own", Waiter(), alternate("own", "minority"))
    (problem,) = nemesis_problems(plan, environments=("simulated",))
    assert "the nemesis raised Hung" in problem


class NoNemesis(Own):
    needs: Any = "kill"
    heal: Any = None


def test_members_that_are_none_are_told() -> None:
    plan = FaultPlan("own", NoNemesis(), alternate("own", "minority"))
    assert nemesis_problems(plan) == [
        "`needs` must be a set of names",
        "`heal` must be a method",
    ]


def test_a_schedule_that_injects_what_nobody_knows_is_told() -> None:
    plan = FaultPlan("own", Own(), alternate("other", "one"))
    (problem,) = nemesis_problems(plan, environments=("simulated",))
    assert "other" in problem


def test_a_nemesis_that_nothing_carries_is_told() -> None:
    needs = replace(parse("kill"), nemesis=NeedsMoon())
    problems = nemesis_problems(needs)
    assert problems == ["none of simulated, local carries ['moon']"]


class NeedsMoon(Own):
    needs = frozenset({"moon"})
