"""Little of a processor, or no memory, for a process of this machine: a control group of its own.

A group is made the first time that a node is limited, below the harness's own group or at the root
of the hierarchy, wherever this user may; both versions of control groups are spoken. It goes with
the cluster, or with the guardian if the harness died.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOUNTS: Final = Path("/proc/self/mountinfo")
OWN: Final = Path("/proc/self/cgroup")
PERIOD_US: Final = 100_000
SPARE_BYTES: Final = 1 << 20
BALLAST_BYTES: Final = 64 << 20
KILL_S_MAX: Final = 10.0
REMOVE_S_MAX: Final = 2.0
LOOK_S: Final = 0.005
CLEANER: Final = f"{__name__}:remove"

_BALLAST: Final = """\
import os, sys
open(sys.argv[1], "w").write(str(os.getpid()))
held = []
for _ in range(int(sys.argv[2]) >> 20):
    held.append(bytearray(os.urandom(1)) * (1 << 20))
"""


@dataclass(frozen=True, slots=True)
class Spelling:
    """The files of one version of control groups."""

    quota: str
    memory_limit: str
    memory_used: str
    kills: str
    swap_limit: str
    """Of memory and swap together in version 1, of swap alone in version 2; may be missing."""

    def quota_text(self, percent: int | None) -> str:
        """What is written to the quota's file."""
        if self.quota == "cpu.max":
            return f"{'max' if percent is None else percent * PERIOD_US // 100} {PERIOD_US}"
        return "-1" if percent is None else str(percent * PERIOD_US // 100)

    def percent_in(self, text: str) -> int:
        """The percent of a processor that the quota's file tells, 0 without a limit."""
        quota = text.split()[0]
        return 0 if quota in ("max", "-1") else int(quota) * 100 // PERIOD_US


VERSION_1: Final = Spelling(
    "cpu.cfs_quota_us", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.oom_control",
    "memory.memsw.limit_in_bytes",
)  # fmt: skip
VERSION_2: Final = Spelling(
    "cpu.max", "memory.max", "memory.current", "memory.events", "memory.swap.max"
)


@dataclass(frozen=True, slots=True)
class Bases:
    """Where groups can be made: for processors and for memory, one place in version 2."""

    spelling: Spelling
    cpu: Path
    memory: Path


class Resources:
    """The limits of one node, in all its lives."""

    def __init__(self, group: str) -> None:
        """`group` is the name of its control group."""
        self._group = group
        self._bases: Bases | None = None

    def join(self, pid: int) -> None:
        """Let a process be limited, if there are limits. Raises EnvironmentFailed."""
        if self._bases is not None:
            for place in self._places(self._bases):
                _write(place / "cgroup.procs", str(pid))

    def limit_cpu(self, percent: int | None, pid: int | None) -> None:
        """So many percent of one processor for this process; None: all that there are."""
        bases = self._begun(pid)
        place = bases.cpu / self._group
        _write(place / bases.spelling.quota, bases.spelling.quota_text(percent))

    def exhaust_memory(self, pid: int, dead: Callable[[], bool]) -> None:
        """Leave this process no memory until the kernel has killed it, then give it back.

        Another process takes the rest, and the kernel is asked to choose this one. Raises
        EnvironmentFailed where it lives on.
        """
        bases = self._begun(pid)
        place, limit = bases.memory / self._group, bases.spelling.memory_limit
        used = int((place / bases.spelling.memory_used).read_text(encoding="ascii"))
        _write(Path(f"/proc/{pid}/oom_score_adj"), "1000")
        command = [sys.executable, "-S", "-E", "-c", _BALLAST]
        arguments = [str(place / "cgroup.procs"), str(BALLAST_BYTES)]
        try:
            _write(place / limit, str(used + SPARE_BYTES))
            swap = place / bases.spelling.swap_limit
            if swap.exists():  # Else what is short of memory would only be swapped out.
                _write(swap, str(used + SPARE_BYTES) if bases.spelling is VERSION_1 else "0")
            with subprocess.Popen([*command, *arguments], stderr=subprocess.DEVNULL) as ballast:
                try:
                    _until(dead, KILL_S_MAX, "the kernel did not kill it for want of memory")
                finally:
                    ballast.kill()
        finally:
            endless = "-1" if bases.spelling is VERSION_1 else "max"
            for name in (bases.spelling.swap_limit, limit):  # The one may not be below the other.
                if (place / name).exists():
                    _write(place / name, endless)

    def usage(self, pid: int | None) -> Mapping[str, int]:
        """What `LimitedNode.usage` tells. Of no process: what the groups still know."""
        bases = self._begun(pid)
        cpu, memory, spelling = bases.cpu / self._group, bases.memory / self._group, bases.spelling
        return {
            "cpu_percent": spelling.percent_in((cpu / spelling.quota).read_text(encoding="ascii")),
            "throttled": _counter(cpu / "cpu.stat", "nr_throttled"),
            "memory": int((memory / spelling.memory_used).read_text(encoding="ascii")),
            "oom_kills": _counter(memory / spelling.kills, "oom_kill"),
        }

    def let_go(self) -> None:
        """Take the groups away; their processes must be dead."""
        if self._bases is not None:
            self._bases = None
            remove(self._group)

    def _begun(self, pid: int | None) -> Bases:
        """Where its groups are, with this process in them."""
        if self._bases is None:
            found = bases()
            if isinstance(found, str):
                raise EnvironmentFailed(f"nothing can limit a process here: {found}")
            for place in self._places(found):
                place.mkdir(exist_ok=True)
            self._bases = found
        if pid is not None:
            self.join(pid)
        return self._bases

    def _places(self, found: Bases) -> set[Path]:
        return {found.cpu / self._group, found.memory / self._group}


def cannot() -> str | None:
    """Why no process can be limited on this machine by this user; None if it can."""
    found = bases()
    return found if isinstance(found, str) else None


def remove(prefix: str) -> None:
    """Take away the groups whose names begin so, as soon as the last process in them is gone."""
    found = bases()
    deadline = time.monotonic() + REMOVE_S_MAX
    for base in set() if isinstance(found, str) else {found.cpu, found.memory}:
        for group in base.glob(f"{prefix}*"):
            while group.exists() and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    group.rmdir()
                    break
                time.sleep(LOOK_S)


@functools.cache
def bases() -> Bases | str:
    """Where groups can be made, tried once; or why they cannot."""
    try:
        mounted, own = _mounted(MOUNTS.read_text("utf-8")), _own(OWN.read_text("utf-8"))
    except OSError as error:
        return f"there are no control groups ({error})"
    return bases_among(mounted, own)


def bases_among(mounted: Mapping[str, Path], own: Mapping[str, str]) -> Bases | str:
    """As `bases`, given the place of each hierarchy and the harness's own group in it."""
    if "cpu" in mounted and "memory" in mounted:
        cpu = _usable(mounted["cpu"], own.get("cpu", "/"), VERSION_1.quota)
        memory = _usable(mounted["memory"], own.get("memory", "/"), VERSION_1.memory_limit)
        if cpu and memory:
            return Bases(VERSION_1, cpu, memory)
    elif "" in mounted:
        limits = (VERSION_2.quota, VERSION_2.memory_limit)
        both = _usable(mounted[""], own.get("", "/"), *limits)
        if both:
            return Bases(VERSION_2, both, both)
    else:
        return "no control groups for processor and memory are mounted"
    return "this user may make no control groups with processor and memory; root may"


def _usable(root: Path, own: str, *files: str) -> Path | None:
    """Where a group can be made that has these files: below the own one, or at the root."""
    for base in (root / own.lstrip("/"), root):
        probe = base / f"lineal-probe-{os.getpid()}"
        try:
            if (
                not all((base / name).exists() for name in files)
                and (base / "cgroup.subtree_control").exists()
            ):
                (base / "cgroup.subtree_control").write_text("+cpu +memory", encoding="ascii")
        except OSError:
            pass  # It may have them enabled already: the probe tells.
        try:
            probe.mkdir()
        except OSError:
            continue
        try:
            if all(os.access(probe / name, os.W_OK) for name in files):
                return base
        finally:
            probe.rmdir()
    return None


def _mounted(text: str) -> dict[str, Path]:
    """Where each controller of version 1 is mounted, and under "" the hierarchy of version 2."""
    found: dict[str, Path] = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = (*after.split(maxsplit=2), "", "")[:3]
        place = Path(before.split()[4])
        if kind == "cgroup2":
            found[""] = place
        elif kind == "cgroup":
            found |= dict.fromkeys(set(options.split(",")) & {"cpu", "memory"}, place)
    return found


def _own(text: str) -> dict[str, str]:
    """The harness's own group by controller, and under "" that of version 2."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _counter(file: Path, name: str) -> int:
    for line in file.read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="ascii")
    except OSError as error:
        raise EnvironmentFailed(f"{file} cannot be written: {error}") from error


def _until(done: Callable[[], bool], within_s: float, otherwise: str) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline:
            raise EnvironmentFailed(f"{otherwise} within {within_s:g} s")
        time.sleep(LOOK_S)
