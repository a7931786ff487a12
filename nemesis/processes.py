"""What the open faults want of a node's process, and how it is brought there.

Kills, power losses, damage and pauses strike the same processes. A node is meant to be dead while
any fault that kills is open on it; else paused while a pause is; else running. So a node that was
killed while paused stays dead when the pause is healed, and one that was to be paused while dead
is paused when it is started again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nemesis.ledger import ledger, targets_of
from nemesis.plan import Effect
from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nemesis.plan import Fault
    from systems_under_test.environments.cluster import Cluster, Node, NodeState

DEADLY: Final = ("kill", "stop", "power", "damage", "wipe", "replace", "memory")
PAUSE: Final = "pause"


def struck(cluster: Cluster, fault: Fault) -> list[Node]:
    """The nodes that a fault names, as they are in this cluster. Unknown names are an error."""
    absent = [name for name in targets_of(fault) if name not in cluster.nodes]
    if absent:
        raise ValueError(
            f"fault {fault.fault} ({fault.f}) names {', '.join(absent)}; "
            f"nodes are {', '.join(cluster.nodes)}"
        )
    return [cluster.nodes[name] for name in targets_of(fault)]


def wanted(cluster: Cluster, node: Node) -> NodeState:
    """What the faults that are open want of a node's process."""
    faults = ledger(cluster)
    if faults.on(node.name, *DEADLY):
        return "dead"
    return "paused" if faults.on(node.name, PAUSE) else "running"


def each(nodes: Iterable[Node], act: Callable[[Node], None]) -> None:
    """Act on every node, also if one of them fails; then raise what failed first."""
    failures: list[EnvironmentFailed] = []
    for node in nodes:
        try:
            act(node)
        except EnvironmentFailed as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


def revive(cluster: Cluster, nodes: Iterable[Node]) -> None:
    """Start the dead ones among these nodes that no open fault wants dead."""

    def start(node: Node) -> None:
        want = wanted(cluster, node)
        if want == "dead":
            return
        if node.state() == "dead":
            node.start()
        if want == "paused" and node.state() == "running":
            node.pause()

    each(nodes, start)


def crash(cluster: Cluster, fault: Fault, strike: Callable[[Node], None]) -> dict[str, Any]:
    """Open a fault that kills, and strike its nodes; the evidence for each of them."""
    nodes = struck(cluster, fault)
    before = {node.name: node.state() for node in nodes}
    lives = {node.name: node.incarnation() for node in nodes}
    ledger(cluster).enter(fault, lives=lives)
    each(nodes, strike)
    return {
        node.name: {
            "before": before[node.name],
            "after": node.state(),
            "incarnation": lives[node.name],
        }
        for node in nodes
    }


def crashed(evidence: Mapping[str, Mapping[str, Any]]) -> dict[str, bool]:
    """Which nodes were alive before and are dead now; one that was dead before proves nothing."""
    return {
        name: seen["before"] != "dead" and seen["after"] == "dead"
        for name, seen in evidence.items()
    }


def uncrash(cluster: Cluster, fault: Fault, method: str) -> Effect:
    """Close a fault that kills, and start its nodes unless another fault wants them dead.

    A node counts as brought back once it has begun another life. If that ends at once, because
    its disk is full or damaged or its program at fault, that is no failure to heal.
    """
    nodes = struck(cluster, fault)
    lives = ledger(cluster).leave(fault).get("lives", {})
    revive(cluster, nodes)
    evidence: dict[str, Any] = {}
    cleared: dict[str, bool] = {}
    for node in nodes:
        want, state, life = wanted(cluster, node), node.state(), node.incarnation()
        evidence[node.name] = {"after": state, "incarnation": life}
        holding = [other.fault for other in ledger(cluster).on(node.name, *DEADLY, PAUSE)]
        if holding:
            evidence[node.name]["held_by_faults"] = holding
        reborn = state == "dead" and life > lives.get(node.name, life)
        cleared[node.name] = want in ("dead", state) or reborn
    return healed(cleared, method, evidence)


def injected(proved: Mapping[str, bool], method: str, evidence: dict[str, Any]) -> Effect:
    """The effect of an injection from what was proved of each thing that it struck."""
    took = sum(proved.values())
    if took == 0:
        return Effect("ineffective", method, evidence)
    return Effect("applied" if took == len(proved) else "partly", method, evidence)


def healed(cleared: Mapping[str, bool], method: str, evidence: dict[str, Any]) -> Effect:
    """The effect of a healing: leaked if anything that it struck did not come back."""
    return Effect("healed" if all(cleared.values()) else "leaked", method, evidence)
