"""Where a node stands in the Docker environment: what is the same in all its lives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from systems_under_test.environments.cluster import ClusterSpec
    from systems_under_test.environments.docker.disks import LoopDisk
    from systems_under_test.environments.docker.options import DockerOptions

INSIDE: Final = PurePosixPath("/node")
"""Where a node's directory is seen in its container."""
RECORD: Final = "lives.jsonl"
CLIENT_PORT: Final = 8000
PEER_PORT: Final = 9000
ANYWHERE: Final = "0.0.0.0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a node stands: what it is told at every start."""

    spec: ClusterSpec
    options: DockerOptions
    name: str
    directory: Path
    token: str
    peers: Mapping[str, tuple[str, int]]
    disk: LoopDisk | None
    preload: Path | None
    """The library that moves the wall clocks of foreign programs, where faults need that."""
    began_again: Callable[[str], None]
    """Called when its container has been started anew, before the node in it is."""
