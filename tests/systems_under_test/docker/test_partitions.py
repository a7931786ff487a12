"""Every method of cutting, tried by a full matrix for every grudge there is."""

from __future__ import annotations

import contextlib
import statistics
import time
from typing import TYPE_CHECKING

import pytest

from nemesis.grudges import VARIANTS, complete
from nemesis.zones import thirds
from systems_under_test.environments.cluster import links_of
from systems_under_test.environments.docker.options import DockerOptions
from systems_under_test.environments.docker.partitions import host_can
from systems_under_test.rng import Rng
from tests.systems_under_test.docker.containers import (
    FIVE,
    containers,
    require_docker,
    require_for_docker,
)
from tests.systems_under_test.local.clusters import ask, until
from tests.systems_under_test.slowness import Slowness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from systems_under_test.environments.cluster import Link
    from systems_under_test.environments.docker.cluster import DockerCluster

pytestmark = [pytest.mark.live, pytest.mark.docker]

LINKS: list[Link] = [(a, b) for a in FIVE for b in FIVE if a != b]
METHODS = ("host-bridge", "sidecar", "in-container", "proxy")
UP_S: dict[str, float] = {}
"""How long each cluster took to be ready, as on a machine with nothing else to do."""
UP_S_MAX = 5.0
CUT_S_MAX = {"host-bridge": 0.02, "sidecar": 0.15, "in-container": 1.0, "proxy": 0.02}
"""As on a machine with nothing else to do."""
MINORITY = {"n1", "n2"}
HALVES = [(a, b) for a, b in LINKS if (a in MINORITY) != (b in MINORITY)]


@pytest.fixture(scope="module", params=METHODS)
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DockerCluster]:
    require_docker()
    method: str = request.param
    require_for_docker(host_can() if method == "host-bridge" else None)
    options = DockerOptions(links="proxy") if method == "proxy" else DockerOptions(partition=method)
    cluster = containers(tmp_path_factory.mktemp("nodes"), options, nodes=FIVE)
    began = time.monotonic()
    with Slowness() as slowness:
        cluster.up()
    took_s = time.monotonic() - began
    UP_S[method] = took_s / slowness.factor
    with contextlib.ExitStack() as steps:
        steps.callback(cluster.down)
        assert cluster.method["partition"] == method
        yield cluster


@pytest.fixture(autouse=True)
def _whole(cluster: DockerCluster) -> Iterator[None]:
    """Whole again after each test."""
    yield
    cluster.set_cut([])
    for node in cluster.nodes.values():
        node.resume()
        node.start()
    until(lambda: all(cluster.try_messages(LINKS).values()))


def dead_links(cluster: DockerCluster) -> set[Link]:
    return {link for link, passed in cluster.probe(LINKS).items() if not passed}


@pytest.mark.parametrize("variant", [*(name for name in VARIANTS if name != "any"), "zones"])
def test_a_grudge_cuts_its_links_and_no_other(cluster: DockerCluster, variant: str) -> None:
    made = VARIANTS[variant].make(FIVE, Rng(f"7/{variant}")) if variant in VARIANTS else None
    cut = links_of(complete(thirds(FIVE)) if made is None else made)
    before = cluster.link_counters()
    cluster.set_cut(cut)
    assert dead_links(cluster) == cut
    after = cluster.link_counters()
    if cluster.method["partition"] != "proxy":  # Which counts messages, not the probe's packets.
        for link in LINKS:
            assert (after[link]["dropped"] > before[link]["dropped"]) == (link in cut), link
    cluster.set_cut([])
    assert dead_links(cluster) == set()


def test_a_cut_of_one_direction_leaves_the_other(cluster: DockerCluster) -> None:
    cluster.set_cut([("n1", "n2")])
    assert dead_links(cluster) == {("n1", "n2")}


def test_clients_are_spared(cluster: DockerCluster) -> None:
    cluster.set_cut(LINKS)
    assert {ask(cluster, node, "GET", "/incarnation") for node in FIVE} == {1}


@pytest.mark.parametrize("cut_s", [0.2, 3.0])
def test_messages_pass_within_a_moment_of_mending(cluster: DockerCluster, cut_s: float) -> None:
    """Longer than the heartbeat's patience too, when nodes are in the middle of trying anew."""
    cluster.set_cut(HALVES)
    for sender, receiver in HALVES:
        ask(cluster, sender, "POST", f"/tell/{receiver}", "into the cut")
    time.sleep(cut_s)
    cluster.set_cut([])
    until(lambda: all(cluster.try_messages(LINKS).values()), within_s=1.0)


def test_a_cut_holds_for_a_node_that_is_started_again(cluster: DockerCluster) -> None:
    cut = {("n1", "n2"), ("n2", "n1")}
    cluster.set_cut(cut)
    cluster.nodes["n2"].kill()
    cluster.nodes["n2"].start()
    until(lambda: dead_links(cluster) == cut)


def test_a_cut_holds_for_a_container_that_is_started_again(cluster: DockerCluster) -> None:
    """Rules inside a container's network are gone with it, and have to be made again."""
    cut = {("n1", "n2"), ("n2", "n1"), ("n3", "n2")}
    cluster.set_cut(cut)
    node = cluster.nodes["n2"]
    node.kill()
    node.container.kill()
    assert node.state() == "dead"
    assert dead_links(cluster) == {link for link in LINKS if "n2" in link}
    node.start()
    until(lambda: dead_links(cluster) == cut)


def test_a_container_that_is_gone_is_cut_when_it_comes_again(cluster: DockerCluster) -> None:
    """It has no network in which anything could be cut or counted; the others have."""
    cut = {("n1", "n2"), ("n2", "n1"), ("n1", "n3")}
    cluster.set_cut([("n3", "n2")])
    node = cluster.nodes["n2"]
    node.power_off()
    cluster.set_cut(cut)
    assert set(cluster.link_counters()) == set(LINKS)
    assert dead_links(cluster) == cut | {link for link in LINKS if "n2" in link}
    node.start()
    until(lambda: dead_links(cluster) == cut)


def test_it_is_ready_in_time(cluster: DockerCluster) -> None:
    assert UP_S[cluster.method["partition"]] < UP_S_MAX


def test_it_is_applied_in_time(cluster: DockerCluster) -> None:
    """The figures are in docs/docker.md."""
    took = []
    with Slowness() as slowness:
        for _ in range(5):
            began = time.monotonic()
            cluster.set_cut(HALVES)
            took.append(time.monotonic() - began)
            cluster.set_cut([])
    median = statistics.median(took)
    method = cluster.method["partition"]
    assert median / slowness.factor < CUT_S_MAX[method], (took, slowness.factor)
