"""What a machine is sent: the modules of a node, and packages of others for the Python there.

Nothing is installed there: all of it lies in the node's own directory and goes with it. What the
machine must have is a Python of 3.11 or newer.
"""

from __future__ import annotations

import io
import json
import logging
import shlex
import tarfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker.closure import closure_of
from systems_under_test.environments.docker.wheels import ImagePython, wheels_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from systems_under_test.environments.docker.closure import Closure

logger = logging.getLogger("lineal.ssh")

HOST: Final = "systems_under_test.host.__main__"
ATTENDANT: Final = "systems_under_test.environments.ssh.attendant"
PYTHONS: Final = ("python3.11", "python3.12", "python3.13", "python3.14", "python3")

_OLD: Final = "import sys; sys.exit(sys.version_info < (3, 11))"

_ASK: Final = """\
import importlib.metadata, json, platform, sys
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
print(json.dumps([sys.executable, *sys.version_info[:2], platform.machine(),
    platform.libc_ver()[1], {name: version(name) for name in sys.argv[1:]}, sys.platform]))
"""

# It has read everything before it makes anything: if the connection ends, nothing is left.
_UNPACK: Final = """\
import io, os, shutil, sys, tarfile, tempfile
size, prefix, where, *rest = sys.argv[1:]
packed = bytearray()
while len(packed) < int(size):
    read = os.read(0, int(size) - len(packed))
    if not read:
        sys.exit("the connection ended")
    packed += read
try:
    root = tempfile.mkdtemp(prefix=prefix, dir=where)
except OSError as error:
    sys.exit(f"no directory can be made in {where}: {error}")
try:
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(root + "/lib")
    environment = {**os.environ, "PYTHONPATH": root + "/lib", "PYTHONDONTWRITEBYTECODE": "1"}
    os.execve(sys.executable, [sys.executable, "-P", *rest, "--directory", root], environment)
except BaseException as error:
    shutil.rmtree(root, ignore_errors=True)
    sys.exit(f"the files cannot be unpacked in {where}: {error}")
"""


@dataclass(frozen=True, slots=True)
class RemotePython:
    """The Python of a machine."""

    path: str
    version: tuple[int, int]
    machine: str
    glibc: str
    has: Mapping[str, str | None]
    """The versions of packages that are installed there."""


def node_closure(replica_path: str) -> Closure:
    """Every module that a node and its attendant import."""
    return closure_of([HOST, ATTENDANT, replica_path.partition(":")[0]])


def asking_python(wanted: str | None, packages: tuple[str, ...]) -> str:
    """The command that finds a Python and says what it is."""
    names = " ".join(shlex.quote(name) for name in ([wanted] if wanted else PYTHONS))
    asked = " ".join(shlex.quote(name) for name in packages)
    script = (
        f"for name in {names}; do "
        'found=$(command -v "$name") || continue; '
        f'"$found" -c {shlex.quote(_OLD)} 2>/dev/null || continue; '
        f'exec "$found" -c {shlex.quote(_ASK)} {asked}; done; exit 3'
    )
    return f"sh -c {shlex.quote(script)}"


def python_of(said: str) -> RemotePython:
    """What that command said. Raises ValueError: a sentence that says what is missing."""
    try:
        path, major, minor, machine, glibc, has, platform = json.loads(said)
    except ValueError:
        raise ValueError("it has no Python of 3.11 or newer that can be used") from None
    if platform != "linux":
        raise ValueError(f"it runs {platform}; nodes need Linux")
    return RemotePython(path, (major, minor), machine, glibc, has)


def unpacking(python: RemotePython, size: int, prefix: str, where: str, chain: str) -> str:
    """The command that takes the payload on its standard input and becomes the attendant."""
    words = [python.path, "-P", "-c", _UNPACK, str(size), prefix, where]
    return shlex.join([*words, "-m", ATTENDANT, "--chain", chain])


def pack(closure: Closure, python: RemotePython) -> bytes:
    """Everything that a node imports, for this Python. Raises EnvironmentFailed."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as archive:
        for place, source in sorted(closure.files.items()):
            _add(archive, place, source.read_bytes())
        for package in sorted(closure.packages | closure.optional):
            for wheel in _wheels(package, python, optional=package in closure.optional):
                with zipfile.ZipFile(wheel) as zipped:
                    for name in zipped.namelist():
                        if not name.endswith("/"):
                            _add(archive, name, zipped.read(name))
    return packed.getvalue()


def _add(archive: tarfile.TarFile, place: str, data: bytes) -> None:
    entry = tarfile.TarInfo(place)
    entry.size, entry.mode = len(data), 0o644
    archive.addfile(entry, io.BytesIO(data))


def _wheels(package: str, python: RemotePython, *, optional: bool) -> list[Path]:
    """None if it is there in our own version; another version there is better than none at all.

    Raises EnvironmentFailed where a node cannot do without.
    """
    there = python.has.get(package)
    try:
        ours = version(package)
    except PackageNotFoundError:
        ours = ""
    if there is not None and there == ours:
        return []
    glibc_minor = int(python.glibc.split(".")[1]) if "." in python.glibc else 0
    try:
        return wheels_for([package], ImagePython(python.version, python.machine, glibc_minor))
    except EnvironmentFailed as error:
        if there is None and optional:
            logger.warning("%s is not sent: %s", package, error)
            return []
        if there is None:
            name = python.path.rpartition("/")[2]
            raise EnvironmentFailed(
                f"{package} is missing there and cannot be sent: {error}; "
                f"or install it on the machine: {name} -m pip install {package}"
            ) from error
        logger.warning("%s %s is used where we have %s: %s", package, there, ours, error)
        return []
