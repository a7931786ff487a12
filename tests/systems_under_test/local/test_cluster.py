from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.cluster import (
    CAPABILITIES,
    EnvironmentFailed,
    LinkQuality,
    links_of,
)
from systems_under_test.environments.http_client import HttpClient
from systems_under_test.environments.local import resources
from systems_under_test.environments.local.cluster import LocalCluster
from tests.systems_under_test.local.clusters import ask, tally, told, until
from workloads.client import Failure, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from systems_under_test.environments.cluster import Link
    from systems_under_test.environments.local.node import LocalNode

pytestmark = pytest.mark.live

MILLISECOND = 1_000_000
LINKS: list[Link] = [(a, b) for a in ("n1", "n2", "n3") for b in ("n1", "n2", "n3") if a != b]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tally(tmp_path_factory.mktemp("nodes"))) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: LocalCluster) -> Iterator[LocalCluster]:
    """Whole again after each test."""
    yield shared
    shared.set_cut([])
    shared.shape({})
    for node in shared.nodes.values():
        node.resume()
        node.start()
        node.set_clock(wall_offset_ns=0, rate_ppm=0)
    until(lambda: all(shared.probe(LINKS).values()))
    shared.unprovoked_deaths()


def tell(cluster: LocalCluster, link: Link, body: str) -> None:
    ask(cluster, link[0], "POST", f"/tell/{link[1]}", body)


def dead_links(cluster: LocalCluster) -> set[Link]:
    return {link for link, passed in cluster.probe(LINKS).items() if not passed}


def test_it_says_what_it_carries_and_how(cluster: LocalCluster) -> None:
    assert cluster.environment == "local"
    carried = {"partition", "link", "kill", "stop", "pause", "power", "clock", "disk"}
    if resources.cannot() is None:
        carried |= {"cpu", "memory"}
    assert cluster.capabilities == carried
    assert cluster.capabilities <= CAPABILITIES.keys()
    assert set(cluster.method) == cluster.capabilities
    assert list(cluster.nodes) == ["n1", "n2", "n3"]


def test_a_living_node_is_not_damaged(cluster: LocalCluster) -> None:
    with pytest.raises(EnvironmentFailed, match="n1 runs: kill it before its disk is damaged"):
        cluster.nodes["n1"].damage_disk("torn")


def test_a_cut_is_exact_in_its_direction(cluster: LocalCluster) -> None:
    cluster.set_cut([("n1", "n2"), ("n3", "n1")])
    assert dead_links(cluster) == {("n1", "n2"), ("n3", "n1")}
    for sender, receiver in LINKS:
        tell(cluster, (sender, receiver), f"{sender} in the cut")
    until(
        lambda: {"n2 in the cut", "n3 in the cut"} <= {*told(cluster, "n1"), *told(cluster, "n2")}
    )
    assert "n1 in the cut" not in told(cluster, "n2")
    assert "n3 in the cut" not in told(cluster, "n1")
    assert cluster.link_counters()["n1", "n2"]["dropped"] == 1


def test_links_that_are_not_named_are_mended(cluster: LocalCluster) -> None:
    cluster.set_cut([("n1", "n2")])
    cluster.set_cut([("n2", "n3")])
    assert dead_links(cluster) == {("n2", "n3")}


def test_a_majorities_ring_of_grudges(cluster: LocalCluster) -> None:
    grudge = {"n1": frozenset({"n2"}), "n2": frozenset({"n3"}), "n3": frozenset({"n1"})}
    cluster.set_cut(links_of(grudge))
    assert dead_links(cluster) == {("n2", "n1"), ("n3", "n2"), ("n1", "n3")}


@pytest.mark.parametrize("cut_s", [0.0, 0.3])
def test_links_carry_messages_again_within_a_moment_of_mending(
    cluster: LocalCluster, cut_s: float
) -> None:
    cluster.set_cut(LINKS)
    assert dead_links(cluster) == set(LINKS)
    time.sleep(cut_s)
    began = time.monotonic()
    cluster.set_cut([])
    assert dead_links(cluster) == set()
    assert time.monotonic() - began < 0.2
    tell(cluster, ("n1", "n3"), f"after {cut_s}")
    until(lambda: f"after {cut_s}" in told(cluster, "n3"), within_s=0.2)


def test_links_come_back_also_when_nodes_had_given_up_on_them(cluster: LocalCluster) -> None:
    """Longer than the heartbeat's patience: the nodes are in the middle of trying anew."""
    cluster.set_cut([("n1", "n2")])
    time.sleep(4.0)
    cluster.set_cut([])
    tell(cluster, ("n1", "n2"), "after giving up")
    until(lambda: "after giving up" in told(cluster, "n2"), within_s=0.2)


def test_a_cut_in_force_holds_for_a_node_that_is_started_again(cluster: LocalCluster) -> None:
    cluster.set_cut([("n1", "n2"), ("n2", "n1")])
    cluster.nodes["n2"].kill()
    cluster.nodes["n2"].start()
    until(lambda: cluster.probe([("n3", "n2")])["n3", "n2"])
    assert dead_links(cluster) == {("n1", "n2"), ("n2", "n1")}


def test_a_held_link_fails_its_probe_and_passes_everything_when_released(
    cluster: LocalCluster,
) -> None:
    cluster.shape({("n1", "n2"): LinkQuality(hold=True)})
    assert dead_links(cluster) == {("n1", "n2")}
    tell(cluster, ("n1", "n2"), "held")
    assert "held" not in told(cluster, "n2")
    cluster.shape({})
    until(lambda: "held" in told(cluster, "n2"), within_s=0.2)


