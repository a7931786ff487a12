"""Control groups of processes: both spellings, and what is said where none can be made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lineal.definition import Test
from systems_under_test.dynamo.system import SYSTEM
from systems_under_test.environments.local import resources
from systems_under_test.environments.local.resources import (
    VERSION_1,
    VERSION_2,
    Bases,
    Resources,
    bases_among,
)

if TYPE_CHECKING:
    from systems_under_test.environments.local.resources import Spelling

MOUNTS_1 = """\
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:4 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
MOUNTS_2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


def group(place: Path, spelling: Spelling, **files: str) -> Path:
    """A directory with the files of a group, as the kernel would make them."""
    made = place / "g-n1"
    made.mkdir(parents=True)
    for name, text in files.items():
        (made / name.replace("__", ".")).write_text(text)
    for name in ("cgroup.procs", spelling.memory_limit, spelling.quota):
        if not (made / name).exists():
            (made / name).write_text("")
    return made


@pytest.mark.parametrize(
    ("spelling", "limited", "free"),
    [(VERSION_1, "2000", "-1"), (VERSION_2, "2000 100000", "max 100000")],
)
def test_a_share_of_a_processor_is_written_as_each_version_spells_it(
    spelling: Spelling, limited: str, free: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = group(tmp_path, spelling)
    monkeypatch.setattr(resources, "bases", lambda: Bases(spelling, tmp_path, tmp_path))
    node = Resources("g-n1")
    node.limit_cpu(2, 4711)
    assert (made / spelling.quota).read_text() == limited
    assert (made / "cgroup.procs").read_text() == "4711"
    assert spelling.percent_in(limited) == 2
    node.limit_cpu(None, 4712)
    assert (made / spelling.quota).read_text() == free
    assert spelling.percent_in(free) == 0
    node.join(4713)
    assert (made / "cgroup.procs").read_text() == "4713"


def test_what_the_kernel_counts_is_read_as_each_version_spells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    group(
        one,
        VERSION_1,
        cpu__cfs_quota_us="2000\n",
        cpu__stat="nr_periods 9\nnr_throttled 7\n",
        memory__usage_in_bytes="4096\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    )
    group(
        two,
        VERSION_2,
        cpu__max="2000 100000\n",
        cpu__stat="usage_usec 5\nnr_throttled 7\n",
        memory__current="4096\n",
        memory__events="low 0\noom 4\noom_kill 3\n",
    )
    for spelling, place in ((VERSION_1, one), (VERSION_2, two)):
        monkeypatch.setattr(resources, "bases", lambda s=spelling, p=place: Bases(s, p, p))
        seen = Resources("g-n1").usage(None)
        assert seen == {"cpu_percent": 2, "throttled": 7, "memory": 4096, "oom_kills": 3}


def test_hierarchies_are_found_by_what_is_mounted() -> None:
    mounted = resources._mounted(MOUNTS_1)
    assert mounted["cpu"] == Path("/sys/fs/cgroup/cpu")
    assert mounted["memory"] == Path("/sys/fs/cgroup/memory")
    assert resources._mounted(MOUNTS_2) == {"": Path("/sys/fs/cgroup")}
    assert resources._own("4:memory:/a/b\n1:cpu,cpuacct:/\n0::/c\n") == {
        "memory": "/a/b",
        "cpu": "/",
        "cpuacct": "/",
        "": "/c",
    }


def test_a_place_whose_groups_have_no_limits_is_passed_over(tmp_path: Path) -> None:
    assert "may make no control groups" in str(bases_among({"": tmp_path}, {"": "/own"}))
    assert list(tmp_path.iterdir()) == [], "what was tried is gone"
    assert "are mounted" in str(bases_among({}, {}))


def test_groups_that_were_left_are_taken_away_by_their_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "bases", lambda: Bases(VERSION_2, tmp_path, tmp_path))
    for name in ("lineal-1-a-n1", "lineal-1-a-n2", "lineal-1-b-n1"):
        (tmp_path / name).mkdir()
    resources.remove("lineal-1-a-")
    assert os.listdir(tmp_path) == ["lineal-1-b-n1"]


def test_a_machine_that_limits_no_process_is_told_before_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resources, "bases", lambda: "no reason")
    test = Test(system=SYSTEM, environment="local", faults="resources:cpu")
    assert test.problems() == ["processes cannot be limited on this machine: no reason"]
