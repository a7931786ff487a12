"""Clusters of containers for tests; where no engine answers they skip, or fail if they must not."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker.cleanup import leftovers
from systems_under_test.environments.docker.cluster import DockerCluster
from systems_under_test.environments.docker.engine import connect
from systems_under_test.environments.docker.image import ensure_image
from systems_under_test.environments.docker.options import DockerOptions
from tests.systems_under_test.host.process import TALLY
from tests.systems_under_test.local.clusters import tally

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

FIVE = ("n1", "n2", "n3", "n4", "n5")


def require_docker() -> None:
    """Skip the test without an engine and an image; fail it if LINEAL_REQUIRE names docker."""
    require_for_docker(why_not())


def require_for_docker(reason: str | None) -> None:
    """Skip the test for this reason, or fail it if LINEAL_REQUIRE names docker; None: go on.

    For what a machine must be given: an engine, root, programs. What a kernel does not have
    nobody can install, so the want of that is skipped in any case.
    """
    if reason is None:
        return
    if "docker" in os.environ.get("LINEAL_REQUIRE", "").split(","):
        pytest.fail(f"LINEAL_REQUIRE names docker, but: {reason}")
    pytest.skip(reason)


def no_compiler() -> str | None:
    """Why no preload can be compiled here; None if one can."""
    return None if shutil.which("cc") else "there is no C compiler here"


@cache
def why_not() -> str | None:
    """Made once for all tests: the image too, so that no test pays for it in its time."""
    try:
        client = connect()
        try:
            ensure_image(client, TALLY)
        finally:
            client.close()
    except EnvironmentFailed as error:
        return str(error)
    return None


def containers(
    directory: Path,
    options: DockerOptions | None = None,
    *,
    nodes: tuple[str, ...] = ("n1", "n2", "n3"),
    needs: Collection[str] = (),
    qualities: Collection[str] = (),
) -> DockerCluster:
    spec = tally(directory, nodes=nodes)
    return DockerCluster(spec, options or DockerOptions(), needs=needs, qualities=qualities)


def left_of(run: str) -> list[str]:
    """What there is of a run, on the engine and on this machine."""
    return [thing for leftover in leftovers() if leftover.run == run for thing in leftover.things]


def processes_mentioning(text: str) -> list[str]:
    asked = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True)
    return [line for line in asked.stdout.splitlines() if text in line]
