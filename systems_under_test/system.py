"""What a system under test is to the rest of Lineal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from checker.claims import Promises
    from checker.findings import FindingKind
    from systems_under_test.replica import Place, Replica
    from workloads.client import Codec, Reply, Request
    from workloads.workload import Workload


Engine = Literal["memory", "sqlite", "lmdb"]
"""The storage engines of a host; `lmdb` with the extra of that name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bug:
    """A switch that breaks a bundled system on purpose; off unless it is named.

    `needs` are options that expose it, `nodes` how many nodes do (None: the usual number), `faults`
    a nemesis argument that does, `masked_by` what must be switched off so that it is not repaired
    before it can be seen (already part of `needs`). `finding` is None for one that breaks no
    promise: then `found_by` says what finds it. `upholds` is a claim that is made although a fault,
    by name, withdraws it: to promise what cannot be kept is a bug too.
    """

    name: str
    sentence: str
    finding: FindingKind | None
    workload: str
    needs: Mapping[str, Any] = field(default_factory=dict)
    faults: str = "none"
    environments: tuple[str, ...] = ("simulated", "local")
    masked_by: tuple[str, ...] = ()
    nodes: int | None = None
    found_by: str = ""
    upholds: tuple[str, str] | None = None


LETS_LIVE: Final = frozenset({"partition", "link", "pause", "clock", "cpu", "join", "leave"})
"""The faults under which a process goes on, and forgets nothing that it holds in memory."""


@dataclass(frozen=True, slots=True)
class FaultPlanSummary:
    """What `promises` is told of the plan: the fault names that it may inject, as `partition`.

    `drift_ppm` is how much too fast or slow its clock faults may make a clock run, all together;
    None where the plan does not say. `spoilt_max` is how many different nodes may have their stores
    damaged or emptied in the whole run, at once or one after another; None: any number. Of a run
    that is over it is how many there were.
    """

    faults: frozenset[str]
    drift_ppm: int | None = 0
    spoilt_max: int | None = None

    @property
    def deadly(self) -> list[str]:
        """Which of them may end a process, in order: all that are not known to let it live.

        `replace` is among them: it kills the node, which comes back as the member that it was where
        its replacement was not decided, or not confirmed, by then.
        """
        return sorted(self.faults - LETS_LIVE)


@dataclass(frozen=True, slots=True)
class Offer:
    """A workload that a system offers: how to make it, and the codec that carries it.

    A foreign system has no codec: its own client carries the workload.
    """

    workload: Callable[..., Workload]
    codec: Codec | None = None


class Administration(Protocol):
    """What a system offers whose members can be changed: its attribute `administration`."""

    def spares(self, options: Mapping[str, Any], nodes: tuple[str, ...]) -> tuple[str, ...]:
        """The nodes that run and are no members at first."""
        ...

    def order(self, change: str, node: str = "", by: str = "") -> Request:
        """The request for `join`, `leave` or `replace`; 200 once accepted, and again then."""
        ...

    @property
    def members_request(self) -> Request:
        """What a node is asked for the members, once it has accepted an order."""
        ...

    def members(self, reply: Reply) -> tuple[str, ...] | None:
        """The members, in order, as this node knows them; None while they change."""
        ...


class StepwiseAdministration(Protocol):
    """One whose orders are carried out step by step, and proved by the members that it names."""

    @property
    def members_request(self) -> Request:
        """What a node is asked for the members."""
        ...

    def spares(self, options: Mapping[str, Any], nodes: tuple[str, ...]) -> tuple[str, ...]:
        """As of `Administration`."""
        ...

    def problems(self, options: Mapping[str, Any]) -> list[str]:
        """Why members cannot be changed under these options, in sentences."""
        ...

    def members(self, reply: Reply) -> tuple[str, ...] | None:
        """The members, in order, if the node that answered so can know them."""
        ...

    def step(self, change: str, node: str, by: str, members: tuple[str, ...]) -> Request | None:
        """What to ask next for `join`, `leave` or `replace`; None where these members show it.

        For any other change None: there is nothing to be done.
        """
        ...


class System(Protocol):
    """What every system has, bundled or foreign.

    `options` given to these methods are those of `--option key=value`, already validated.
    """

    @property
    def name(self) -> str:
        """Its hyphenated name."""
        ...

    @property
    def nodes_default(self) -> int:
        """How many nodes `lineal run` starts unless told otherwise."""
        ...

    @property
    def workload_default(self) -> str:
        """The workload that runs unless told otherwise."""
        ...

    @property
    def offers(self) -> Mapping[str, Offer]:
        """The workloads that it offers, by name."""
        ...

    @property
    def bugs(self) -> Mapping[str, Bug]:
        """Its named bugs."""
        ...

    @property
    def option_docs(self) -> Mapping[str, str]:
        """Each option with a sentence, its unit and its default."""
        ...

    def problems(self, options: Mapping[str, Any], nodes: tuple[str, ...]) -> list[str]:
        """Everything that is wrong with these options, in sentences; empty if nothing is."""
        ...

    def promises(
        self, options: Mapping[str, Any], nodes: tuple[str, ...], plan: FaultPlanSummary
    ) -> Promises:
        """What it claims in this configuration under this plan."""
        ...


class BundledSystem(System, Protocol):
    """A system of our own: pure replicas behind the replica port."""

    def replica(self, place: Place, options: Mapping[str, Any], bug: str | None) -> Replica:
        """A new life of a node. A host process reaches it as `package:make_replica`."""
        ...

    @property
    def replica_path(self) -> str:
        """`module:function` of the replica's maker, for a host that imports nothing else."""
        ...

    def engine(self, options: Mapping[str, Any]) -> Engine:
        """The storage engine its host must offer: `memory`, `sqlite` or `lmdb`."""
        ...

    @property
    def status_request(self) -> Request:
        """The request that asks a node how it is; answered by 200 once the node is ready."""
        ...

    def unrest(self, statuses: Mapping[str, Reply]) -> list[str]:
        """Why the cluster is not quiescent, in sentences, from one round of status replies."""
        ...

    @property
    def dump_request(self) -> Request | None:
        """The request for everything a node holds, repairing nothing; None if it has no dump."""
        ...

    def decode_dump(self, reply: Reply) -> Any:
        """The `output` of the `dump` operation: key -> what the node holds of it. Raises
        ValueError with the reason where the reply does not say all of it."""
        ...
