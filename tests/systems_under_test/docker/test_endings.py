"""Nothing outlives a run, whatever ended it, and nobody's living run is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.docker import cleanup
from systems_under_test.environments.docker.cleanup import leftovers, remove_leftovers
from systems_under_test.environments.docker.engine import owner, owner_lives
from tests.systems_under_test.docker.containers import containers, left_of, require_docker
from tests.systems_under_test.host.process import ROOT
from tests.systems_under_test.local.clusters import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.live, pytest.mark.docker]

GONE_S_MAX = 3.0


@pytest.fixture(autouse=True)
def _docker() -> None:
    require_docker()


def start(directory: Path, end: str, *words: str) -> tuple[subprocess.Popen[bytes], str]:
    """A harness that has begun, and the id of its run."""
    harness = subprocess.Popen(
        [sys.executable, "-m", "tests.systems_under_test.docker.harness", directory, end, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    assert harness.stdout is not None
    run: str = json.loads(harness.stdout.readline())["run"]
    return harness, run


def await_up(harness: subprocess.Popen[bytes]) -> int:
    """The pid of its guardian, once its cluster is up."""
    assert harness.stdout is not None
    guardian: int = json.loads(harness.stdout.readline())["guardian"]
    return guardian


def end(harness: subprocess.Popen[bytes], number: signal.Signals | None) -> None:
    if number is not None:
        harness.send_signal(number)
    harness.wait(20)
    assert harness.stdout is not None
    harness.stdout.close()


@pytest.mark.parametrize(
    ("how", "number"),
    [("normal", None), ("wait", signal.SIGINT), ("wait", signal.SIGKILL)],
)
def test_nothing_is_left_after_any_end(
    tmp_path: Path, how: str, number: signal.Signals | None
) -> None:
    harness, run = start(tmp_path, how)
    await_up(harness)
    if number is not None:
        assert len(left_of(run)) >= 3 + 1
    end(harness, number)
    until(lambda: left_of(run) == [], within_s=GONE_S_MAX)


@pytest.mark.soak
@pytest.mark.parametrize("words", [("disk=loop",), ("partition=sidecar",), ("links=proxy",)])
def test_nothing_is_left_of_disks_and_sidecars_after_a_kill(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    harness, run = start(tmp_path, "wait", *words)
    await_up(harness)
    end(harness, signal.SIGKILL)
    until(lambda: left_of(run) == [], within_s=GONE_S_MAX)


@pytest.mark.parametrize("after_s", [0.6, 1.2])
def test_nothing_is_left_when_the_harness_is_killed_while_it_comes_up(
    tmp_path: Path, after_s: float
) -> None:
    harness, run = start(tmp_path, "wait")
    time.sleep(after_s)
    end(harness, signal.SIGKILL)
    time.sleep(1.0)  # Its guardian may have seen nothing yet of what the engine still makes.
    until(lambda: left_of(run) == [], within_s=GONE_S_MAX)


def test_cleanup_takes_what_harness_and_guardian_left_and_spares_the_living(
    tmp_path: Path,
) -> None:
    with containers(tmp_path / "living", nodes=("n1",)) as living:
        harness, run = start(tmp_path / "dead", "wait")
        os.kill(await_up(harness), signal.SIGKILL)
        end(harness, signal.SIGKILL)
        time.sleep(1.0)
        assert len(left_of(run)) >= 3 + 1, "there is nobody left to clean up"
        states = {leftover.run: leftover.lives for leftover in leftovers()}
        assert states[run] is False
        assert states[living.run_id] is True
        removed, spared = remove_leftovers()
        assert run in {leftover.run for leftover in removed}
        assert living.run_id in {leftover.run for leftover in spared}
        assert left_of(run) == []
        assert living.nodes["n1"].state() == "running"
    assert left_of(living.run_id) == []


def test_a_mounted_disk_is_spared_while_its_owner_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of a run its disks are given up when its containers and network are gone."""
    (tmp_path / "n1").mkdir()
    image = tmp_path / "n1" / "lineal-0123456789-n1.img"
    monkeypatch.setattr(cleanup, "loops", lambda: [("loop99", image)])

    def lives() -> bool:
        return {leftover.run: leftover.lives for leftover in leftovers()}["0123456789"]

    assert not lives(), "nobody says that it is theirs"
    (tmp_path / "docker.json").write_text(json.dumps({"owner": owner()}))
    assert lives()
    (tmp_path / "docker.json").write_text(json.dumps({"owner": f"another-boot {owner()}"}))
    assert not lives()


def test_two_runs_side_by_side_do_not_collide(tmp_path: Path) -> None:
    first, first_run = start(tmp_path / "first", "normal")
    second, second_run = start(tmp_path / "second", "normal")
    assert first_run != second_run
    for harness in (first, second):
        await_up(harness)
        end(harness, None)
        assert harness.returncode == 0
    assert left_of(first_run) == left_of(second_run) == []


def test_an_owner_is_known_by_boot_namespace_number_and_birth() -> None:
    boot, namespace, pid, birth = owner().split()
    assert owner_lives(owner())
    assert not owner_lives(f"another-boot {namespace} {pid} {birth}")
    assert not owner_lives(f"{boot} {namespace} {pid} {int(birth) - 1}")
    assert owner_lives(f"{boot} pid:[1] {pid} 0"), "who cannot be seen may live"
