"""What the Docker environment finds on this machine, tried and not guessed: for `lineal doctor`."""

from __future__ import annotations

import os
import shutil

import docker.errors

from systems_under_test.environments.docker import disks, slow_writes
from systems_under_test.environments.docker.distribution import base_tag
from systems_under_test.environments.docker.engine import connect
from systems_under_test.environments.docker.image import DEFAULT_BASE
from systems_under_test.environments.docker.netem import why_no_netem, why_not_tried
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


def links() -> str:
    """What spoils links where the kernel does, and what carries the rest."""
    reason = why_no_netem()
    untried = why_not_tried()
    if untried:
        return f"nftables and tbf; netem was not tried here ({untried}), a run tries it in a node"
    if reason is None:
        return "nftables, tbf and netem"
    return (
        f"nftables and tbf: loss, hold and rate. No netem ({reason}): late, doubled and overtaken "
        "messages take links=proxy, and are not for foreign systems"
    )


def slow_disks() -> str:
    """What makes disks slow, and what does instead where the kernel cannot."""
    reason = disks.cannot() or slow_writes.cannot()
    if reason:
        return f"by the node's own host, and not for foreign systems: {reason}"
    found = slow_writes.hierarchy()
    assert found is not None
    return f"by the cgroup ({found.limits}) with disk=loop, else by the node's own host"


def full_disks() -> str:
    """What fills disks."""
    reason = disks.cannot()
    host = "by the node's own host"
    return f"by a file that takes the space with disk=loop, else {host}" if not reason else host


def foreign_clocks() -> str:
    """Whether the wall clocks of other people's programs can be moved."""
    name = os.environ.get("CC") or "cc"
    compiler = shutil.which(name)
    return f"by a preload, made by {compiler}" if compiler else f"not carried: no `{name}` is here"
