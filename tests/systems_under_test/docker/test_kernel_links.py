"""Links that the kernel spoils, live: figures, sabotage, containers that come again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from nemesis.link import LinkFault
from nemesis.plan import Fault
from systems_under_test.environments.cluster import EnvironmentFailed, LinkQuality
from systems_under_test.environments.docker.engine import connect
from systems_under_test.environments.docker.netem import why_no_netem
from systems_under_test.environments.docker.options import DockerOptions
from tests.systems_under_test.docker.containers import containers, left_of, require_docker
from tests.systems_under_test.local.clusters import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from systems_under_test.environments.cluster import Link
    from systems_under_test.environments.docker.cluster import DockerCluster

pytestmark = [pytest.mark.live, pytest.mark.docker]

LINK: Link = ("n1", "n2")
BACK: Link = ("n2", "n1")
RATE = 20_000
DELAY_NS = 200_000_000
SEND = """
import socket, sys, time
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[2])):
    out.sendto(bytes(int(sys.argv[3])), (sys.argv[1], 9999))
    time.sleep(0.002)
"""
HEAR = """
import socket, time
into = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
into.bind(("0.0.0.0", 9999))
said = open("/node/heard", "w")
into.settimeout(2)
times, size = [], 0
try:
    while True:
        size += len(into.recv(2000)) + 42
        times.append(time.monotonic())
except TimeoutError:
    took = times[-1] - times[0] if times else 0
    print(len(times), size / max(0.001, took), file=said, flush=True)
"""
STAMP = """
import socket, struct, sys, time
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[2])):
    out.sendto(struct.pack("!qq", i, time.monotonic_ns()), (sys.argv[1], 9999))
    time.sleep(0.002)
"""
TELL = """
import json, socket, struct, time
into = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
into.bind(("0.0.0.0", 9999))
said = open("/node/heard", "w")
into.settimeout(2)
heard = []
try:
    while True:
        number, sent = struct.unpack("!qq", into.recv(2000))
        heard.append((number, time.monotonic_ns() - sent))
except TimeoutError:
    print(json.dumps(heard), file=said, flush=True)
"""
"""Containers of one machine have one monotonic clock."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerCluster]:
    require_docker()
    options = DockerOptions(links="kernel", kill="container")
    with containers(tmp_path_factory.mktemp("nodes"), options, qualities={"loss_ppm"}) as cluster:
        yield cluster
    assert left_of(cluster.run_id) == []


@pytest.fixture(autouse=True)
def _clear(cluster: DockerCluster) -> Iterator[None]:
    yield
    for node in cluster.nodes.values():
        node.start()
    cluster.shape({})
    assert set(cluster.link_qualities().values()) == {LinkQuality()}


def sent(cluster: DockerCluster, count: int, size: int) -> tuple[int, float]:
    """How many of so many datagrams came from n1 to n2, and the bytes that passed in a second."""
    arrived, rate = _heard(cluster, HEAR, SEND, count, size).split()
    return int(arrived), float(rate)


def stamped(cluster: DockerCluster, count: int) -> tuple[list[int], list[int]]:
    """The numbers of the datagrams that came from n1 to n2, as they came, and how late in ns."""
    heard = json.loads(_heard(cluster, TELL, STAMP, count))
    return [number for number, _ in heard], [late for _, late in heard]


def _heard(cluster: DockerCluster, hear: str, send: str, *given: int) -> str:
    heard = cluster.nodes["n2"].log.parent / "heard"
    heard.unlink(missing_ok=True)
    client = connect()
    try:
        here, there = (client.containers.get(cluster.nodes[name].container.name) for name in LINK)
        there.exec_run(["python3", "-c", hear], detach=True)
        until(heard.exists, within_s=20.0)
        address = cluster.nodes["n2"].address
        here.exec_run(["python3", "-c", send, address, *map(str, given)])
    finally:
        client.close()
    until(lambda: heard.read_text() != "", within_s=60.0)
    return heard.read_text()


def fault_of(**quality: Any) -> Fault:
    return Fault(1, "link", {"links": [list(LINK)], "quality": quality})


