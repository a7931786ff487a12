"""Changes of the members under load: a spare joins, a member leaves, a dead one is replaced.

The healing orders the opposite, so that a run ends with the members that it began with. Whether the
system had accepted an order, and who its members were then, is known only when it is healed: an
injection is `partly`, and a healing `ineffective` where nothing had come of it. One that was
accepted and is still under way has changed something, whatever the members are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from nemesis.administration import JOIN, LEAVE, REPLACE, Order, administrator
from nemesis.ledger import ledger, targets_of
from nemesis.plan import Effect
from nemesis.processes import crash, uncrash
from nemesis.schedule import DOWN
from nemesis.targets import NONE, Target, minority
from systems_under_test.environments.cluster import EnvironmentFailed
from workloads.invocations import Invocation

if TYPE_CHECKING:
    from nemesis.administration import Administrator
    from nemesis.plan import Fault
    from systems_under_test.environments.cluster import Cluster
    from workloads.generators.protocol import Context

MEMBERSHIP: Final = "membership"
CHANGES: Final[dict[str, str]] = {
    JOIN: "a spare node joins, and leaves again",
    LEAVE: "a member leaves, and joins again",
    REPLACE: "a member is killed and a spare takes its place; it comes back, and takes it again",
}


@dataclass(frozen=True, slots=True)
class Membership:
    """Orders changes of the members, and their opposites.

    Input: `{"targets": [node], "by": node}`, `by` for `replace` alone, whose target is killed.
    """

    changes: tuple[str, ...] = tuple(CHANGES)
    needs: ClassVar[frozenset[str]] = frozenset({"kill"})

    @property
    def faults(self) -> frozenset[str]:
        """The changes that it orders."""
        return frozenset(self.changes)

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Begin to order the change; a node that is to be replaced is killed first."""
        orders = _administrator(cluster)
        order = _order(fault)
        evidence: dict[str, Any] = {"order": str(order)}
        if fault.f == REPLACE:
            evidence |= crash(cluster, fault, lambda node: node.kill())
        else:
            ledger(cluster).enter(fault)
        orders.begin(fault.fault, order)
        return Effect("partly", "order", evidence)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Begin to order the opposite, and tell what had come of the order."""
        orders = _administrator(cluster)
        outcome = orders.end(fault.fault)
        opposite = _opposite(fault)
        evidence: dict[str, Any] = {"order": str(opposite)}
        if outcome is not None:
            evidence["accepted"] = outcome.accepted
            evidence["attempts"] = outcome.attempts
            evidence["said"] = outcome.said
            if outcome.members is not None:
                evidence["members"] = list(outcome.members)
                evidence["seen"] = _order(fault).shown_by(outcome.members)
        effect = Effect("healed", "order", evidence)
        if fault.f == REPLACE:
            started = uncrash(cluster, fault, "order")
            effect = Effect(started.effect, "order", {**started.evidence, **evidence})
        else:
            ledger(cluster).leave(fault)
        orders.begin(-fault.fault, opposite)
        took = outcome is None or (outcome.accepted and evidence.get("seen", True))
        return effect if took or effect.effect == "leaked" else _idle(effect)


@dataclass(frozen=True, slots=True)
class ChangeMembers:
    """Draws a change: of the spares who joins or takes a place, of the members who goes."""

    change: str
    spares: tuple[str, ...]
    target: Target

    def __call__(self, ctx: Context, open_faults: tuple[Fault, ...]) -> Invocation | None:
        """A change of one node; None while there is none for it."""
        struck = {f.fault: targets_of(f) for f in open_faults if f.f in DOWN | set(CHANGES)}
        taken = {node for nodes in struck.values() for node in nodes}
        taken |= {by for f in open_faults if (by := f.input.get("by"))}
        spares = [node for node in self.spares if node not in taken and node in ctx.nodes]
        if self.change == JOIN:
            return Invocation(JOIN, {"targets": [ctx.rng.choice(spares)]}) if spares else None
        members = tuple(node for node in ctx.nodes if node not in self.spares)
        down = [n for f in open_faults if f.f in DOWN for n in targets_of(f)]
        if self.change == REPLACE and (not spares or len(down) >= max(1, minority(members))):
            return None
        names = self.target.choose(
            members,
            ctx.rng,
            spared=frozenset(taken),
            most=1,
            roles=ctx.roles,
            zones=ctx.zones,
        )
        if not names:
            return None
        by = {"by": ctx.rng.choice(spares)} if self.change == REPLACE else {}
        return Invocation(self.change, {"targets": list(names), **by})

    def problems(self, nodes: tuple[str, ...]) -> list[str]:
        """That there is no spare to join, or no such target."""
        found = self.target.problems(nodes)
        if self.change != LEAVE and not self.spares:
            found.append(
                f"`{self.change}` needs a spare node: --option spares=1, or log_replicas=1 of paxos"
            )
        return found


def drawn(variant: str, target: str, spares: tuple[str, ...]) -> tuple[ChangeMembers, ...]:
    """What a plan draws from: one change, or all that are possible."""
    if target == NONE:
        return ()
    names = CHANGES if spares else (LEAVE,)
    return tuple(
        ChangeMembers(change, spares, Target(target))
        for change in (names if variant not in CHANGES else (variant,))
    )


def _order(fault: Fault) -> Order:
    (node,) = targets_of(fault)
    return Order(fault.f, node, fault.input.get("by", ""))


def _opposite(fault: Fault) -> Order:
    order = _order(fault)
    if fault.f == REPLACE:
        return Order(REPLACE, order.by, order.node)
    return Order(LEAVE if fault.f == JOIN else JOIN, order.node)


def _administrator(cluster: Cluster) -> Administrator:
    found = administrator(cluster)
    if found is None:
        raise EnvironmentFailed("nobody gives orders to the system in this run")
    return found


def _idle(effect: Effect) -> Effect:
    return Effect("ineffective", effect.method, effect.evidence)
