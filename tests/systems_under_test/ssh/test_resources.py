"""Nodes on machines that get little of a processor, and no memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lineal.cli import exit_status
from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.local import resources
from systems_under_test.environments.ssh.cluster import SshCluster
from systems_under_test.environments.ssh.places import options_of, places_of
from tests.nemesis.test_resources import feels_both
from tests.systems_under_test.local.clusters import tally
from tests.systems_under_test.ssh.test_survey import doctor

if TYPE_CHECKING:
    from pathlib import Path

    from tests.systems_under_test.ssh.machines import Machines

pytestmark = [pytest.mark.live, pytest.mark.ssh]


def limited(made: Machines, folder: Path, user: str = "root") -> SshCluster:
    """Two machines on which nodes are to be limited, not yet up."""
    spec = tally(folder, nodes=("n1", "n2"))
    places, options = places_of(made.texts(2, user)), options_of(made.options())
    return SshCluster(spec, places, options, needs=frozenset({"cpu", "memory"}))


def groups(prefix: str) -> list[Path]:
    """The control groups of this machine, which the machines of the test share, with such names."""
    found = resources.bases()
    assert not isinstance(found, str)
    return [group for base in {found.cpu, found.memory} for group in base.glob(f"{prefix}*")]


def test_machines_feel_both_and_keep_nothing(
    with_groups: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(with_groups, *with_groups.texts(2)) == exit_status.VALID
    assert "ok       n2 resources: control groups with processor" in capsys.readouterr().out
    with limited(with_groups, tmp_path) as cluster:
        assert cluster.method["cpu"] == cluster.method["memory"] == "cgroup"
        feels_both(cluster)
        assert groups(f"lineal-{cluster.run_id}")
    assert groups(f"lineal-{cluster.run_id}") == []


def test_a_user_who_may_make_no_control_groups_is_told_before_the_nodes_start(
    made: Machines, tmp_path: Path
) -> None:
    unable = limited(made, tmp_path, "guest")
    with pytest.raises(EnvironmentFailed, match=r"n[12].*nothing can limit a process here"):
        unable.up()
    assert not (tmp_path / "n1" / "data").exists()