def test_a_lossy_link_loses_what_its_rule_counts(cluster: DockerCluster) -> None:
    nemesis, fault = LinkFault(), fault_of(loss_ppm=300_000)
    before = cluster.link_counters()[LINK]["dropped"]
    injected = nemesis.inject(cluster, fault)
    assert (injected.effect, injected.evidence["shaped"]) == ("applied", 1), injected
    assert injected.method == "kernel: nftables"
    assert injected.evidence["tried_before"]["passed"] == 1
    assert injected.evidence["tried"]["sent"] == 3
    assert cluster.link_qualities()[BACK] == LinkQuality()
    arrived, _ = sent(cluster, 300, 100)
    assert 150 < arrived < 260
    lost = cluster.link_counters()[LINK]["dropped"] - before
    assert 300 - arrived <= lost <= 300 - arrived + 60  # The nodes have messages of their own.
    healed = nemesis.heal(cluster, fault)
    assert (healed.effect, healed.method) == ("healed", "kernel: nftables"), healed
    assert healed.evidence["meanwhile"]["dropped"] >= 300 - arrived
    assert sent(cluster, 50, 100)[0] == 50


def test_a_narrow_link_carries_its_rate_and_no_more(cluster: DockerCluster) -> None:
    nemesis, fault = LinkFault(), fault_of(rate_bytes_s=RATE)
    assert nemesis.inject(cluster, fault).method == "kernel: tbf"
    arrived, rate = sent(cluster, 100, 1000)
    assert 0.7 * RATE < rate < 1.3 * RATE, arrived
    healed = nemesis.heal(cluster, fault)
    assert healed.effect == "healed", healed
    assert healed.evidence["meanwhile"]["delayed"] > 0
    arrived, rate = sent(cluster, 100, 1000)
    assert arrived == 100
    assert rate > 3 * RATE


def test_a_held_link_passes_nothing_until_it_is_released(cluster: DockerCluster) -> None:
    nemesis, fault = LinkFault(), fault_of(hold=True)
    injected = nemesis.inject(cluster, fault)
    assert (injected.effect, injected.evidence["blocked"]) == ("applied", 1), injected
    assert cluster.probe([LINK, BACK]) == {LINK: False, BACK: True}
    healed = nemesis.heal(cluster, fault)
    assert healed.effect == "healed", healed
    assert healed.evidence["meanwhile"]["delayed"] > 0
    until(lambda: all(cluster.try_messages([LINK, BACK]).values()), within_s=10.0)


def _in_order(numbers: list[int]) -> bool:
    return numbers == sorted(numbers)


def test_netem_delays_doubles_and_reorders(cluster: DockerCluster) -> None:
    """Where the kernel has it: what arrives shows each fault, and no more once it is healed."""
    if reason := why_no_netem():
        pytest.skip(f"this kernel has no netem: {reason}")
    nemesis = LinkFault()
    for quality in ({"delay_ns": DELAY_NS}, {"duplicate_ppm": 300_000}, {"reorder_ppm": 300_000}):
        fault = fault_of(**quality)
        injected = nemesis.inject(cluster, fault)
        assert (injected.effect, injected.method) == ("applied", "kernel: netem"), injected
        numbers, late = stamped(cluster, 200)
        assert len(set(numbers)) == 200, "nothing is lost"
        assert (min(late) >= 0.9 * DELAY_NS) == ("delay_ns" in quality), late
        assert (len(numbers) > 220) == ("duplicate_ppm" in quality)
        assert _in_order(numbers) == ("reorder_ppm" not in quality)
        healed = nemesis.heal(cluster, fault)
        assert healed.effect == "healed", healed
        assert healed.evidence["meanwhile"]["delayed"] >= 200
        assert cluster.link_qualities()[LINK] == LinkQuality()
    _unspoilt(cluster)


def test_what_the_way_by_netem_is_measured_with_sees_nothing_on_a_clear_link(
    cluster: DockerCluster,
) -> None:
    _unspoilt(cluster)


def _unspoilt(cluster: DockerCluster) -> None:
    numbers, late = stamped(cluster, 200)
    assert numbers == list(range(200))
    assert min(late) < 0.1 * DELAY_NS


