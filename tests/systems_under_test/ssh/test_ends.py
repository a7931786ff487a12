"""Nothing outlives a run on any machine, whatever ended it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.ssh.attendant import LEASE_S
from tests.systems_under_test.host.process import ROOT
from tests.systems_under_test.ssh.machines import Machines, cluster_on, run

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.live, pytest.mark.ssh]

COUNT = 3


def launched(made: Machines, directory: Path, end: str) -> subprocess.Popen[bytes]:
    module = "tests.systems_under_test.ssh.harness"
    command = [sys.executable, "-m", module, str(directory), str(made.known_hosts)]
    command += [str(made.identity), str(made.scratch), ",".join(made.texts(COUNT)), end]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)


def started(made: Machines, directory: Path, end: str) -> subprocess.Popen[bytes]:
    harness = launched(made, directory, end)
    assert harness.stdout is not None
    with harness.stdout as out:
        assert out.readline() == b"up\n"
    return harness


def left_on(made: Machines, place: int) -> list[object]:
    return [*made.pids(place), *made.chains(place)]


def folders(made: Machines) -> list[Path]:
    return sorted(made.scratch.iterdir())


def assert_nothing_left(made: Machines, *, within_s: float, places: int = COUNT) -> None:
    deadline = time.monotonic() + within_s
    while True:
        left = [left_on(made, place) for place in range(places)]
        if not any(left) and not folders(made):
            return
        assert time.monotonic() < deadline, f"left: {left}, {folders(made)}"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("end", "number", "status"),
    [
        ("normal", None, 0),
        ("exception", None, 1),
        ("wait", signal.SIGINT, -signal.SIGINT),
        ("wait", signal.SIGTERM, -signal.SIGTERM),
        ("wait", signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_nothing_is_left_after_any_end_of_the_harness(
    made: Machines, tmp_path: Path, end: str, number: signal.Signals | None, status: int
) -> None:
    harness = started(made, tmp_path, end)
    if number is not None:
        assert all(left_on(made, place) for place in range(COUNT))
        assert len(folders(made)) == COUNT
        harness.send_signal(number)
    assert harness.wait(15) == status
    assert_nothing_left(made, within_s=3.0)


@pytest.mark.parametrize("after_s", [0.3, 0.6, 0.8, 1.0, 1.2])
def test_nothing_is_left_when_the_harness_is_killed_while_it_comes_up(
    made: Machines, tmp_path: Path, after_s: float
) -> None:
    with launched(made, tmp_path, "wait") as harness:
        time.sleep(after_s)
        harness.kill()
    assert_nothing_left(made, within_s=5.0)


def kill_reaper(pids: list[int]) -> None:
    os.kill(pids[0], signal.SIGKILL)


def kill_attendant(pids: list[int]) -> None:
    os.kill(pids[1], signal.SIGKILL)


def kill_session(pids: list[int]) -> None:
    status = Path(f"/proc/{pids[0]}/status").read_text().splitlines()
    parent = next(int(line.split()[1]) for line in status if line.startswith("PPid:"))
    os.kill(parent, signal.SIGKILL)


@pytest.mark.parametrize("kill", [kill_reaper, kill_attendant, kill_session])
def test_a_machine_is_cleaned_whoever_is_killed_there(
    made: Machines, tmp_path: Path, kill: Callable[[list[int]], None]
) -> None:
    cluster = cluster_on(made, tmp_path, 2)
    cluster.up()
    cluster.nodes["n1"].pause()
    kill(sorted(made.pids(0)))
    deadline = time.monotonic() + 3
    while left_on(made, 0):
        assert time.monotonic() < deadline, left_on(made, 0)
        time.sleep(0.05)
    with pytest.raises(EnvironmentFailed, match="n1"):
        cluster.nodes["n1"].state()
    with pytest.raises(EnvironmentFailed, match="n1"):
        cluster.down()
    assert_nothing_left(made, within_s=3.0)


def test_a_machine_that_cannot_be_reached_any_more_cleans_itself(
    made: Machines, tmp_path: Path
) -> None:
    """No connection ends when a cable is pulled: the lease does."""
    switch = made.namespaces[0].rpartition("-")[0] + "-sw"
    cluster = cluster_on(made, tmp_path, 2)
    cluster.up()
    try:
        run("ip", "-n", switch, "link", "set", "port1", "down")
        time.sleep(LEASE_S / 2)
        assert left_on(made, 0)
        deadline = time.monotonic() + LEASE_S
        while left_on(made, 0):
            assert time.monotonic() < deadline, left_on(made, 0)
            time.sleep(0.1)
        assert left_on(made, 1)
    finally:
        run("ip", "-n", switch, "link", "set", "port1", "up")
        with contextlib.suppress(EnvironmentFailed):  # The end of n1 may never reach us.
            cluster.down()
    assert_nothing_left(made, within_s=3.0)
