"""An image with Debian packages on it, for a system that is not ours.

As with wheels, what goes in is had on this machine and not inside the build: apt resolves the
packages against the list of what the base image has already. Where this machine's distribution is
another one, or has no apt, the build itself asks the base's own package sources.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import docker.errors

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker.engine import LABEL, in_words
from systems_under_test.environments.docker.wheels import cache_directory, digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from systems_under_test.foreign import Image

REPOSITORY: Final = "lineal-packages"
DOWNLOAD_S_MAX: Final = 300
STATUS: Final = "/var/lib/dpkg/status"
RELEASE: Final = "/etc/os-release"
HASH_DIGITS: Final = 16

_DOCKERFILE: Final = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
LABEL lineal=image
USER root
COPY packages/ /tmp/packages/
RUN printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
RUN export DEBIAN_FRONTEND=noninteractive; \\
    if ls /tmp/packages/*.deb > /dev/null 2>&1; then dpkg -i /tmp/packages/*.deb; \\
    elif test -s /tmp/packages/names; then apt-get update && apt-get install -y \\
        --no-install-recommends $(cat /tmp/packages/names) && rm -rf /var/lib/apt/lists/*; \\
    fi && rm -rf /tmp/packages
"""
"""No service is started while packages are installed: nobody would stop it again."""


def with_packages(
    client: docker.DockerClient, base: str, image: Image, tell: Callable[[str], None]
) -> str:
    """The tag of the base with these packages and steps; built where it must be.

    Raises EnvironmentFailed.
    """
    if not image.packages and not image.steps:
        return base
    with in_words(f"looking at {base}"):
        base_id = str(client.images.get(base).id)
    debs = _downloaded(client, base, base_id, image.packages, tell)
    dockerfile = "\n".join([_DOCKERFILE, *image.steps, ""])
    parts = [dockerfile, base_id, *image.packages, *(digest(deb) for deb in debs)]
    hashed = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:HASH_DIGITS]
    tag = f"{REPOSITORY}:{hashed}"
    try:
        client.images.get(tag)
    except docker.errors.ImageNotFound:
        tell(f"building {tag}: {', '.join(image.packages)} on {base}")
        _build(client, tag, base, dockerfile, image.packages, debs)
    return tag


def _downloaded(
    client: docker.DockerClient,
    base: str,
    base_id: str,
    packages: tuple[str, ...],
    tell: Callable[[str], None],
) -> list[Path]:
    """The packages with everything that the base lacks for them; none if apt cannot have them."""
    if not packages or shutil.which("apt-get") is None:
        return []
    wanted = hashlib.sha256("\0".join([base_id, *packages]).encode()).hexdigest()[:HASH_DIGITS]
    kept = cache_directory() / "packages" / wanted
    if kept.is_dir():
        return sorted(kept.glob("*.deb"))
    if _read(client, base, RELEASE) != Path(RELEASE).read_bytes():
        return []
    tell(f"downloading {', '.join(packages)} from the package sources of this machine")
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="half-", dir=kept.parent) as scratch:
        archives = Path(scratch) / "archives"
        (archives / "partial").mkdir(parents=True)
        status = Path(scratch) / "status"
        status.write_bytes(_read(client, base, STATUS))
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "--download-only"]
        command += ["-o", f"Dir::State::status={status}", "-o", f"Dir::Cache::archives={archives}"]
        command += ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=", *packages]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_S_MAX,
                env=environment,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EnvironmentFailed(f"apt-get could not be run: {error}") from error
        if done.returncode:
            raise EnvironmentFailed(
                f"apt has no {', '.join(packages)}; run `apt-get update` first:\n{done.stderr}"
            )
        shutil.rmtree(archives / "partial")
        archives.rename(kept)
    return sorted(kept.glob("*.deb"))


def _read(client: docker.DockerClient, base: str, path: str) -> bytes:
    """A file of an image."""
    with in_words(f"reading {path} of {base}"):
        said: bytes = client.containers.run(
            base,
            [path],
            entrypoint="cat",
            remove=True,
            network_mode="none",
            labels={LABEL: "image"},
        )
    return said


def _build(
    client: docker.DockerClient,
    tag: str,
    base: str,
    dockerfile: str,
    names: tuple[str, ...],
    debs: list[Path],
) -> None:
    with tempfile.TemporaryDirectory(prefix="lineal-packages-") as scratch:
        context = Path(scratch)
        (context / "Dockerfile").write_text(dockerfile, encoding="utf-8")
        (context / "packages").mkdir()
        (context / "packages" / "names").write_text(" ".join(names), encoding="ascii")
        for deb in debs:
            shutil.copyfile(deb, context / "packages" / deb.name)
        try:
            with in_words(f"building {tag}"):
                client.images.build(
                    path=scratch, tag=tag, rm=True, forcerm=True, buildargs={"BASE_IMAGE": base}
                )
        except docker.errors.BuildError as error:
            said = "".join(str(line.get("stream", "")) for line in error.build_log)
            raise EnvironmentFailed(f"docker: building {tag}: {error}\n{said[-2000:]}") from error
