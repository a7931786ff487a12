"""The verbs on real machines: five sshd in network namespaces of their own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from nemesis.grudges import VARIANTS
from nemesis.partition import Partition
from nemesis.plan import Fault
from systems_under_test.environments.cluster import (
    CAPABILITIES,
    EnvironmentFailed,
    LinkQuality,
    links_of,
)
from systems_under_test.environments.http_client import HttpClient
from systems_under_test.rng import Rng
from tests.systems_under_test.local.clusters import ask, told, until
from tests.systems_under_test.ssh.machines import Machines, cluster_on
from workloads.client import Failure, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from systems_under_test.environments.cluster import Link
    from systems_under_test.environments.ssh.cluster import SshCluster

pytestmark = [pytest.mark.live, pytest.mark.ssh]

MILLISECOND = 1_000_000
NODES = ("n1", "n2", "n3", "n4", "n5")
LINKS: list[Link] = [(a, b) for a in NODES for b in NODES if a != b]
SHAPES = [name for name in VARIANTS if name != "any"]


@pytest.fixture(scope="module")
def shared(made: Machines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshCluster]:
    with cluster_on(made, tmp_path_factory.mktemp("nodes"), 5) as cluster:
        yield cluster
    assert [made.chains(place) for place in range(5)] == [[]] * 5
    assert [made.pids(place) for place in range(5)] == [[]] * 5


@pytest.fixture
def cluster(shared: SshCluster) -> Iterator[SshCluster]:
    """Whole again after each test."""
    yield shared
    shared.set_cut([])
    for node in shared.nodes.values():
        node.resume()
        node.start()
        node.set_clock(wall_offset_ns=0, rate_ppm=0)
    until(lambda: all(shared.probe(LINKS).values()))
    shared.unprovoked_deaths()


def dead_links(cluster: SshCluster) -> set[Link]:
    return {link for link, passed in cluster.probe(LINKS).items() if not passed}


def test_it_says_what_it_carries_and_how(cluster: SshCluster) -> None:
    assert cluster.environment == "ssh"
    carried = {"partition", "link", "kill", "stop", "pause", "power", "clock", "disk"}
    assert cluster.capabilities == carried
    assert cluster.capabilities < CAPABILITIES.keys()
    assert cluster.method["partition"] == "iptables"
    assert tuple(cluster.nodes) == NODES


def test_what_it_does_not_carry_is_an_error_in_words(cluster: SshCluster) -> None:
    node = cluster.nodes["n1"]
    with pytest.raises(EnvironmentFailed, match="n1 runs: kill it before its disk is damaged"):
        node.damage_disk("flip")
    with pytest.raises(EnvironmentFailed, match="loses and holds packets, and nothing else"):
        cluster.shape({("n1", "n2"): LinkQuality(delay_ns=1)})
    with pytest.raises(ValueError, match="n9"):
        cluster.set_cut([("n1", "n9")])


@pytest.mark.parametrize("shape", SHAPES)
def test_every_grudge_cuts_its_links_and_no_other(cluster: SshCluster, shape: str) -> None:
    cut = links_of(VARIANTS[shape].make(NODES, Rng(f"1/{shape}")))
    assert cut
    cluster.set_cut(cut)
    assert dead_links(cluster) == cut
    cluster.set_cut([])
    until(lambda: dead_links(cluster) == set(), within_s=1.0)


def test_a_cut_is_exact_in_its_direction_and_its_packets_are_counted(cluster: SshCluster) -> None:
    before = cluster.link_counters()["n1", "n2"]
    cluster.set_cut([("n1", "n2")])
    assert dead_links(cluster) == {("n1", "n2")}
    ask(cluster, "n1", "POST", "/tell/n2", "in the cut")
    ask(cluster, "n2", "POST", "/tell/n1", "against the cut")
    until(lambda: "against the cut" in told(cluster, "n1"))
    assert "in the cut" not in told(cluster, "n2")
    counters = cluster.link_counters()
    assert counters["n1", "n2"]["dropped"] > before["dropped"]
    assert counters["n2", "n1"]["dropped"] == 0 or before["dropped"]
    assert counters["n2", "n1"]["passed"] > 0


def test_links_lose_and_hold_packets_and_are_read_back(cluster: SshCluster) -> None:
    lossy, held = LinkQuality(loss_ppm=300_000), LinkQuality(hold=True)
    before = cluster.link_counters()
    cluster.shape({("n1", "n2"): lossy, ("n3", "n2"): held})
    seen = cluster.link_qualities()
    assert (seen["n1", "n2"], seen["n3", "n2"]) == (lossy, held)
    assert set(seen.values()) == {lossy, held, LinkQuality()}
    assert dead_links(cluster) - {("n1", "n2")} == {("n3", "n2")}
    cluster.set_cut([("n4", "n2")])
    assert cluster.link_qualities()["n1", "n2"] == lossy, "a cut leaves them"

    def lost() -> bool:
        ask(cluster, "n1", "POST", "/tell/n2", "perhaps")
        return cluster.link_counters()["n1", "n2"]["dropped"] > before["n1", "n2"]["dropped"]

    until(lost, within_s=10.0)
    assert cluster.link_counters()["n3", "n2"]["delayed"] > before["n3", "n2"]["delayed"]
    cluster.set_cut([])
    cluster.shape({})
    assert set(cluster.link_qualities().values()) == {LinkQuality()}
    until(lambda: dead_links(cluster) == set(), within_s=5.0)


def test_clients_are_spared_by_any_cut(cluster: SshCluster) -> None:
    cluster.set_cut(LINKS)
    assert dead_links(cluster) == set(LINKS)
    for name in NODES:
        ask(cluster, name, "POST", "/add")


def test_links_come_back_also_when_nodes_had_given_up_on_them(cluster: SshCluster) -> None:
    cluster.set_cut([("n1", "n2")])
    time.sleep(4.0)
    began = time.monotonic()
    cluster.set_cut([])
    until(lambda: dead_links(cluster) == set(), within_s=1.0)
    assert time.monotonic() - began < 1.0


def test_a_cut_in_force_holds_for_a_node_that_is_started_again(cluster: SshCluster) -> None:
    cluster.set_cut([("n1", "n2"), ("n2", "n1")])
    cluster.nodes["n2"].kill()
    cluster.nodes["n2"].start()
    until(lambda: cluster.probe([("n3", "n2")])["n3", "n2"])
    assert dead_links(cluster) == {("n1", "n2"), ("n2", "n1")}


def test_other_chains_and_rules_are_left_alone(made: Machines, cluster: SshCluster) -> None:
    made.within(0, "iptables", "-N", "THEIRS")
    made.within(0, "iptables", "-A", "INPUT", "-s", "203.0.113.7", "-j", "DROP")
    cluster.set_cut(LINKS)
    cluster.set_cut([])
    rules = made.within(0, "iptables", "-S").splitlines()
    assert "-N THEIRS" in rules
    assert "-A INPUT -s 203.0.113.7/32 -j DROP" in rules
    assert [line for line in rules if line.startswith("-N LINEAL")] == [f"-N {cluster.chain}"]


def test_a_node_that_is_asked_to_end_does_so(cluster: SshCluster) -> None:
    node = cluster.nodes["n1"]
    life = node.incarnation()
    node.stop()
    assert node.state() == "dead"
    node.start()
    until(lambda: node.state() == "running")
    assert node.incarnation() == life + 1
    assert cluster.unprovoked_deaths() == []


def test_a_killed_node_refuses_clients_and_comes_back_on_what_it_had(cluster: SshCluster) -> None:
    node = cluster.nodes["n2"]
    count = ask(cluster, "n2", "POST", "/add")
    incarnation = node.incarnation()
    node.kill()
    assert node.state() == "dead"
    failure = HttpClient(cluster.client_address("n2")).call(Request("GET", "/clock"), 1)
    assert isinstance(failure, Failure)
    assert failure.definite
    assert dead_links(cluster) == {link for link in LINKS if "n2" in link}
    node.kill()
    node.start()
    node.start()
    assert node.incarnation() == incarnation + 1
    until(lambda: dead_links(cluster) == set())
    assert ask(cluster, "n2", "GET", "/incarnation") == incarnation + 1
    assert ask(cluster, "n2", "POST", "/add") == count + 1
    assert cluster.unprovoked_deaths() == []


def test_a_paused_node_is_silent_and_handles_afterwards_what_came_meanwhile(
    cluster: SshCluster,
) -> None:
    node = cluster.nodes["n2"]
    node.pause()
    assert node.state() == "paused"
    assert dead_links(cluster) == {link for link in LINKS if "n2" in link}
    ask(cluster, "n1", "POST", "/tell/n2", "while it slept")
    node.resume()
    assert node.state() == "running"
    until(lambda: "while it slept" in told(cluster, "n2"))
    node.pause()
    node.kill()
    assert node.state() == "dead"


def test_a_death_that_no_verb_caused_is_told_once(made: Machines, cluster: SshCluster) -> None:
    node = cluster.nodes["n1"]
    made.within(0, "kill", "-9", str(node.pid))
    until(lambda: node.state() == "dead")
    assert cluster.unprovoked_deaths() == ["n1"]
    assert cluster.unprovoked_deaths() == []
    assert node.exit_status() == -9
    with pytest.raises(EnvironmentFailed, match="n1 does not run"):
        node.read_clock()


def test_a_clock_shows_what_was_set_and_keeps_it_through_a_restart(cluster: SshCluster) -> None:
    node = cluster.nodes["n1"]
    node.set_clock(wall_offset_ns=-(10**10))
    assert abs(node.read_clock().wall_offset + 10**10) < MILLISECOND
    node.set_clock(rate_ppm=100_000)
    time.sleep(0.1)
    reading = node.read_clock()
    assert abs(reading.mono_rate_ppm - 100_000) < 10
    assert reading.wall_offset + 10**10 > 9 * MILLISECOND
    node.set_clock(wall_offset_ns=10**9, rate_ppm=0)
    node.kill()
    node.start()
    until(lambda: cluster.probe([("n1", "n2")])["n1", "n2"])
    assert abs(node.read_clock().wall_offset - 10**9) < MILLISECOND
    node.pause()
    node.set_clock(wall_offset_ns=2 * 10**9)
    node.resume()
    assert abs(node.read_clock().wall_offset - 2 * 10**9) < MILLISECOND
    assert abs(cluster.nodes["n2"].read_clock().wall_offset) < MILLISECOND


def test_commits_are_counted(cluster: SshCluster) -> None:
    before = cluster.nodes["n1"].disk_counters()["commits"]
    ask(cluster, "n1", "POST", "/add")
    assert cluster.nodes["n1"].disk_counters()["commits"] == before + 1


def test_probes_see_that_somebody_undid_a_fault(made: Machines, cluster: SshCluster) -> None:
    cluster.set_cut([("n1", "n2"), ("n1", "n3")])
    assert dead_links(cluster) == {("n1", "n2"), ("n1", "n3")}
    made.within(1, "iptables", "-F", cluster.chain)
    until(lambda: dead_links(cluster) == {("n1", "n3")})
    node = cluster.nodes["n4"]
    node.pause()
    made.within(3, "kill", "-CONT", str(node.pid))
    assert node.state() == "running"


def test_the_partition_of_the_nemesis_proves_itself_here(cluster: SshCluster) -> None:
    grudge = {"n2": ["n1"], "n1": ["n2", "n3"]}
    fault = Fault(1, "partition", {"grudge": grudge, "targets": ["n1"]})
    applied = Partition().inject(cluster, fault)
    assert (applied.effect, applied.method) == ("applied", "iptables")
    assert (applied.evidence["cut"], applied.evidence["cut_too_much"]) == (3, [])
    ask(cluster, "n1", "POST", "/tell/n2", "lost")
    healed = Partition().heal(cluster, fault)
    assert healed.effect == "healed"
    assert healed.evidence["dropped_meanwhile"] > 0
