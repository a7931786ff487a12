from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.local import resources
from tests.systems_under_test.ssh.machines import Machines, run

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def with_groups(made: Machines) -> Iterator[Machines]:
    """Machines that see the control groups of this one, which a namespace of networks hides."""
    if reason := resources.cannot():
        pytest.skip(reason)
    found = resources.bases()
    assert not isinstance(found, str)
    spelling, there = found.spelling, "/sys/fs/cgroup"
    mounts = [f"mount -t tmpfs tmpfs {there}"]
    for line in resources.MOUNTS.read_text("utf-8").splitlines():
        kind, _, options = line.partition(" - ")[2].split(" ", 2)
        controllers = [name for name in options.split(",") if name != "rw"]
        if kind == "cgroup" and {"cpu", "memory"} & set(controllers):
            place, names = f"{there}/{controllers[0]}", ",".join(controllers)
            mounts += [f"mkdir {place}", f"mount -t cgroup -o {names} cgroup {place}"]
        elif kind == "cgroup2" and spelling is resources.VERSION_2:
            mounts = [f"mount -t cgroup2 cgroup2 {there}"]
    for namespace in made.namespaces[:2]:
        script = " && ".join(mounts)
        run("nsenter", "-t", sshd_in(namespace), "-m", "sh", "-c", script)
    yield made
    for namespace in made.namespaces[:2]:
        run("nsenter", "-t", sshd_in(namespace), "-m", "umount", "-R", there)


def sshd_in(namespace: str) -> str:
    """The number of the sshd, which is older than its sessions."""
    return min(run("ip", "netns", "pids", namespace).split(), key=int)
