"""Which programs a preloaded library reaches: dynamic ones that ask libc for the time."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERPRETERS_MAX: Final = 4
_SHEBANG_BYTES_MAX: Final = 256
_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM: Final = struct.Struct("<IIQQQQQQ")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_PT_INTERP: Final = 3
_GO: Final = frozenset({b".note.go.buildid", b".go.buildinfo", b".gopclntab"})


class _Elf(NamedTuple):
    machine: int
    interpreted: bool
    """Whether a dynamic linker is asked for, which is what loads us."""
    sections: frozenset[bytes]


def why_not(program: str) -> str | None:
    """Why the wall clock of this program cannot be moved; None if it can, as far as is seen.

    `program` is a path or a name on the PATH. A script is judged by its interpreter. A program may
    still ask the kernel itself: whether it does shows only in the reads that are counted.
    """
    found = shutil.which(program)
    if found is None:
        return f"there is no program {program}"
    for _ in range(INTERPRETERS_MAX):
        path = Path(found).resolve()
        try:
            data = path.read_bytes()
        except OSError as error:
            return f"{program} cannot be read: {error.strerror}"
        interpreter = _interpreter(data)
        if interpreter is None:
            return _reason(program, path, data)
        found = shutil.which(interpreter)
        if found is None:
            return f"{program} is a script for {interpreter}, which is not here"
    return f"{program}: a script of scripts of scripts"


def _reason(program: str, path: Path, data: bytes) -> str | None:
    elf = _read(data)
    if elf is None:
        return f"{program} is no 64-bit ELF program"
    if elf.sections & _GO:
        return (
            f"{program} is a Go program: it asks the kernel for the time and not libc, "
            "so no library can move its clock"
        )
    if not elf.interpreted:
        return f"{program} is statically linked: no library can be loaded before its own"
    if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID):
        return f"{program} changes its user when it starts, and loads no library of another's"
    ours = _read(Path("/proc/self/exe").read_bytes())
    if ours is not None and ours.machine != elf.machine:
        return f"{program} is made for another processor than this machine's"
    return None


def _interpreter(data: bytes) -> str | None:
    """What a script is run by."""
    if not data.startswith(b"#!"):
        return None
    line = data[2:_SHEBANG_BYTES_MAX].split(b"\n", 1)[0]
    words = shlex.split(line.decode("utf-8", "replace"))
    if words and os.path.basename(words[0]) == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return words[0] if words else "/bin/sh"


def _read(data: bytes) -> _Elf | None:
    if len(data) < _HEADER.size or not data.startswith(b"\x7fELF\x02\x01"):
        return None
    fields = _HEADER.unpack_from(data)
    machine, programs_at, sections_at = fields[2], fields[5], fields[6]
    programs, sections, names = fields[10], fields[12], fields[13]
    try:
        kinds = {
            _PROGRAM.unpack_from(data, programs_at + i * _PROGRAM.size)[0] for i in range(programs)
        }
        found = frozenset(_section_names(data, sections_at, sections, names))
    except struct.error:
        return None
    return _Elf(machine, _PT_INTERP in kinds, found)


def _section_names(data: bytes, at: int, count: int, names: int) -> Iterator[bytes]:
    if not count or names >= count:
        return
    text_at = _SECTION.unpack_from(data, at + names * _SECTION.size)[4]
    for i in range(count):
        start = text_at + _SECTION.unpack_from(data, at + i * _SECTION.size)[0]
        yield data[start : data.index(b"\0", start)]
