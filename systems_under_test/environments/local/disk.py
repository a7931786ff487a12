"""What the harness does to the disk of a node that it shares a file system with.

A node that runs reads how its disk behaves from a block that both have mapped; what a dead one has
stored is cut back or damaged in its files.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.environments.cluster import DiskQuality, EnvironmentFailed
from systems_under_test.host.disk import DiskBlock
from systems_under_test.host.life import EXIT_COMMIT_FAILED, EXIT_STORAGE_DAMAGED
from systems_under_test.host.synced import take_back
from systems_under_test.rng import Rng

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from systems_under_test.environments.cluster import DamageKind

FILE: Final = "disk"
"""The block's file, beside the node's `data`."""
POWER_ENGINES: Final = frozenset({"memory", "sqlite"})
"""Engines of which is known what they have not synced. (That of memory forgets anyway.)"""

_COUNTER_OF: Final[dict[DamageKind, str]] = {
    "torn": "torn",
    "flip": "flipped",
    "truncate": "truncated",
    "lost": "wiped",
}
_DIRECTORY_UNUSABLE: Final = 73


class NodeDisk:
    """The disk of one node through all its lives."""

    def __init__(
        self,
        node: str,
        directory: Path,
        *,
        engine: str,
        seed: int,
        files: tuple[str, ...] | None = None,
    ) -> None:
        """`directory` is the node's folder. Raises EnvironmentFailed.

        `files` are the patterns of what foreign programs keep; None of a node with our host.
        """
        self._files = files
        self._node = node
        self._data = directory / "data"
        self._engine = engine
        self._rng = Rng(f"{seed}/damage/{node}")
        self._spoilt = False
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._block = DiskBlock(directory / FILE)
        except OSError as error:
            raise EnvironmentFailed(f"node {node}: {directory}: {error}") from error

    def begin_life(self, *, full: bool = False) -> None:
        """The node is being started; `full`: on a disk that somebody else has filled."""
        self._spoilt = full or self.quality() != DiskQuality()

    def set(self, quality: DiskQuality, *, full: bool = False) -> None:
        """Behave so from now on; `full`: somebody else sees to it that there is no space."""
        self._spoilt = self._spoilt or full or quality != DiskQuality()
        for name, value in asdict(quality).items():
            self._block[name] = int(value)

    def quality(self) -> DiskQuality:
        """How it behaves, as the node sees it."""
        seen: dict[str, Any] = {
            field.name: self._block[field.name] for field in fields(DiskQuality)
        }
        return DiskQuality(**{**seen, "full": bool(seen["full"])})

    def counters(self) -> Mapping[str, int]:
        """What it did in all lives."""
        return self._block.counters()

    def lose_power(self) -> None:
        """Of a dead node: take back what it had not synced."""
        from systems_under_test.host.sqlite import LOG

        if self._engine not in POWER_ENGINES:
            raise EnvironmentFailed(
                f"node {self._node}: what the engine {self._engine} has not synced is not known"
            )
        try:
            self._block.add("lost", take_back(self._data, self._data / LOG))
        except OSError as error:
            raise EnvironmentFailed(f"node {self._node}: {error}") from error

    def damage(self, kind: DamageKind) -> Mapping[str, Any]:
        """Of a dead node: damage what it has stored; which file and record."""
        from systems_under_test.host.damage import NONE, damage, damage_files

        if self._files is None and self._engine != "sqlite" and kind != "lost":
            return dict(NONE)
        try:
            if self._files is None:
                done = damage(self._data, kind, self._rng)
            else:
                done = damage_files(self._data, self._files, kind, self._rng)
        except OSError as error:
            raise EnvironmentFailed(f"node {self._node}: {error}") from error
        if done["file"] is not None:
            self._block.add(_COUNTER_OF[kind])
        return done

    def close(self) -> None:
        """Let go of the block's file."""
        self._block.close()

    def count_refusal(self) -> None:
        """The kernel has refused a write, as the node's end shows."""
        self._block.add("refused_full")

    def killed_by(self, status: int | None) -> bool:
        """Whether a process that ended so died of what was done to its disk.

        Of a foreign one nobody knows by its status: once its disk was spoilt, it may have.
        """
        damaged = any(self._block[name] for name in _COUNTER_OF.values())
        if self._files is not None:
            return self._spoilt or damaged
        if status in (EXIT_COMMIT_FAILED, _DIRECTORY_UNUSABLE):
            return self._spoilt
        return status == EXIT_STORAGE_DAMAGED and damaged
