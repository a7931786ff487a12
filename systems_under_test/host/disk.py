"""A node's disk as it can be spoiled: full, slow, failing. It stands between a life and its engine.

How it behaves, and what it has counted, stand in a small file that node and harness both map into
memory. So an order reaches a node that is paused or dead too, and the counts outlive the life that
counted. The harness writes the behaviour, the node its counts; each number has one writer.
"""

from __future__ import annotations

import mmap
import os
import time
from typing import TYPE_CHECKING, Final

from systems_under_test.host.storage import CommitFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from systems_under_test.host.storage import Change, Engine
    from systems_under_test.rng import Rng

BILLION: Final = 1_000_000_000
WORD_BYTES: Final = 8

SETTINGS: Final = ("full", "slow_ns", "errors_ppm", "read_errors_ppm")
"""Fields of `DiskQuality`, as integers."""
COUNTED: Final = (
    "commits", "commits_unsynced", "changes",
    "refused_full", "slowed", "failed", "failed_reads",
    "lost", "torn", "flipped", "truncated", "wiped",
)  # fmt: skip
"""The last line is counted by the harness, while the node is dead."""

FULL: Final = "no space left on the disk"
FAILING: Final = "I/O error"

_WORDS: Final = {name: i for i, name in enumerate((*SETTINGS, *COUNTED))}


class DiskBlock:
    """The file that both sides share: a row of 64-bit integers by name."""

    def __init__(self, path: Path) -> None:
        """Map the file, made if it is not there. Raises OSError."""
        size = len(_WORDS) * WORD_BYTES
        with path.open("a+b") as file:
            # Allocated now: to touch a page for which there is no space would be a SIGBUS.
            os.posix_fallocate(file.fileno(), 0, size)
            self._map = mmap.mmap(file.fileno(), size)
        self._words = memoryview(self._map).cast("q")

    def __getitem__(self, name: str) -> int:
        return self._words[_WORDS[name]]

    def __setitem__(self, name: str, value: int) -> None:
        self._words[_WORDS[name]] = value

    def add(self, name: str, amount: int = 1) -> None:
        """Count."""
        self._words[_WORDS[name]] += amount

    def close(self) -> None:
        """Let go of the file."""
        self._words.release()
        self._map.close()

    def counters(self) -> dict[str, int]:
        """Everything that has been counted."""
        return {name: self[name] for name in COUNTED}


class SpoiltDisk:
    """An engine behind a disk that does what its block says. Used by one thread, as the engine."""

    def __init__(self, engine: Engine, block: DiskBlock, rng: Rng) -> None:
        self._engine = engine
        self._block = block
        self._rng = rng
        self._staged = False

    @property
    def counters(self) -> Mapping[str, int]:
        """What the engine has counted in this life."""
        return self._engine.counters

    def get(self, table: str, key: bytes) -> bytes | None:
        """As the engine, or OSError."""
        self._read()
        return self._engine.get(table, key)

    def scan(
        self,
        table: str,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        size_max: int | None = None,
    ) -> Iterator[tuple[bytes, bytes]]:
        """As the engine, or OSError."""
        self._read()
        return self._engine.scan(table, start, stop, size_max=size_max)

    def records(self, file: str) -> Iterator[bytes]:
        """As the engine, or OSError."""
        self._read()
        return self._engine.records(file)

    def stage(self, changes: Sequence[Change]) -> None:
        """Take the changes of one input. Raises CommitFailed, always where the disk is full."""
        if changes and self._block["full"]:
            self._block.add("refused_full")
            raise CommitFailed(FULL)
        self._engine.stage(changes)
        self._staged = self._staged or bool(changes)

    def commit(self) -> None:
        """Commit what is staged, late or not at all if the disk is so. Raises CommitFailed."""
        if not self._staged:
            return
        block = self._block
        if slow_ns := block["slow_ns"]:
            block.add("slowed")
            time.sleep(slow_ns / BILLION)
        if block["errors_ppm"] and self._rng.chance(block["errors_ppm"]):
            block.add("failed")
            raise CommitFailed(FAILING)
        before = dict(self._engine.counters)
        self._engine.commit()
        for name, now in self._engine.counters.items():
            block.add(name, now - before[name])
        self._staged = False

    def damaged_records(self) -> Iterator[str | None]:
        """As the engine."""
        return self._engine.damaged_records()

    def close(self) -> None:
        """Let go of the files."""
        self._engine.close()

    def _read(self) -> None:
        if self._block["read_errors_ppm"] and self._rng.chance(self._block["read_errors_ppm"]):
            self._block.add("failed_reads")
            raise OSError(FAILING)
