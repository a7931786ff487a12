"""The verbs of a live cluster: every environment in real time means the same by them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.cluster import CAPABILITIES, EnvironmentFailed, LinkQuality
from systems_under_test.environments.local.cluster import LocalCluster
from tests.systems_under_test.docker.containers import containers, require_docker
from tests.systems_under_test.local.clusters import ask, tally, told, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from systems_under_test.environments.cluster import Link
    from systems_under_test.environments.docker.cluster import DockerCluster

    Live = LocalCluster | DockerCluster

pytestmark = pytest.mark.live

NODES = ("n1", "n2", "n3")
LINKS: list[Link] = [(a, b) for a in NODES for b in NODES if a != b]
SECOND = 1_000_000_000


@pytest.fixture(
    scope="module",
    params=[
        "local",
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("docker kill=container,pause=container", marks=pytest.mark.docker),
    ],
)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    directory: Path = tmp_path_factory.mktemp("nodes")
    if request.param == "local":
        with LocalCluster(tally(directory)) as cluster:
            yield cluster
        return
    from systems_under_test.environments.docker.options import options_of

    require_docker()
    _, _, words = request.param.partition(" ")
    options = options_of(dict(word.split("=") for word in words.split(",") if word))
    with containers(directory, options) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Live) -> Iterator[Live]:
    """Whole again after each test."""
    yield shared
    shared.set_cut([])
    for node in shared.nodes.values():
        node.resume()
        node.start()
        node.set_clock(wall_offset_ns=0, rate_ppm=0)
    until(lambda: all(shared.probe(LINKS).values()))
    until(lambda: all(answers(shared, name) for name in NODES))
    shared.unprovoked_deaths()


def answers(cluster: Live, node: str) -> bool:
    try:
        return bool(ask(cluster, node, "GET", "/incarnation"))
    except AssertionError:
        return False


def test_it_carries_what_it_says_how_it_does(cluster: Live) -> None:
    assert set(cluster.method) == cluster.capabilities <= CAPABILITIES.keys()
    assert list(cluster.nodes) == list(NODES)


def test_a_killed_node_is_dead_and_keeps_what_it_wrote(cluster: Live) -> None:
    node = cluster.nodes["n1"]
    before, life = ask(cluster, "n1", "POST", "/add"), node.incarnation()
    node.kill()
    assert node.state() == "dead"
    assert {link for link, passed in cluster.probe(LINKS).items() if not passed} == {
        link for link in LINKS if "n1" in link
    }
    node.kill()  # No change.
    node.start()
    assert node.incarnation() == life + 1
    until(lambda: answers(cluster, "n1"))
    assert ask(cluster, "n1", "POST", "/add") == before + 1
    assert cluster.unprovoked_deaths() == []


def test_a_paused_node_is_paused_and_goes_on(cluster: Live) -> None:
    node = cluster.nodes["n2"]
    life = node.incarnation()
    node.pause()
    assert node.state() == "paused"
    node.start()  # It is alive: no change.
    assert node.state() == "paused"
    assert not any(passed for link, passed in cluster.probe(LINKS).items() if "n2" in link)
    node.resume()
    assert node.state() == "running"
    assert ask(cluster, "n2", "GET", "/incarnation") == life


def test_a_node_that_is_asked_to_end_does_so_and_keeps_what_it_wrote(cluster: Live) -> None:
    node = cluster.nodes["n3"]
    before, life = ask(cluster, "n3", "POST", "/add"), node.incarnation()
    node.stop()
    assert node.state() == "dead"
    node.stop()  # No change.
    node.start()
    assert node.incarnation() == life + 1
    until(lambda: answers(cluster, "n3"))
    assert ask(cluster, "n3", "POST", "/add") == before + 1
    assert cluster.unprovoked_deaths() == []


def test_who_does_not_end_when_asked_is_left_alone(
    cluster: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    for environment in ("local", "docker"):
        module = f"systems_under_test.environments.{environment}.node"
        monkeypatch.setattr(f"{module}.STOP_S_MAX", 0.3)
    node = cluster.nodes["n2"]
    node.pause()
    with pytest.raises(EnvironmentFailed):
        node.stop()
    assert node.state() == "paused"
    node.resume()  # Now it hears.
    until(lambda: node.state() == "dead")
    assert cluster.unprovoked_deaths() == [], "it died of what it was asked"


def test_a_paused_node_can_be_killed(cluster: Live) -> None:
    node = cluster.nodes["n2"]
    node.pause()
    node.kill()
    assert node.state() == "dead"
    node.resume()
    assert node.state() == "dead"


def test_a_cut_takes_messages_of_its_direction(cluster: Live) -> None:
    cluster.set_cut([("n1", "n2")])
    assert [link for link, passed in cluster.probe(LINKS).items() if not passed] == [("n1", "n2")]
    ask(cluster, "n1", "POST", "/tell/n2", "into the cut")
    ask(cluster, "n1", "POST", "/tell/n3", "beside the cut")
    until(lambda: "beside the cut" in told(cluster, "n3"))
    assert "into the cut" not in told(cluster, "n2")
    assert cluster.link_counters()["n1", "n2"]["dropped"] >= 1


def test_links_are_tried_with_the_time_that_a_message_takes(cluster: Live) -> None:
    cluster.set_cut([("n1", "n2")])
    took = cluster.latencies(LINKS)
    assert [link for link, nanoseconds in took.items() if nanoseconds is None] == [("n1", "n2")]
    assert all(0 < nanoseconds < SECOND for nanoseconds in took.values() if nanoseconds)
    if cluster.environment == "local":
        cluster.set_cut([])
        cluster.shape({("n1", "n2"): LinkQuality(delay_ns=SECOND // 5)})
        slow, quick = (cluster.latencies([link])[link] for link in LINKS[:2])
        cluster.shape({})
        assert slow is not None
        assert quick is not None
        assert quick < SECOND // 5 <= slow < 2 * SECOND // 5, LINKS[:2]


def test_links_that_do_not_exist_are_refused(cluster: Live) -> None:
    with pytest.raises(ValueError, match="no such links"):
        cluster.set_cut([("n1", "n9")])


def test_clocks_are_the_nodes_own_and_survive_a_life(cluster: Live) -> None:
    node = cluster.nodes["n3"]
    node.set_clock(wall_offset_ns=-7 * SECOND)
    assert abs(node.read_clock().wall_offset + 7 * SECOND) < SECOND // 10
    node.kill()
    node.set_clock(wall_offset_ns=9 * SECOND, rate_ppm=100_000)
    node.start()
    until(lambda: answers(cluster, "n3"))
    reading = node.read_clock()
    assert 9 * SECOND <= reading.wall_offset < 10 * SECOND
    assert abs(reading.mono_rate_ppm - 100_000) < 5_000
    assert abs(cluster.nodes["n1"].read_clock().wall_offset) < SECOND // 10


def test_a_node_that_dies_of_itself_is_told_once(cluster: Live) -> None:
    with pytest.raises(AssertionError):
        ask(cluster, "n1", "POST", "/raise")
    until(lambda: cluster.nodes["n1"].state() == "dead")
    assert cluster.unprovoked_deaths() == ["n1"]
    assert cluster.unprovoked_deaths() == []


def test_clients_find_a_dead_node_dead_at_once(cluster: Live) -> None:
    cluster.nodes["n1"].kill()
    began = time.monotonic()
    assert not answers(cluster, "n1")
    assert time.monotonic() - began < 1.0
