"""A disk that the kernel makes slow: it lets so many writes of a container through in a second.

The limit stands in the cgroup of the container, for the device that its disk is. The two versions
of cgroups spell it differently, and both count what they let through. Where the kernel writes back
later what a process wrote, it is nobody's write for version 1; what a process syncs is its own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BILLION: Final = 1_000_000_000
PROCESSES: Final = Path("/proc")
MOUNTS: Final = PROCESSES / "self/mountinfo"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One of the two spellings. `root` is where it is mounted."""

    version: int
    root: Path

    def of(self, pid: int) -> Path:
        """The cgroup that limits what a process writes. Raises OSError, ValueError."""
        file = PROCESSES / str(pid) / "cgroup"
        for line in file.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            wanted = "blkio" if self.version == 1 else ""
            if wanted in controllers.split(","):
                return self.root / path.lstrip("/")
        raise ValueError(f"process {pid} is in no cgroup under {self.root}")

    @property
    def limits(self) -> str:
        """The file of the limits."""
        return "blkio.throttle.write_iops_device" if self.version == 1 else "io.max"

    @property
    def counts(self) -> str:
        """The file of the counts."""
        return "blkio.throttle.io_serviced" if self.version == 1 else "io.stat"

    def asked(self, device: str, writes_s: int) -> str:
        """What is written to set a limit; 0: none."""
        if self.version == 1:
            return f"{device} {writes_s}"
        return f"{device} wiops={writes_s or 'max'}"

    def limit_in(self, text: str, device: str) -> int:
        """The limit that a file of limits tells of a device, 0 without one."""
        for words in _lines_of(text, device):
            if self.version == 1:
                return int(words[0])
            limit = _pairs(words).get("wiops", "max")
            return 0 if limit == "max" else int(limit)
        return 0

    def count_in(self, text: str, device: str) -> int:
        """How many writes to a device a file of counts tells of."""
        for words in _lines_of(text, device):
            if self.version == 1 and words[0] == "Write":
                return int(words[1])
            if self.version != 1:
                return int(_pairs(words).get("wios", 0))
        return 0


class SlowWrites:
    """Makes one node's disk slow, in all lives of its container."""

    def __init__(self, device: Callable[[], str], pid: Callable[[], int]) -> None:
        """`device` tells its numbers, as `7:0`; `pid` that of the container's process 1, or 0."""
        self._device = device
        self._pid = pid
        self._hierarchy = hierarchy()
        self._wanted_ns = 0
        self._before = 0
        self._slowed = 0

    def missing(self) -> str | None:
        """Why its container cannot be limited so; None if it can. A dead one is hoped for."""
        if self._hierarchy is None or not self._pid():
            return cannot()
        try:
            file = self._hierarchy.of(self._pid()) / self._hierarchy.limits
        except (OSError, ValueError) as error:
            return str(error)
        return None if os.access(file, os.W_OK) else f"{file} cannot be written"

    def set(self, slow_ns: int) -> None:
        """Let a write through only every so many nanoseconds; 0: as fast as may be.

        Whole writes in a second, and one at least. Raises EnvironmentFailed.
        """
        reason = self.missing()
        if reason and slow_ns:
            raise EnvironmentFailed(f"the kernel cannot make the disk slow: {reason}")
        self._settle()
        self._wanted_ns = slow_ns
        if self._pid() and not reason:
            limits, hierarchy, device = self._file("limits")
            try:
                limits.write_text(hierarchy.asked(device, writes_s(slow_ns)), encoding="ascii")
            except OSError as error:
                raise EnvironmentFailed(f"{limits} cannot be written: {error}") from error

    def began_again(self) -> None:
        """The container has been started anew, in a cgroup without a limit."""
        self._before = 0
        if self._wanted_ns:
            self.set(self._wanted_ns)

    def slow_ns(self) -> int:
        """How slow it is, as the kernel says; of a dead container, as it will be."""
        if not self._pid() or self.missing():
            return self._wanted_ns
        limit = self._limit()
        if limit == writes_s(self._wanted_ns):
            return self._wanted_ns
        return BILLION // limit if limit else 0

    def slowed(self) -> int:
        """How many writes were let through so slowly, in all lives.

        A container that is started anew takes with it what it counted after the last look.
        """
        self._settle()
        return self._slowed

    def _settle(self) -> None:
        """Count what was let through since the last look, if that was slow."""
        if not self._pid() or self.missing():
            return
        counts, hierarchy, device = self._file("counts")
        now = hierarchy.count_in(_read(counts), device)
        if self._wanted_ns:
            self._slowed += max(0, now - self._before)
        self._before = now

    def _limit(self) -> int:
        limits, hierarchy, device = self._file("limits")
        return hierarchy.limit_in(_read(limits), device)

    def _file(self, which: str) -> tuple[Path, Hierarchy, str]:
        if self._hierarchy is None:
            raise EnvironmentFailed(f"no slow disk: {cannot()}")
        try:
            group = self._hierarchy.of(self._pid())
        except (OSError, ValueError) as error:
            raise EnvironmentFailed(f"a container's cgroup cannot be found: {error}") from error
        name = self._hierarchy.limits if which == "limits" else self._hierarchy.counts
        return group / name, self._hierarchy, self._device()


def writes_s(slow_ns: int) -> int:
    """So many writes a second make each take so long; 0 for no limit."""
    return max(1, BILLION // slow_ns) if slow_ns else 0


def hierarchy() -> Hierarchy | None:
    """Where this machine limits what containers write; None where it does not."""
    try:
        return hierarchy_in(MOUNTS.read_text(encoding="utf-8").splitlines())
    except OSError:
        return None


def hierarchy_in(mounts: Iterable[str]) -> Hierarchy | None:
    """The same of these lines of `/proc/self/mountinfo`."""
    for line in mounts:
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root = Path(before.split(" ")[4])
        if kind == "cgroup" and "blkio" in options.split(","):
            return Hierarchy(1, root)
        if kind == "cgroup2" and "io" in _read_or_nothing(root / "cgroup.controllers").split():
            return Hierarchy(2, root)
    return None


def cannot() -> str | None:
    """Why this machine cannot make the disks of containers slow; None if it can."""
    if os.geteuid() != 0:
        return "it takes root to limit what a container writes"
    return None if hierarchy() else "no cgroup here limits writes: neither `blkio` nor `io`"


def _lines_of(text: str, device: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        first, *words = line.split()
        if first == device and words:
            yield words


def _pairs(words: Iterable[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words if "=" in word)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except OSError as error:
        raise EnvironmentFailed(f"{file} cannot be read: {error}") from error


def _read_or_nothing(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except OSError:
        return ""
