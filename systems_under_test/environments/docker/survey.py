"""What the Docker environment finds on this machine, tried and not guessed: for `lineal doctor`."""

from __future__ import annotations

import docker.errors

from systems_under_test.environments.docker import disks
from systems_under_test.environments.docker.distribution import base_tag
from systems_under_test.environments.docker.engine import connect
from systems_under_test.environments.docker.image import DEFAULT_BASE
from systems_under_test.environments.docker.options import HOST_BRIDGE, SIDECAR
from systems_under_test.environments.docker.partitions import host_can


def engine() -> str:
    """The engine that answers. Raises EnvironmentFailed where none does."""
    client = connect()
    try:
        version = client.version()
        return f"engine {version['Version']} (API {version['ApiVersion']}) answers"
    finally:
        client.close()


def base_image() -> str:
    """Which base image is here, or that one has to be had first."""
    client = connect()
    try:
        for tag in (DEFAULT_BASE, base_tag()):
            try:
                client.images.get(tag)
            except docker.errors.ImageNotFound:
                continue
            return f"nodes are built on {tag}"
    finally:
        client.close()
    return f"neither {DEFAULT_BASE} nor {base_tag()} is here: `lineal image` pulls or makes one"


def partitions() -> str:
    """How links will be cut, and why not better."""
    reason = host_can()
    return HOST_BRIDGE if reason is None else f"{SIDECAR}, for {reason}"


def power() -> str:
    """Whether power losses are carried."""
    reason = disks.cannot()
    return "carried" if reason is None else f"not carried: {reason}"
