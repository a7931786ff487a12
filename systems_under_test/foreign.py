"""A system that is not ours: other people's programs on nodes, and a client that speaks to them.

A foreign system brings its image, its ports, and for each node its files and commands. The least
that it must have is `ForeignSystem`. Whatever else it can do it says by having the member; what it
does not have is answered for it by `Adopted`, which is what the rest of Lineal sees:

* `image`: what its containers are made of, an `Image`; without one the plain base image;
* `nodes_default`, `option_docs`, `problems(options, nodes)`: as a bundled system has them;
* `promises(options, nodes, plan)`: where `claims` depend on those;
* `data_files`: patterns of the files that hold its data, which damage may strike; all without it;
* `ready(node)`: whether a node serves; without it, whether its programs run;
* `unrest(cluster)`: why the cluster is not at rest, in sentences;
* `roles(cluster)`, `role_names`: which nodes play which role now, as `{"leader": ("n1",)}`, and
  the roles that there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from checker.claims import Promises
from systems_under_test.system import Offer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from systems_under_test.system import Bug, FaultPlanSummary
    from workloads.client import Client
    from workloads.workload import Workload

CARRIED = frozenset(
    {"partition", "link", "kill", "stop", "pause", "power", "cpu", "memory", "clock", "disk"}
)
"""What can be done to programs that know nothing of us; their disks do not fail them, see docs."""
SPOILS = frozenset({"damage", "wipe"})
"""Faults that damage or empty what a node has stored."""
ENVIRONMENTS = ("docker",)
"""Where nodes can be given to foreign systems."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """What the containers of a foreign system are made of.

    `packages` are Debian packages, installed on `base`: an image that the engine has or can pull,
    with Python 3.11 or newer, for process 1 is our supervisor; None for the one of the bundled
    systems. `steps` are further lines of its Dockerfile.
    """

    packages: tuple[str, ...] = ()
    base: str | None = None
    steps: tuple[str, ...] = ()


class ForeignNode(Protocol):
    """A node as a foreign system sees it. Its files survive crashes."""

    @property
    def name(self) -> str:
        """Its name, as `n1`."""
        ...

    @property
    def address(self) -> str:
        """Where other nodes reach it, on any port."""
        ...

    def reach(self, port: int) -> tuple[str, int]:
        """Where clients, who are not nodes, reach one of the system's ports."""
        ...

    def path(self, name: str) -> str:
        """A file of the node's own, as its programs see it."""
        ...

    def exists(self, name: str) -> bool:
        """Whether that file is there."""
        ...

    def write(self, name: str, text: str) -> str:
        """Write that file anew; its path."""
        ...

    def daemon(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        """Start a program under a name, in the directory of the node's files. Runs: no change.

        What it prints goes to `<name>.log` in the run directory. Raises EnvironmentFailed.
        """
        ...

    def run(self, command: Sequence[str]) -> str:
        """What a command prints that ends by itself, within seconds. Raises EnvironmentFailed."""
        ...


@dataclass(frozen=True, slots=True)
class ForeignCluster:
    """The nodes of a run by name, in order, and the system's options."""

    nodes: Mapping[str, ForeignNode]
    options: Mapping[str, Any] = field(default_factory=dict)


class ForeignSystem(Protocol):
    """The least that a foreign system must have."""

    @property
    def name(self) -> str:
        """Its hyphenated name."""
        ...

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports at which clients reach its programs."""
        ...

    @property
    def workloads(self) -> Mapping[str, Callable[..., Workload]]:
        """The workloads that its client can carry out; the first is the default."""
        ...

    @property
    def claims(self) -> frozenset[str]:
        """What it is held to, of `checker.claims.CLAIMS`."""
        ...

    def start(self, node: ForeignNode, cluster: ForeignCluster) -> None:
        """Start its programs on a node: the first time, and again after each crash."""
        ...

    def client(self, node: ForeignNode, cluster: ForeignCluster) -> Client:
        """A client of that node, for one thread."""
        ...


def is_foreign(system: Any) -> bool:
    """Whether a system is a foreign one: it has clients, and no replica."""
    return not hasattr(system, "replica_path") and hasattr(system, "client")


@dataclass(frozen=True, slots=True)
class Adopted:
    """A foreign system with everything that the rest of Lineal asks of a system."""

    system: Any
    """The `ForeignSystem`, whose further members are looked for by name."""

    @property
    def name(self) -> str:
        """Its hyphenated name."""
        return str(self.system.name)

    @property
    def path(self) -> str:
        """The module that it comes from, which whoever starts nodes must find."""
        return type(self.system).__module__

    @property
    def image(self) -> Image:
        """What its containers are made of."""
        image: Image = getattr(self.system, "image", Image())
        return image

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports at which clients reach its programs."""
        return tuple(self.system.ports)

    @property
    def data_files(self) -> tuple[str, ...]:
        """Patterns of its files below a node's folder that damage may strike."""
        return tuple(getattr(self.system, "data_files", ("**/*",)))

    @property
    def nodes_default(self) -> int:
        """How many nodes `lineal run` starts unless told otherwise."""
        return int(getattr(self.system, "nodes_default", 3))

    @property
    def workload_default(self) -> str:
        """The first of its workloads."""
        return str(next(iter(self.system.workloads)))

    @property
    def offers(self) -> Mapping[str, Offer]:
        """Its workloads; a client carries them, so that there is no codec."""
        return {name: Offer(make) for name, make in self.system.workloads.items()}

    @property
    def bugs(self) -> Mapping[str, Bug]:
        """None: its bugs are its own."""
        return {}

    @property
    def option_docs(self) -> Mapping[str, str]:
        """Each option with a sentence, its unit and its default."""
        docs: Mapping[str, str] = getattr(self.system, "option_docs", {})
        return docs

    @property
    def role_names(self) -> frozenset[str]:
        """The roles that its nodes play, as `leader`."""
        return frozenset(getattr(self.system, "role_names", ()))

    def problems(self, options: Mapping[str, Any], nodes: tuple[str, ...]) -> list[str]:
        """Everything that is wrong with these options, in sentences."""
        ask = getattr(self.system, "problems", None)
        return [] if ask is None else list(ask(options, nodes))

    def promises(
        self, options: Mapping[str, Any], nodes: tuple[str, ...], plan: FaultPlanSummary
    ) -> Promises:
        """What it is held to."""
        ask = getattr(self.system, "promises", None)
        spoilt = ", ".join(sorted(plan.faults & SPOILS))
        if ask is None and spoilt:
            reason = f"it does not say what it promises under {spoilt} of its files"
            return Promises(frozenset(), dict.fromkeys(self.system.claims, reason))
        if ask is None:
            return Promises(frozenset(self.system.claims))
        promised: Promises = ask(options, nodes, plan)
        return promised

    def start(self, node: ForeignNode, cluster: ForeignCluster) -> None:
        """Start its programs on a node."""
        self.system.start(node, cluster)

    def client(self, node: ForeignNode, cluster: ForeignCluster) -> Client:
        """A client of that node."""
        client: Client = self.system.client(node, cluster)
        return client

    def silence(self, node: ForeignNode) -> str | None:
        """Why a node does not serve, if it does not; None where it does, or cannot be asked."""
        ask = getattr(self.system, "ready", None)
        try:
            served = ask is None or ask(node)
        except Exception as error:  # Whatever a client library raises at a node that is not there.
            return f"{type(error).__name__}: {error}"
        return None if served else "it is not ready"

    def unrest(self, cluster: ForeignCluster) -> list[str]:
        """Why the cluster is not at rest; nothing where the system cannot tell."""
        ask = getattr(self.system, "unrest", None)
        try:
            return [] if ask is None else list(ask(cluster))
        except Exception as error:  # As above.
            return [f"it cannot be told: {type(error).__name__}: {error}"]

    def roles(self, cluster: ForeignCluster) -> Mapping[str, tuple[str, ...]]:
        """Which nodes play which role now; nothing where the system has no roles."""
        ask = getattr(self.system, "roles", None)
        try:
            found: Mapping[str, tuple[str, ...]] = {} if ask is None else ask(cluster)
        except Exception:  # As above: nobody can be asked, so nobody is known to play any.
            return {}
        return {role: tuple(nodes) for role, nodes in found.items()}
