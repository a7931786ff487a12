"""A disk for each node that can lose power: a file system in a file of this machine. Needs root.

What a process wrote and did not sync stays in the memory of the machine, which outlives any
container; killing loses nothing. But the file behind a mounted file system holds only what has
reached "the disk". So power is lost by killing the container, copying that file, and starting the
node on the copy, from which the journal is replayed as after a real loss.

The copy must be of one moment: a write-back in its midst would make a disk that never was. The
kernel counts what it writes to the loop device, so a copy during which it wrote is made again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

DISK_BYTES: Final = 64 * 2**20
PAGE_BYTES: Final = 4_096
COPIES_MAX: Final = 50
RUN_S_MAX: Final = 30.0
SPARE_BYTES_MAX: Final = 64 * 1024
"""So little may be left of a full disk: the node itself may have freed some pages."""
TRIES_MAX: Final = 64
BALLAST: Final = ".ballast"
"""The file that takes what is free on a disk that is to be full."""
TRIAL: Final = ".trial"
OLD_DATA: Final = "data.copied"

_IN_FLIGHT: Final = 8
_READS: Final = (0, 1, 2, 3, 8, 9, 10)
"""The fields of a block device's `stat` that change also when nothing is written."""


class LoopDisk:
    """The disk of one node, mounted at its `data`."""

    def __init__(self, *, run: str, node: str, directory: Path) -> None:
        self._image = directory / f"{image_prefix(run)}{node}.img"
        self._after = directory / f"{image_prefix(run)}{node}.after.img"
        self._mounted = directory / "data"
        self._trial = directory / "data.after"
        self.pages_lost = 0
        """Pages that processes had written and that power losses have taken."""

    def make(self) -> None:
        """Make the file system and mount it. Raises EnvironmentFailed."""
        self._mounted.mkdir(parents=True, exist_ok=True)
        with self._image.open("xb") as file:
            file.truncate(DISK_BYTES)
        run_tool("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
        self._mount(self._image, self._mounted)

    def fill(self) -> None:
        """Leave no space: the kernel refuses every further write. Raises EnvironmentFailed."""
        try:
            with (self._mounted / BALLAST).open("ab") as file:
                share = 1
                for _ in range(TRIES_MAX):
                    free = self._free_bytes() // share
                    if not free:
                        break
                    try:
                        size = os.fstat(file.fileno()).st_size
                        os.posix_fallocate(file.fileno(), size, free)
                    except OSError:
                        share *= 2  # Files have blocks that say where their blocks are.
        except OSError as error:
            raise EnvironmentFailed(f"{self._mounted} cannot be filled: {error}") from error

    def free(self) -> None:
        """Give the space back."""
        (self._mounted / BALLAST).unlink(missing_ok=True)

    def is_full(self) -> bool:
        """Whether it was filled and there is still no space, as its file system says."""
        return (self._mounted / BALLAST).exists() and self._free_bytes() <= SPARE_BYTES_MAX

    def refuses(self) -> bool:
        """Whether it was filled, and a write of more than may be left is refused now, tried."""
        if not self.is_full():
            return False
        trial = self._mounted / TRIAL
        try:
            with trial.open("wb") as file:
                file.write(bytes(SPARE_BYTES_MAX + PAGE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            return error.errno == errno.ENOSPC
        finally:
            trial.unlink(missing_ok=True)
        return False

    def _free_bytes(self) -> int:
        seen = os.statvfs(self._mounted)
        return seen.f_bavail * seen.f_frsize

    def device(self) -> str:
        """The numbers of the device that it is, as `7:0`. Raises EnvironmentFailed."""
        name = loop_of(self._image)
        if name is None:
            raise EnvironmentFailed(f"no loop device holds {self._image}")
        return Path(f"/sys/block/{name}/dev").read_text(encoding="ascii").strip()

    def lose_power(self) -> None:
        """Go back to what had reached the disk. Nobody may have the files open."""
        self._copy_of_one_moment()
        self._trial.mkdir(exist_ok=True)
        self._mount(self._after, self._trial)
        try:
            self.pages_lost += pages_that_differ(self._mounted, self._trial)
        finally:
            run_tool("umount", str(self._trial))
            self._trial.rmdir()
        run_tool("umount", str(self._mounted))
        self._after.replace(self._image)
        self._mount(self._image, self._mounted)

    def end(self) -> None:
        """Keep the files, as the other environments do, and give up the rest."""
        if not os.path.ismount(self._mounted):
            return
        kept = self._mounted.with_name(OLD_DATA)
        with contextlib.suppress(OSError, shutil.Error):
            shutil.copytree(self._mounted, kept, ignore=shutil.ignore_patterns("lost+found"))
        run_tool("umount", str(self._mounted))
        if kept.exists():
            self._mounted.rmdir()
            kept.rename(self._mounted)
        self._image.unlink(missing_ok=True)

    def _mount(self, image: Path, at: Path) -> None:
        run_tool("mount", "-o", "loop", str(image), str(at))

    def _copy_of_one_moment(self) -> None:
        device = loop_of(self._image)
        if device is None:
            raise EnvironmentFailed(f"no loop device holds {self._image}")
        for _ in range(COPIES_MAX):
            before = _written(device)
            run_tool("cp", "--sparse=always", str(self._image), str(self._after))
            if _written(device) == before and before[-1] == 0:
                return
        raise EnvironmentFailed(f"{device} was written to all the time: no copy is of one moment")


def cannot() -> str | None:
    """Why this machine has no disks that can lose power; None if it has."""
    if os.geteuid() != 0:
        return "it takes root to mount a node's own file system"
    for program in ("mkfs.ext4", "mount", "umount"):
        if shutil.which(program) is None:
            return f"there is no `{program}` here"
    return None if Path("/dev/loop-control").exists() else "this machine has no loop devices"


def image_prefix(run: str) -> str:
    """How the files behind the disks of a run begin."""
    return f"lineal-{run}-"


def loops() -> Iterator[tuple[str, Path]]:
    """Every loop device that is in use, with the file behind it."""
    for entry in sorted(Path("/sys/block").glob("loop*")):
        with contextlib.suppress(OSError):
            text = (entry / "loop" / "backing_file").read_text(encoding="utf-8").rstrip("\n")
            yield entry.name, Path(text.removesuffix(" (deleted)"))


def loop_of(image: Path) -> str | None:
    """The loop device that a file is behind."""
    real = image.resolve()
    return next((device for device, file in loops() if file == real), None)


def unmount_all(run: str) -> list[str]:
    """Unmount every disk of a run, whoever has left it there; what was found."""
    found = []
    for device, file in list(loops()):
        if not file.name.startswith(image_prefix(run)):
            continue
        for place in _places_of(device):
            run_tool("umount", place)
        found.append(str(file))
        file.unlink(missing_ok=True)
    return found


def pages_that_differ(left: Path, right: Path) -> int:
    """How many pages of files differ between two directories; a missing file has none."""

    def files(root: Path) -> dict[Path, Path]:
        return {path.relative_to(root): path for path in root.rglob("*") if path.is_file()}

    ours, theirs = files(left), files(right)
    differing = 0
    for name in sorted(ours.keys() | theirs.keys()):
        a = ours[name].read_bytes() if name in ours else b""
        b = theirs[name].read_bytes() if name in theirs else b""
        for at in range(0, max(len(a), len(b)), PAGE_BYTES):
            differing += a[at : at + PAGE_BYTES] != b[at : at + PAGE_BYTES]
    return differing


def run_tool(*command: str) -> None:
    """Run a program of the system. Raises EnvironmentFailed with what it says."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=RUN_S_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailed(f"{' '.join(command)}: {error}") from error
    if done.returncode:
        raise EnvironmentFailed(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")


def _written(device: str) -> tuple[int, ...]:
    """What counts the writes to a device; the last is how many are on their way."""
    fields = [int(word) for word in Path(f"/sys/block/{device}/stat").read_text().split()]
    writes = [number for i, number in enumerate(fields) if i not in _READS]
    return (*writes, fields[_IN_FLIGHT])


def _places_of(device: str) -> list[str]:
    with open("/proc/self/mounts", encoding="utf-8") as file:
        lines = [line.split() for line in file]
    return [
        place.encode("ascii", "backslashreplace").decode("unicode_escape")
        for source, place, *_ in lines
        if source == f"/dev/{device}"
    ]