def test_rules_that_somebody_takes_away_are_missed(cluster: DockerCluster) -> None:
    """Sabotage: what the kernel does not tell of is not believed to be there."""
    nemesis = LinkFault()
    both = LinkQuality(loss_ppm=10_000, rate_bytes_s=RATE)
    cluster.shape({LINK: both})
    assert cluster.link_qualities()[LINK] == both
    entrance = cluster._site.entrance  # type: ignore[union-attr]
    table = f"lineal_{cluster.run_id}_links"
    entrance.run({"n2": (["nft", "delete", "table", "ip", table], "")})
    assert cluster.link_qualities()[LINK] == LinkQuality(rate_bytes_s=RATE)
    entrance.run({"n1": (["tc", "qdisc", "del", "dev", "eth0", "root"], "")})
    assert cluster.link_qualities()[LINK] == LinkQuality()
    cluster.shape({})
    source = cluster.nodes["n1"].address
    stray = (
        f"table ip {table} {{\n chain c {{\n  type filter hook input priority 0;\n"
        f"  ip saddr {source} drop\n }}\n}}\n"
    )
    fault = fault_of(loss_ppm=10_000)
    nemesis.inject(cluster, fault)
    nemesis.heal(cluster, fault)
    entrance.run({"n2": (["nft", "-f", "-"], stray)})
    leaked = nemesis.heal(cluster, fault)
    assert (leaked.effect, leaked.evidence["still_blocked"]) == ("leaked", ["n1->n2"]), leaked
    entrance.run({"n2": (["nft", "delete", "table", "ip", table], "")})


def test_a_container_that_comes_again_has_its_links_spoilt_again(cluster: DockerCluster) -> None:
    qualities = {
        LINK: LinkQuality(loss_ppm=500_000, rate_bytes_s=RATE),
        BACK: LinkQuality(loss_ppm=400_000, rate_bytes_s=2 * RATE),
    }
    cluster.shape(qualities)
    before = cluster.link_counters()[LINK]["dropped"]
    sent(cluster, 50, 100)
    counted = cluster.link_counters()[LINK]["dropped"]
    assert counted > before
    cluster.nodes["n2"].kill()
    seen = cluster.link_qualities()
    assert {link: seen[link] for link in qualities} == qualities
    cluster.nodes["n2"].start()
    seen = cluster.link_qualities()
    assert {link: seen[link] for link in qualities} == qualities
    assert cluster.link_counters()[LINK]["dropped"] >= counted
    assert sent(cluster, 100, 100)[0] < 90


@pytest.mark.parametrize("entrance", ["sidecar", "in-container"])
def test_the_other_ways_into_a_network_do_as_well(tmp_path: Path, entrance: str) -> None:
    require_docker()
    qualities = {
        LINK: LinkQuality(loss_ppm=500_000, rate_bytes_s=RATE),
        BACK: LinkQuality(rate_bytes_s=2 * RATE, hold=True),
    }
    options = DockerOptions(links="kernel", partition=entrance)
    with containers(tmp_path, options, nodes=LINK, needs={"link"}) as cluster:
        cluster.shape(qualities)
        assert cluster.link_qualities() == qualities
        sent(cluster, 50, 100)
        assert cluster.link_counters()[LINK]["dropped"] > 5
        cluster.shape({})
        assert set(cluster.link_qualities().values()) == {LinkQuality()}
    assert left_of(cluster.run_id) == []


def test_what_this_kernel_cannot_do_is_told_before_the_nodes_start(
    cluster: DockerCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why_no_netem() is None:
        pytest.skip("this kernel has netem")
    monkeypatch.setattr("systems_under_test.environments.docker.options.why_no_netem", lambda: None)
    unable = containers(
        tmp_path, cluster._options, needs={"link"}, qualities={"delay_ns", "loss_ppm"}
    )
    with pytest.raises(EnvironmentFailed, match=r"cannot carry .*\(delay\).* has no netem \(.*tc"):
        unable.up()
    assert left_of(unable.run_id) == []
    assert not (tmp_path / "n1" / "data").exists()
