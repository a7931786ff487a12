"""What can be chosen of the Docker environment. Imports nothing heavy: every command reads it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.environments.docker import disks

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
    """`kernel`: nodes reach one another directly. `proxy`: through the harness, which can slow,
    lose, double, reorder and hold messages; then it also cuts them. `auto`: as the faults need."""
    disk: str = AUTO
    """`directory`: of this machine; power loss takes what the node's storage says it has not
    synced. `loop`: a file system of each node's own, which loses power as a real one does; needs
    root. `auto`: `loop` where faults take the power and the machine allows it."""
    base: str | None = None
    """The image that nodes' images are built on."""

    def resolved(self, needs: Collection[str]) -> DockerOptions:
        """The same with every `auto` decided that the faults decide, by what they need."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.links == AUTO:
            given["links"] = PROXY if "link" in needs else KERNEL
        if self.disk == AUTO:
            given["disk"] = LOOP if "power" in needs and disks.cannot() is None else DIRECTORY
        return DockerOptions(**given)

    def problems(self, needs: Collection[str]) -> list[str]:
        """Why faults that need this cannot be carried so, in sentences."""
        chosen = self.resolved(needs)
        found = []
        if "link" in needs and chosen.links != PROXY:
            found.append("the docker option links=kernel carries no link faults; leave it out")
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
