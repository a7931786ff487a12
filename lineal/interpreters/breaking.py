"""Carries out what the nemesis thread is asked, and turns every failure into a recorded effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemesis.plan import Effect, Fault
from systems_under_test.environments.cluster import EnvironmentFailed
from workloads.client import Completion

if TYPE_CHECKING:
    from lineal.interpreters.desk import Begun, Desk
    from nemesis.plan import Nemesis
    from systems_under_test.environments.cluster import Cluster


def act(nemesis: Nemesis, cluster: Cluster, desk: Desk, begun: Begun) -> Completion:
    """Inject or heal as the operation says.

    A verb that the environment could not carry out leaves the fault open and its effect
    `ineffective` (or `leaked`), with the reason: the run goes on, and the verdict says so.
    """
    assert begun.fault is not None, "whoever looks for roles is answered by the world"
    healing = begun.invocation.f == "heal"
    cause = desk.faults[begun.fault]
    fault = Fault(begun.fault, cause.f, cause.input or {})
    try:
        effect = nemesis.heal(cluster, fault) if healing else nemesis.inject(cluster, fault)
    except EnvironmentFailed as error:
        effect = Effect("leaked" if healing else "ineffective", "none", {"error": str(error)})
    return Completion("info", output=effect.output())
