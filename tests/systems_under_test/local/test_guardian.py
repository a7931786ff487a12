"""Nothing outlives a run, whatever ended it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.environments.local.guardian import kill_all
from systems_under_test.environments.local.processes import look
from tests.systems_under_test.host.process import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


def alive(pid: int) -> bool:
    seen = look(pid)
    return seen is not None and seen.letter != "Z"


def taken(port: int) -> bool:
    with socket.socket() as probing:
        probing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probing.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def started(directory: Path, end: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    harness = subprocess.Popen(
        [sys.executable, "-m", "tests.systems_under_test.local.harness", str(directory), end],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    assert harness.stdout is not None
    with harness.stdout as out:
        said = json.loads(out.readline())
    return harness, said


def assert_all_gone(said: dict[str, Any], *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while True:
        left = [pid for pid in [*said["nodes"], said["guardian"]] if alive(pid)]
        ports = [port for port in said["ports"] if taken(port)]
        if not left and not ports:
            return
        assert time.monotonic() < deadline, f"left: processes {left}, ports {ports}"
        time.sleep(0.02)


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
def test_nothing_is_left_after_any_end(
    tmp_path: Path, end: str, number: signal.Signals | None, status: int
) -> None:
    harness, said = started(tmp_path, end)
    assert len(said["ports"]) == 3 + 3 + 6
    if number is not None:
        assert all(alive(pid) for pid in said["nodes"])
        harness.send_signal(number)
    assert harness.wait(10) == status
    assert_all_gone(said, within_s=2.0)


def test_a_fork_of_the_harness_that_keeps_the_pipes_open_keeps_no_node_alive(
    tmp_path: Path,
) -> None:
    harness, said = started(tmp_path, "fork")
    try:
        harness.kill()
        harness.wait(10)
        said["ports"] = []  # The fork keeps the listening sockets of the harness as well.
        assert_all_gone(said, within_s=2.0)
        assert alive(said["child"])
    finally:
        os.kill(said["child"], signal.SIGKILL)


def test_nodes_end_also_when_harness_and_guardian_are_both_killed(tmp_path: Path) -> None:
    """All but the one that is stopped: that is what the guardian is for."""
    harness, said = started(tmp_path, "wait")
    stopped = said["nodes"][1]
    try:
        os.kill(said["guardian"], signal.SIGKILL)
        harness.kill()
        harness.wait(10)
        running = [pid for pid in said["nodes"] if pid != stopped]
        deadline = time.monotonic() + 2
        while any(alive(pid) for pid in running):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(stopped, signal.SIGKILL)


@pytest.mark.parametrize("after_s", [0.05, 0.15, 0.25, 0.3, 0.35, 0.45])
def test_nothing_is_left_when_the_harness_is_killed_while_it_comes_up(
    tmp_path: Path, after_s: float
) -> None:
    command = [sys.executable, "-m", "tests.systems_under_test.local.harness", str(tmp_path)]
    with subprocess.Popen(
        [*command, "wait"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
    ) as harness:
        time.sleep(after_s)
        harness.kill()
    deadline = time.monotonic() + 2.0
    while left := mentioning(str(tmp_path)):
        assert time.monotonic() < deadline, f"left: {left}"
        time.sleep(0.05)


def mentioning(text: str) -> list[int]:
    """The processes that have the text in their command line: nodes name their directory."""
    asked = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True)
    return [int(line.split()[0]) for line in asked.stdout.splitlines() if text in line]


def test_a_number_that_is_used_again_is_left_alone() -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        seen = look(bystander.pid)
        assert seen is not None
        assert kill_all({bystander.pid: f"not-{seen.birth}"})
        assert bystander.poll() is None
        os.kill(bystander.pid, signal.SIGSTOP)
        assert kill_all({bystander.pid: seen.birth})
        assert bystander.wait(5) == -signal.SIGKILL
        assert kill_all({bystander.pid: seen.birth})
    finally:
        bystander.kill()
        bystander.wait()


def test_a_node_does_not_serve_before_it_is_watched_over(tmp_path: Path) -> None:
    """Its harness dies between starting it and saying `go`."""
    command = [sys.executable, "-P", "-m", "systems_under_test.host", "--control"]
    command += ["--node", "n1", "--nodes", "n1", "--directory", str(tmp_path / "n1")]
    command += ["--replica", "tests.systems_under_test.host.tally:make_replica"]
    node = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert node.stdin is not None
    time.sleep(0.3)
    assert node.poll() is None
    assert not (tmp_path / "n1").exists()
    node.stdin.close()
    assert node.wait(5) == 0
    assert not (tmp_path / "n1").exists()
