"""What can be chosen of the Docker environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from systems_under_test.environments.docker.partitions import METHODS

AUTO: Final = "auto"
PROCESS: Final = "process"
CONTAINER: Final = "container"
KERNEL: Final = "kernel"
PROXY: Final = "proxy"
WRITABLE: Final = "directory"
LOOP: Final = "loop"


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerOptions:
    """How containers are made, and how faults are carried in them."""

    partition: str = AUTO
    """How links are cut: `auto`, or a method by name, which then must work."""
    kill: str = PROCESS
    """`process`: the node's, in a container that stays. `container`: `docker kill`."""
    pause: str = PROCESS
    """`process`: SIGSTOP to the node's. `container`: `docker pause`."""
    links: str = KERNEL
    """`kernel`: nodes reach one another directly. `proxy`: through the harness, which can slow,
    lose, double, reorder and hold messages; then it also cuts them."""
    disk: str = WRITABLE
    """`directory`: of this machine. `loop`: a file system of each node's own, which can lose power.
    Needs root."""
    base: str | None = None
    """The image that nodes' images are built on."""

    def problems(self) -> list[str]:
        """Everything that is wrong with them, in sentences."""
        valid = {
            "partition": (AUTO, *METHODS),
            "kill": (PROCESS, CONTAINER),
            "pause": (PROCESS, CONTAINER),
            "links": (KERNEL, PROXY),
            "disk": (WRITABLE, LOOP),
        }
        return [
            f"docker option {name} {getattr(self, name)!r}: there are {', '.join(allowed)}"
            for name, allowed in valid.items()
            if getattr(self, name) not in allowed
        ]
