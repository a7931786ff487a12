"""What the doctor says of the methods of faults, whatever this machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from systems_under_test.environments.docker import disks, slow_writes, survey
from systems_under_test.environments.docker.netem import why_no_netem, why_not_tried

if TYPE_CHECKING:
    import pytest


def test_it_says_what_carries_link_faults_without_netem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "why_not_tried", lambda: None)
    monkeypatch.setattr(survey, "why_no_netem", lambda: None)
    assert survey.links() == "nftables, tbf and netem"
    monkeypatch.setattr(survey, "why_no_netem", lambda: "Specified qdisc kind is unknown.")
    assert "No netem (Specified qdisc kind is unknown.)" in survey.links()
    assert "links=proxy" in survey.links()
    monkeypatch.setattr(survey, "why_not_tried", lambda: "there is no `tc` here")
    assert "netem was not tried here (there is no `tc` here)" in survey.links()


def test_netem_is_not_said_to_be_missing_where_it_was_not_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert why_not_tried() == "there is no `unshare` here"
    why_no_netem.cache_clear()
    assert why_no_netem() is None
    why_no_netem.cache_clear()


def test_it_says_what_makes_disks_slow_and_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "cannot", lambda: "it takes root")
    assert survey.slow_disks().endswith("not for foreign systems: it takes root")
    assert survey.full_disks() == "by the node's own host"
    monkeypatch.setattr(disks, "cannot", lambda: None)
    monkeypatch.setattr(slow_writes, "cannot", lambda: "no cgroup here limits writes")
    assert survey.slow_disks().endswith("no cgroup here limits writes")
    assert "by a file that takes the space" in survey.full_disks()
    found = slow_writes.hierarchy_in(["1 2 0:3 / / rw - cgroup cgroup rw,blkio"])
    monkeypatch.setattr(slow_writes, "cannot", lambda: None)
    monkeypatch.setattr(slow_writes, "hierarchy", lambda: found)
    assert "blkio.throttle.write_iops_device" in survey.slow_disks()


def test_it_says_whether_foreign_clocks_can_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert survey.foreign_clocks() == "not carried: no `no-such-compiler` is here"
    monkeypatch.setenv("CC", "true")
    assert survey.foreign_clocks().startswith("by a preload, made by /")
