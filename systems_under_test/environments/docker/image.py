"""The image of a node: found by what it would hold, or built.

Its tag is a hash of the Dockerfile, the base, and every file that goes in. Changed code is another
image, and an image that is there needs no check of its contents.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import json
import pkgutil
import shutil
import tempfile
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import docker.errors

import systems_under_test
from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker.closure import closure_of
from systems_under_test.environments.docker.distribution import base_tag, make_base
from systems_under_test.environments.docker.engine import LABEL, in_words
from systems_under_test.environments.docker.packages import with_packages
from systems_under_test.environments.docker.wheels import (
    ImagePython,
    cache_directory,
    digest,
    optional_wheels,
    unpack,
    wheels_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from systems_under_test.environments.docker.closure import Closure
    from systems_under_test.foreign import Image

REPOSITORY: Final = "lineal"
DEFAULT_BASE: Final = "python:3.11-slim-bookworm"
PYTHON_MIN: Final = (3, 11)
HASH_DIGITS: Final = 16
HOST: Final = "systems_under_test.host.__main__"
SUPERVISOR: Final = "systems_under_test.environments.docker.supervisor"

_ASK_PYTHON: Final = (
    "import json, platform, sys; "
    "print(json.dumps([*sys.version_info[:2], platform.machine(), platform.libc_ver()]))"
)


def ensure_image(
    client: docker.DockerClient,
    replica_path: str | None = None,
    *,
    base: str | None = None,
    foreign: Image | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> str:
    """The tag of an image that can run this replica, and all bundled ones; built where it must be.

    For a foreign system it holds that system's packages and our supervisor instead. `tell` is given
    a line for everything that takes long. Raises EnvironmentFailed.
    """
    closure = closure_of([SUPERVISOR] if foreign is not None else _roots(replica_path))
    dockerfile = (files("systems_under_test.images") / "Dockerfile").read_bytes()
    with _one_at_a_time():
        if foreign is not None:
            base = base or foreign.base
        base = find_base(client, tell) if base is None else have(client, base, tell)
        if foreign is not None:
            base = with_packages(client, base, foreign, tell)
        with in_words(f"looking at {base}"):
            base_id = str(client.images.get(base).id)
        python = _python_of(client, base, base_id)
        wheels = wheels_for(closure.packages, python)
        wheels += optional_wheels(closure.optional, python, tell)
        parts = [dockerfile, base_id.encode(), *(digest(wheel).encode() for wheel in wheels)]
        for place, source in sorted(closure.files.items()):
            parts += [place.encode(), source.read_bytes()]
        tag = f"{REPOSITORY}:{_hash(parts)}"
        try:
            client.images.get(tag)
        except docker.errors.ImageNotFound:
            tell(f"building the image {tag} on {base}")
            _build(client, tag, base, dockerfile, closure, wheels)
        return tag


def find_base(client: docker.DockerClient, tell: Callable[[str], None]) -> str:
    """A base image: one that is here, else pulled, else made. Raises EnvironmentFailed."""
    for tag in (DEFAULT_BASE, base_tag()):
        try:
            client.images.get(tag)
        except docker.errors.ImageNotFound:
            continue
        return tag
    try:
        tell(f"pulling {DEFAULT_BASE}")
        client.images.pull(DEFAULT_BASE)
    except docker.errors.APIError as error:
        tell(f"{DEFAULT_BASE} cannot be pulled: {error.explanation or error}")
        return make_base(client, tell)
    return DEFAULT_BASE


def have(client: docker.DockerClient, tag: str, tell: Callable[[str], None]) -> str:
    """That image, which is here or pulled. Raises EnvironmentFailed."""
    try:
        client.images.get(tag)
    except docker.errors.ImageNotFound:
        tell(f"pulling {tag}")
        with in_words(f"pulling {tag}"):
            client.images.pull(tag)
    return tag


def _roots(replica_path: str | None) -> list[str]:
    """What a node imports: its host, its supervisor, and the replicas of every bundled system."""
    roots = [HOST, SUPERVISOR]
    for module in pkgutil.iter_modules(systems_under_test.__path__):
        name = f"systems_under_test.{module.name}.replica"
        if module.ispkg and importlib.util.find_spec(name) is not None:
            roots.append(name)
    if replica_path is not None:
        roots.append(replica_path.partition(":")[0])
    return roots


def _build(
    client: docker.DockerClient,
    tag: str,
    base: str,
    dockerfile: bytes,
    closure: Closure,
    wheels: list[Path],
) -> None:
    with tempfile.TemporaryDirectory(prefix="lineal-image-") as scratch:
        context = Path(scratch)
        (context / "Dockerfile").write_bytes(dockerfile)
        library = context / "lib"
        for place, source in closure.files.items():
            target = library / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        for wheel in wheels:
            unpack(wheel, library)
        for path in [context, *context.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        try:
            with in_words(f"building {tag}"):
                client.images.build(
                    path=scratch,
                    tag=tag,
                    rm=True,
                    forcerm=True,
                    buildargs={"BASE_IMAGE": base},
                )
        except docker.errors.BuildError as error:
            said = "".join(str(line.get("stream", "")) for line in error.build_log)
            raise EnvironmentFailed(f"docker: building {tag}: {error}\n{said[-2000:]}") from error


def _python_of(client: docker.DockerClient, base: str, base_id: str) -> ImagePython:
    """Which Python an image has: asked of it once, then remembered by the image's id."""
    kept = cache_directory() / "bases" / f"{base_id.rpartition(':')[2]}.json"
    try:
        said = kept.read_text(encoding="ascii")
    except FileNotFoundError:
        with in_words(f"asking {base} for its Python"):
            command = ["-c", _ASK_PYTHON]
            labels = {LABEL: "image"}
            said = client.containers.run(
                base, command, entrypoint="python3", remove=True, network_mode="none", labels=labels
            ).decode()
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(said, encoding="ascii")
    major, minor, machine, (_, libc) = json.loads(said)
    if (major, minor) < PYTHON_MIN:
        raise EnvironmentFailed(
            f"the base image {base} has Python {major}.{minor}; nodes need 3.11 or newer: "
            "say another one with `lineal image --base`"
        )
    return ImagePython((major, minor), machine, int(libc.split(".")[1]) if libc else 0)


def _hash(parts: list[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:  # With its length, so that no byte may move from one part to the next.
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()[:HASH_DIGITS]


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two runs that begin together must not build the same image, or base, twice."""
    directory = cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
