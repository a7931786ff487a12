"""When the harness cannot do its part: words, exit status 3, and nothing lost or left behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lineal.cli import exit_status
from lineal.definition import Test
from lineal.running import run
from nemesis.kill import Kill
from nemesis.plan import Effect, Fault, FaultPlan
from nemesis.schedule import alternate
from systems_under_test.atomic.system import Atomic
from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    from systems_under_test.environments.cluster import Cluster

ROOT = Path(__file__).parents[2]
RUN = [sys.executable, "-m", "lineal", "run"]


STATUS = {signal.SIGINT: exit_status.INTERRUPTED, signal.SIGTERM: exit_status.TERMINATED}
HOW = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM"}


def processes_of(runs: Path) -> list[str]:
    """The command lines of node processes that have to do with a folder."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True
    )
    lines = listed.stdout.splitlines()
    return [line for line in lines if str(runs) in line and "systems_under_test.host" in line]


def test_a_full_disk_keeps_the_history_so_far_and_says_so(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    words = ["atomic", "--environment", "simulated", "--seed", "1", "--runs", str(tmp_path)]
    done = subprocess.run(
        [*RUN, *words], preexec_fn=limit, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == exit_status.FAILED, done.stderr
    history = tmp_path / "latest" / "history.jsonl"
    assert str(history.resolve()) in done.stderr.replace("latest", "")
    check = [sys.executable, "-m", "lineal", "check", str(history), "--model", "cas-register"]
    again = subprocess.run(
        [*check, "--drop-partial-line"], capture_output=True, text=True, timeout=60
    )
    assert again.returncode == exit_status.VALID, again.stdout + again.stderr


@pytest.mark.live
def test_a_node_that_does_not_come_up_is_named_with_its_log(tmp_path: Path) -> None:
    words = ["tests.lineal.failing:StillBorn", "--time-limit", "1", "--runs", str(tmp_path)]
    done = subprocess.run([*RUN, *words], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == exit_status.FAILED, done.stdout + done.stderr
    assert "n1" in done.stderr
    assert "node.log" in done.stderr
    assert "refuses to live" in done.stderr
    assert "ended before anything was recorded; its log is " in done.stderr
    assert "history so far" not in done.stderr
    assert processes_of(tmp_path) == []


class Waiter(Kill):
    """Heals when it is let go on, and not before."""

    go_on = threading.Event()
    went_on: list[int] = []  # noqa: RUF012 - for the test to see

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        self.go_on.wait(60)
        self.went_on.append(fault.fault)
        return super().heal(cluster, fault)


@pytest.mark.live
def test_a_nemesis_that_hangs_in_healing_ends_the_run_and_keeps_no_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineal.interpreters.live.NEMESIS_TIMEOUT_NS", 1_000_000_000)
    monkeypatch.setattr("lineal.running.LAST_HEALING_TIMEOUT_S", 0.5)
    plan = FaultPlan("kill", Waiter(), alternate("kill", "one"))
    test = Test(system=Atomic(), environment="local", faults=plan, time_limit_s=8, seed=1)
    try:
        with pytest.raises(EnvironmentFailed, match="the nemesis hung"):
            run(test, runs=tmp_path, report=False)
        assert Waiter.went_on == []
        assert processes_of(tmp_path) == []
    finally:
        Waiter.go_on.set()


@pytest.mark.live
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_running_after_any_end(end: signal.Signals, tmp_path: Path) -> None:
    words = ["dynamo", "--nemesis", "pause", "--time-limit", "60", "--runs", str(tmp_path)]
    said = tmp_path / "said"
    with (
        said.open("wb") as err,
        subprocess.Popen([*RUN, *words], stdout=subprocess.DEVNULL, stderr=err) as harness,
    ):
        deadline = time.monotonic() + 20
        while len(processes_of(tmp_path)) < 5 and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2)
        assert len(processes_of(tmp_path)) == 5
        os.kill(harness.pid, end)
        status = harness.wait(timeout=20)
    ended = time.monotonic()
    while processes_of(tmp_path) and time.monotonic() < ended + 2:
        time.sleep(0.05)
    assert processes_of(tmp_path) == []
    assert status == STATUS.get(end, -end)
    if end in STATUS:
        how, kept = said.read_text().splitlines()[-2:]
        assert how == f"lineal: {HOW[end]}; everything was taken down"
        assert "the history so far is kept: `lineal recheck " in kept


def test_a_run_started_with_interrupts_ignored_is_ended_by_sigterm(tmp_path: Path) -> None:
    """A shell without job control starts what it sends to the background so."""

    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    words = ["atomic", "--environment", "simulated", "--time-limit", "3600", "--runs"]
    with subprocess.Popen(
        [*RUN, *words, str(tmp_path)],
        preexec_fn=ignore,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as harness:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("*/*/history.jsonl")) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(harness.pid, signal.SIGINT)
        time.sleep(0.3)
        assert harness.poll() is None, "whoever started it asked that interrupts do nothing"
        os.kill(harness.pid, signal.SIGTERM)
        _, said = harness.communicate(timeout=60)
    assert harness.returncode == exit_status.TERMINATED
    assert "lineal: ended by SIGTERM; everything was taken down" in said