def test_a_slow_link_is_slow_and_alive(cluster: LocalCluster) -> None:
    quality = LinkQuality(delay_ns=200 * MILLISECOND, jitter_ns=20 * MILLISECOND)
    delayed = cluster.link_counters()["n1", "n2"]["delayed"]
    cluster.shape({("n1", "n2"): quality})
    began = time.monotonic()
    tell(cluster, ("n1", "n2"), "slowly")
    until(lambda: "slowly" in told(cluster, "n2"))
    assert 0.2 <= time.monotonic() - began < 0.4
    assert dead_links(cluster) == set()
    assert cluster.link_counters()["n1", "n2"]["delayed"] == delayed + 1


def test_a_killed_node_refuses_clients_and_comes_back_on_what_it_had(cluster: LocalCluster) -> None:
    node = cluster.nodes["n2"]
    count = ask(cluster, "n2", "POST", "/add")
    incarnation = node.incarnation()
    node.kill()
    assert node.state() == "dead"
    client = HttpClient(cluster.client_address("n2"))
    failure = client.call(Request("GET", "/clock"), 1)
    assert isinstance(failure, Failure)
    assert failure.definite
    assert dead_links(cluster) == {link for link in LINKS if "n2" in link}
    node.kill()
    node.start()
    node.start()
    assert node.incarnation() == incarnation + 1
    until(lambda: dead_links(cluster) == set())
    assert node.state() == "running"
    assert node.incarnation() == incarnation + 1
    assert ask(cluster, "n2", "GET", "/incarnation") == incarnation + 1
    assert ask(cluster, "n2", "POST", "/add") == count + 1
    assert cluster.unprovoked_deaths() == []


def test_a_paused_node_is_silent_and_handles_afterwards_what_came_meanwhile(
    cluster: LocalCluster,
) -> None:
    node = cluster.nodes["n2"]
    before = ask(cluster, "n2", "GET", "/clock")["mono"]
    node.pause()
    assert node.state() == "paused"
    assert dead_links(cluster) == {link for link in LINKS if "n2" in link}
    tell(cluster, ("n1", "n2"), "while it slept")
    client = HttpClient(cluster.client_address("n2"))
    failure = client.call(Request("GET", "/clock"), 0.3)
    client.close()
    assert isinstance(failure, Failure)
    assert not failure.definite
    node.resume()
    assert node.state() == "running"
    until(lambda: "while it slept" in told(cluster, "n2"))
    assert ask(cluster, "n2", "GET", "/clock")["mono"] - before > 300 * MILLISECOND
    assert dead_links(cluster) == set()


def test_a_paused_node_can_be_killed(cluster: LocalCluster) -> None:
    node = cluster.nodes["n3"]
    node.pause()
    node.kill()
    assert node.state() == "dead"


def test_verbs_on_a_dead_node_change_nothing(cluster: LocalCluster) -> None:
    node = cluster.nodes["n3"]
    node.kill()
    node.pause()
    node.resume()
    assert node.state() == "dead"
    with pytest.raises(EnvironmentFailed, match="n3"):
        node.read_clock()


def test_a_death_that_no_verb_caused_is_told_once(cluster: LocalCluster) -> None:
    node = cluster.nodes["n1"]
    assert node.pid is not None
    os.kill(node.pid, signal.SIGKILL)
    until(lambda: node.state() == "dead")
    assert cluster.unprovoked_deaths() == ["n1"]
    assert cluster.unprovoked_deaths() == []
    assert node.exit_status() == -signal.SIGKILL
    node.start()
    until(lambda: cluster.probe([("n1", "n2")])["n1", "n2"])
    assert cluster.unprovoked_deaths() == []


def near(node: LocalNode, offset: int) -> bool:
    """Read on a busy machine a clock may be off by half the round trip: so it is read again."""
    return abs(node.read_clock().wall_offset - offset) < 5 * MILLISECOND


def test_a_clock_shows_what_was_set(cluster: LocalCluster) -> None:
    node = cluster.nodes["n1"]
    node.set_clock(wall_offset_ns=-(10**10))
    until(lambda: near(node, -(10**10)))
    assert node.read_clock().mono_rate_ppm == 0
    node.set_clock(rate_ppm=100_000)
    time.sleep(0.1)
    reading = node.read_clock()
    assert abs(reading.mono_rate_ppm - 100_000) < 10
    assert reading.wall_offset + 10**10 > 9 * MILLISECOND
    wall = ask(cluster, "n1", "GET", "/clock")["wall"]
    assert abs(wall - time.time_ns() + 10**10) < 200 * MILLISECOND
    until(lambda: near(cluster.nodes["n2"], 0))


def test_a_clock_stays_set_through_a_restart_and_a_pause(cluster: LocalCluster) -> None:
    node = cluster.nodes["n2"]
    node.set_clock(wall_offset_ns=10**9)
    node.kill()
    node.start()
    until(lambda: cluster.probe([("n2", "n1")])["n2", "n1"])
    until(lambda: near(node, 10**9))
    node.pause()
    node.set_clock(wall_offset_ns=2 * 10**9)
    node.resume()
    until(lambda: near(node, 2 * 10**9))


def test_commits_are_counted(cluster: LocalCluster) -> None:
    before = cluster.nodes["n1"].disk_counters()["commits"]
    for _ in range(5):
        ask(cluster, "n1", "POST", "/add")
    assert cluster.nodes["n1"].disk_counters()["commits"] == before + 5


def test_a_link_that_does_not_exist_is_named(cluster: LocalCluster) -> None:
    with pytest.raises(ValueError, match="n9"):
        cluster.set_cut([("n1", "n9")])
    with pytest.raises(ValueError, match="n1"):
        cluster.shape({("n1", "n1"): LinkQuality()})
