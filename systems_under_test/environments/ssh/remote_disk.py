"""What an attendant does to the disk of its node: as the local environment, on that machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from systems_under_test.environments.cluster import DiskQuality
from systems_under_test.environments.local.disk import NodeDisk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class RemoteDisk:
    """The disk of one node, asked by `{"verb": ...}`."""

    def __init__(self, directory: str, request: Mapping[str, Any]) -> None:
        """`directory` is the node's folder. Raises EnvironmentFailed."""
        self._disk = NodeDisk(
            request["node"], Path(directory), engine=request["engine"], seed=request["seed"]
        )

    def begin_life(self) -> None:
        """The node is being started."""
        self._disk.begin_life()

    def obey(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do what is asked; how the disk is now and what it has done.

        To damage it, or to lose power, the node must be dead.
        """
        disk, verb = self._disk, request["verb"]
        answer: dict[str, Any] = {}
        if verb == "set":
            disk.set(DiskQuality(**request["quality"]))
        elif verb == "damage":
            answer["damaged"] = dict(disk.damage(request["kind"]))
        elif verb == "lose-power":
            disk.lose_power()
        elif verb == "killed-by":
            answer["killed"] = disk.killed_by(request["status"])
        elif verb != "look":
            raise ValueError(f"a disk knows no {verb!r}")
        return {**answer, "quality": asdict(disk.quality()), "counters": dict(disk.counters())}
