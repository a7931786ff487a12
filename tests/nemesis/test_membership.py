"""Changes of members by orders: drawn among spares and members, begun, undone, told honestly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from nemesis.administration import Order, Outcome, administer, administrator
from nemesis.families import membership
from nemesis.membership import CHANGES, Membership
from nemesis.plan import Fault
from nemesis.plans import parse
from systems_under_test.environments.cluster import EnvironmentFailed
from tests.nemesis.memory_cluster import MemoryCluster
from tests.nemesis.rehearsal import MemoryStage, Rehearsal

if TYPE_CHECKING:
    from collections.abc import Hashable

SPARES = ("n4", "n5")


@dataclass
class Ledger:
    """An administrator whose orders are all accepted at once, or never; it knows who is in."""

    members: set[str]
    accepts: bool = True
    given: list[Order] = field(default_factory=list)
    open: dict[Hashable, Order] = field(default_factory=dict)

    def begin(self, number: Hashable, order: Order) -> None:
        self.given.append(order)
        self.open[number] = order
        if self.accepts:
            self.members -= {order.node} if order.change != "join" else set()
            self.members |= {order.node} if order.change == "join" else {order.by} - {""}

    def end(self, number: Hashable) -> Outcome | None:
        order = self.open.pop(number, None)
        return None if order is None else Outcome(self.accepts, 1, "said")

    def under_way(self) -> list[str]:
        return [] if self.accepts else [str(order) for order in self.open.values()]


def rehearsed(text: str, *, accepts: bool = True, seed: int = 1) -> tuple[Rehearsal, Ledger]:
    stage = MemoryStage(5)
    ledger = Ledger({"n1", "n2", "n3"}, accepts)
    administer(stage.cluster, ledger)
    plan = parse(text, spares=SPARES)
    rehearsal = Rehearsal(plan, seconds=60, stage=stage, seed=seed)
    rehearsal.heal()
    return rehearsal, ledger


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("text", ["membership", "membership:join", "membership:replace,kill@one"])
def test_a_run_ends_with_the_members_that_it_began_with(text: str, seed: int) -> None:
    rehearsal, ledger = rehearsed(text, seed=seed)
    assert len(ledger.given) >= 6
    assert ledger.members == {"n1", "n2", "n3"}
    assert {node.state() for node in rehearsal.cluster.nodes.values()} == {"running"}


def test_spares_join_and_members_go() -> None:
    rehearsal, _ = rehearsed("membership")
    seen = {f: {e.input["targets"][0] for e in rehearsal.invoked(f)} for f in CHANGES}
    assert seen["join"] <= set(SPARES)
    assert seen["leave"] <= {"n1", "n2", "n3"}
    assert seen["replace"] <= {"n1", "n2", "n3"}
    assert all(seen.values())
    assert {event.input["by"] for event in rehearsal.invoked("replace")} <= set(SPARES)


def test_a_node_that_is_replaced_is_dead_until_it_is_healed() -> None:
    cluster = MemoryCluster()
    administer(cluster, Ledger({"n1", "n2", "n3"}))
    fault = Fault(1, "replace", {"targets": ["n2"], "by": "n4"})
    assert Membership().inject(cluster, fault).effect == "partly"
    assert cluster.nodes["n2"].state() == "dead"
    assert Membership().heal(cluster, fault).effect == "healed"
    assert cluster.nodes["n2"].state() == "running"


def test_an_order_that_nobody_accepted_is_ineffective_and_still_undone() -> None:
    cluster = MemoryCluster()
    orders = Ledger({"n1", "n2", "n3"}, accepts=False)
    administer(cluster, orders)
    fault = Fault(1, "leave", {"targets": ["n2"]})
    Membership().inject(cluster, fault)
    healing = Membership().heal(cluster, fault)
    assert healing.effect == "ineffective"
    assert healing.evidence["said"] == "said"
    assert [str(order) for order in orders.given] == ["leave n2", "join n2"]


@pytest.mark.parametrize(
    ("members", "effect"), [(("n1", "n3"), "healed"), (("n1", "n2"), "ineffective")]
)
def test_an_order_that_was_accepted_is_proved_by_the_members(
    members: tuple[str, ...], effect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = MemoryCluster()
    orders = Ledger({"n1", "n2", "n3"})
    administer(cluster, orders)
    monkeypatch.setattr(orders, "end", lambda number: Outcome(True, 1, "200", members))
    fault = Fault(1, "leave", {"targets": ["n2"]})
    Membership().inject(cluster, fault)
    healing = Membership().heal(cluster, fault)
    assert healing.effect == effect
    assert healing.evidence["members"] == list(members)
    assert healing.evidence["seen"] == (effect == "healed")


def test_nothing_is_ordered_where_nobody_gives_orders() -> None:
    cluster = MemoryCluster()
    assert administrator(cluster) is None
    with pytest.raises(EnvironmentFailed, match="nobody gives orders"):
        Membership().inject(cluster, Fault(1, "join", {"targets": ["n4"]}))


def test_without_a_spare_members_only_leave() -> None:
    assert membership().nemesis.faults == {"leave"}
    (problem,) = membership("join").checks[0].problems(("n1", "n2"))
    assert problem == ("`join` needs a spare node: --option spares=1, or log_replicas=1 of paxos")
    assert membership(target="none").name == "none"
