"""What can be chosen of the Docker environment. Imports nothing heavy: every command reads it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.environments.docker import disks
from systems_under_test.environments.docker.netem import beyond, refusal, why_no_netem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

AUTO: Final = "auto"
HOST_BRIDGE: Final = "host-bridge"
SIDECAR: Final = "sidecar"
IN_CONTAINER: Final = "in-container"
PROCESS: Final = "process"
CONTAINER: Final = "container"
KERNEL: Final = "kernel"
PROXY: Final = "proxy"
DIRECTORY: Final = "directory"
LOOP: Final = "loop"

METHODS: Final = {
    HOST_BRIDGE: "one nftables transaction on the host's bridge; needs root and nft",
    SIDECAR: "nftables in each node's network, entered from a container that may",
    IN_CONTAINER: "nftables in each node's network, by `docker exec`; nodes get NET_ADMIN",
}
CARRIED: Final = frozenset(
    {"partition", "link", "kill", "stop", "pause", "power", "clock", "disk", "cpu", "memory"}
)
"""Of `CAPABILITIES`, what it carries where the machine allows it."""

_VALID: Final[dict[str, tuple[str, ...]]] = {
    "partition": (AUTO, *METHODS),
    "kill": (PROCESS, CONTAINER),
    "pause": (PROCESS, CONTAINER),
    "links": (AUTO, KERNEL, PROXY),
    "disk": (AUTO, DIRECTORY, LOOP),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerOptions:
    """How containers are made, and how faults are carried in them."""

    partition: str = AUTO
    """How links are cut: `auto`, or a method by name, which then must work."""
    kill: str = PROCESS
    """`process`: the node's, in a container that stays. `container`: `docker kill`."""
    pause: str = PROCESS
    """`process`: SIGSTOP to the node's. `container`: `docker pause`."""
    links: str = AUTO
    """`kernel`: nodes reach one another directly, and the kernel loses, holds and narrows packets;
    with netem it also delays, doubles and reorders them. `proxy`: through the harness, which does
    all that to messages; then it also cuts them. `auto`: `proxy` for link faults, but `kernel` for
    foreign systems, whose programs choose their own ways."""
    disk: str = AUTO
    """`directory`: of this machine; power loss takes what the node's storage says it has not
    synced. `loop`: a file system of each node's own, which loses power as a real one does; needs
    root. A `loop` is also full and slow by the kernel. `auto`: `loop` where faults take the power,
    or spoil the disk of foreign programs, and the machine allows it."""
    base: str | None = None
    """The image that nodes' images are built on."""

    def resolved(self, needs: Collection[str], *, foreign: bool = False) -> DockerOptions:
        """The same with every `auto` decided that the faults decide, by what they need."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.links == AUTO:
            given["links"] = PROXY if "link" in needs and not foreign else KERNEL
        if self.disk == AUTO:
            own = "power" in needs or (foreign and "disk" in needs)
            given["disk"] = LOOP if own and disks.cannot() is None else DIRECTORY
        return DockerOptions(**given)

    def problems(
        self, needs: Collection[str], qualities: Collection[str] = (), *, foreign: bool = False
    ) -> list[str]:
        """Why faults that need this cannot be carried so, in sentences.

        `qualities` are the fields of `LinkQuality` and `DiskQuality` that they use.
        """
        chosen = self.resolved(needs, foreign=foreign)
        found = []
        if chosen.links == KERNEL and beyond(qualities) and (reason := why_no_netem()):
            found.append(refusal(qualities, reason))
        if chosen.links == PROXY and foreign:
            found.append("the docker option links=proxy is not for foreign systems; leave it out")
        if chosen.links == PROXY and chosen.partition != AUTO:
            found.append(
                f"the docker option partition={chosen.partition} cuts nothing where links are "
                "proxied; leave it out, or the link faults"
            )
        reason = disks.cannot() if chosen.disk == LOOP else None
        if reason:
            found.append(f"the docker option disk=loop is not for this machine: {reason}")
        return found


def options_of(given: Mapping[str, Any]) -> DockerOptions:
    """The options by name. Raises ValueError: a line for each problem."""
    known = [field.name for field in fields(DockerOptions)]
    problems: list[str] = []
    for name, value in given.items():
        if name not in known:
            problems.append(
                f"the docker environment has no option {name!r}; there are: {', '.join(known)}"
            )
        elif value not in _VALID.get(name, (value,)):
            problems.append(f"{name}={value}: there are {', '.join(_VALID[name])}")
    if problems:
        raise ValueError("\n".join(problems))
    return DockerOptions(**{name: str(value) for name, value in given.items()})
