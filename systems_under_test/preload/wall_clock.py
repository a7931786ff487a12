"""The harness's side: compiles the library, says which programs it cannot move, steers and reads.

A program started with the environment of `WallClock` sees its own wall clock: an offset that jumps,
a rate that drifts. Its monotonic clock, and every other program's clocks, stay true; the machine's
own are only read. Children inherit it.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.host.clock import ClockSetting

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE: Final = Path(__file__).with_name("wall_clock.c")
COMPILE_S_MAX: Final = 60.0
FLAGS: Final = ("-O2", "-fPIC", "-shared", "-pthread")
VARIABLE: Final = "LINEAL_CLOCK"

_VERSION: Final = 1
_WORDS: Final = ("version", "sequence", "since_ns", "offset_ns", "rate_ppm", "reads")
_AT: Final = {name: i for i, name in enumerate(_WORDS)}
_BYTES: Final = 8 * len(_WORDS)


class WallClock:
    """The wall clock of one place; every program started there since sees it."""

    def __init__(self, path: Path) -> None:
        """Make the file, true at first, or take up one that is there. Raises EnvironmentFailed."""
        self.path = path
        try:
            with path.open("a+b") as file:
                os.posix_fallocate(file.fileno(), 0, _BYTES)
                self._map = mmap.mmap(file.fileno(), _BYTES)
        except OSError as error:
            raise EnvironmentFailed(f"no wall clock at {path}: {error}") from error
        self._words = memoryview(self._map).cast("q")
        self._words[_AT["version"]] = _VERSION

    @property
    def setting(self) -> ClockSetting:
        """How it runs since it was last set."""
        words = self._words
        return ClockSetting(
            since_ns=words[_AT["since_ns"]],
            wall_offset_ns=words[_AT["offset_ns"]],
            rate_ppm=words[_AT["rate_ppm"]],
        )

    @property
    def reads(self) -> int:
        """How often programs have asked it for the time: one that never does is not moved by it."""
        return self._words[_AT["reads"]]

    def set(self, setting: ClockSetting) -> None:
        """Run so from now on, in programs that run already too."""
        words, sequence = self._words, _AT["sequence"]
        words[sequence] |= 1  # Odd: a reader waits. Also if an earlier writer died half-way.
        words[_AT["since_ns"]] = setting.since_ns
        words[_AT["offset_ns"]] = setting.wall_offset_ns
        words[_AT["rate_ppm"]] = setting.rate_ppm
        words[sequence] += 1

    def change(self, *, wall_offset_ns: int | None = None, rate_ppm: int | None = None) -> None:
        """Jump to an offset, or run at another rate from the offset where it is."""
        now = time.monotonic_ns()
        before = self.setting
        offset = before.wall_offset_at(now) if wall_offset_ns is None else wall_offset_ns
        rate = before.rate_ppm if rate_ppm is None else rate_ppm
        self.set(ClockSetting(since_ns=now, wall_offset_ns=offset, rate_ppm=rate))

    def close(self) -> None:
        """Let go of the file; programs go on by what it said last."""
        self._words.release()
        self._map.close()


def preloaded(library: str, clock: str, environment: Mapping[str, str] = {}) -> dict[str, str]:
    """The environment for a program, with the library and the clock where *it* finds them."""
    before = environment.get("LD_PRELOAD", "")
    return {**environment, "LD_PRELOAD": f"{library} {before}".strip(), VARIABLE: clock}


def library(cache: Path) -> Path:
    """The compiled library, from the cache or made now. Raises EnvironmentFailed."""
    compiler = os.environ.get("CC") or "cc"
    if shutil.which(compiler) is None:
        raise EnvironmentFailed(
            f"clock faults of other people's programs take a C compiler, and `{compiler}` is not "
            "here: install gcc, or name one in CC"
        )
    named = subprocess.run(
        [compiler, "--version"], capture_output=True, text=True, timeout=COMPILE_S_MAX, check=False
    )
    key = hashlib.sha256(f"{named.stdout}{FLAGS}".encode() + SOURCE.read_bytes()).hexdigest()[:16]
    made = cache / f"wall_clock-{key}.so"
    if made.exists():
        return made
    fresh = made.with_suffix(f".{os.getpid()}")
    cache.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [compiler, *FLAGS, "-o", str(fresh), str(SOURCE), "-ldl"],
        capture_output=True,
        text=True,
        timeout=COMPILE_S_MAX,
        check=False,
    )
    if done.returncode:
        raise EnvironmentFailed(f"{SOURCE.name} does not compile here: {done.stderr.strip()}")
    fresh.replace(made)
    return made
