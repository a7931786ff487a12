"""Which programs are told before a run that their clocks cannot be moved."""

from __future__ import annotations

import shutil
import struct
import sys
from pathlib import Path

import pytest

from systems_under_test.preload.programs import why_not


def elf(
    *, interpreted: bool, sections: tuple[bytes, ...] = (), machine: int | None = None
) -> bytes:
    """The least that says how a program is linked; nothing of it can be run."""
    own = Path("/proc/self/exe").read_bytes()
    machine = struct.unpack_from("<H", own, 18)[0] if machine is None else machine
    names = b"\0" + b"".join(name + b"\0" for name in (b".shstrtab", *sections))
    programs = struct.pack("<IIQQQQQQ", 3 if interpreted else 1, *[0] * 7)
    at = 64 + len(programs)
    headers, start = [], at + len(names)
    for name in (b".shstrtab", *sections):
        offset = at if name == b".shstrtab" else 0
        headers.append(
            struct.pack("<IIQQQQIIQQ", names.index(name), 3, 0, 0, offset, 0, 0, 0, 1, 0)
        )
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", ident, 3, machine, 1, 0, 64, start, 0, 64, 56, 1, 64, len(headers), 0
    )
    return head + programs + names + b"".join(headers)


def program(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "program"
    path.write_bytes(data)
    path.chmod(0o755)
    return str(path)


def test_a_dynamic_program_can_be_moved(tmp_path: Path) -> None:
    assert why_not(program(tmp_path, elf(interpreted=True))) is None
    assert why_not(sys.executable) is None
    assert why_not("sh") is None


@pytest.mark.parametrize("section", [b".note.go.buildid", b".go.buildinfo", b".gopclntab"])
@pytest.mark.parametrize("interpreted", [False, True])
def test_a_go_program_is_refused_with_the_reason(
    tmp_path: Path, section: bytes, interpreted: bool
) -> None:
    """Dynamically linked ones too: they load libc, and do not ask it for the time."""
    said = why_not(program(tmp_path, elf(interpreted=interpreted, sections=(section,))))
    assert said is not None
    assert "is a Go program: it asks the kernel for the time" in said


def test_a_static_program_is_refused_with_the_reason(tmp_path: Path) -> None:
    assert "statically linked" in str(why_not(program(tmp_path, elf(interpreted=False))))


def test_a_program_for_another_processor_is_refused(tmp_path: Path) -> None:
    data = elf(interpreted=True, machine=0xFEED)
    assert "another processor" in str(why_not(program(tmp_path, data)))


def test_a_program_that_changes_its_user_is_refused(tmp_path: Path) -> None:
    path = program(tmp_path, elf(interpreted=True))
    Path(path).chmod(0o4755)
    assert "changes its user" in str(why_not(path))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (f"#!{sys.executable}\n", None),
        (f"#!/usr/bin/env -S X=1 {sys.executable}\n", None),
        ("#!/usr/bin/env sh\n", None),
        ("#!/no/such/interpreter -x\n", "a script for /no/such/interpreter"),
    ],
)
def test_a_script_is_judged_by_its_interpreter(
    tmp_path: Path, script: str, reason: str | None
) -> None:
    said = why_not(program(tmp_path, script.encode()))
    assert said is None if reason is None else reason in str(said)


def test_what_is_no_program_is_told(tmp_path: Path) -> None:
    assert "there is no program" in str(why_not("/no/such/program"))
    assert "no 64-bit ELF" in str(why_not(program(tmp_path, b"MZ" + bytes(100))))
    assert "no 64-bit ELF" in str(why_not(program(tmp_path, elf(interpreted=True)[:80])))
    loop = tmp_path / "program"
    loop.write_text(f"#!{loop}\n")
    assert "scripts of scripts" in str(why_not(str(loop)))


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no Go program here to try")
def test_a_real_go_program_is_known_for_one() -> None:
    assert "is a Go program" in str(why_not("docker"))
