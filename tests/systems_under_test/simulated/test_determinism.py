"""One seed, one trace: in other processes, time zones, locales and hash seeds too."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter

import pytest

from systems_under_test.environments.cluster import ClusterSpec, DiskQuality, LinkQuality
from systems_under_test.environments.simulated.cluster import SimulatedCluster
from systems_under_test.environments.simulated.options import SimulationOptions
from systems_under_test.rng import Rng
from workloads.client import Request

SECOND = 1_000_000_000
QUALITY = LinkQuality(loss_ppm=100_000, duplicate_ppm=100_000, reorder_ppm=100_000)
NODES = ("n1", "n2", "n3", "n4", "n5")


def trace(seed: int) -> str:
    """A digest of everything that can be seen of a run under every fault."""
    spec = ClusterSpec(
        nodes=NODES,
        replica_path="tests.systems_under_test.simulated.gossip:make",
        options={"tick_ns": 2_000_000},
        bug=None,
        engine="sqlite",
        seed=seed,
    )
    cluster = SimulatedCluster(spec, SimulationOptions(wall_skew_ns=1_000_000))
    cluster.up()
    rng = Rng(f"{seed}/test")
    seen: list[object] = []

    def ask() -> None:
        deadline = cluster.now + SECOND
        cluster.submit(rng.choice(NODES), Request("GET", "/"), deadline, note)
        cluster.at(cluster.now + rng.below(5_000_000), ask)

    def note(reply: object) -> None:
        seen.append((cluster.now, reply))

    def disturb() -> None:
        node = cluster.nodes[rng.choice(NODES)]
        node.set_disk(DiskQuality(errors_ppm=rng.below(2) * 100_000, slow_ns=rng.below(10**6)))
        node.set_clock(wall_offset_ns=rng.between(-SECOND, SECOND), rate_ppm=rng.below(1000))
        rng.choice((node.kill, node.power_off, node.pause))()
        if node.state() == "dead" and rng.below(8) == 0:
            seen.append(node.damage_disk(rng.choice(("torn", "flip"))))
        cluster.at(cluster.now + rng.below(50_000_000), node.start)
        cluster.at(cluster.now + rng.below(50_000_000), node.resume)
        links = rng.shuffled([(a, b) for a in NODES for b in NODES if a != b])
        cluster.set_cut(frozenset(links[:3]))
        held = dict.fromkeys(links[8:10], LinkQuality(hold=True))
        cluster.shape({**dict.fromkeys(links[2:8], QUALITY), **held})
        seen.append(cluster.probe(frozenset(links)))
        cluster.at(cluster.now + rng.below(100_000_000), disturb)

    cluster.at(0, ask)
    cluster.at(0, disturb)
    cluster.run_until(3 * SECOND)
    seen.append((cluster.events, cluster.now, cluster.unprovoked_deaths()))
    for name, node in cluster.nodes.items():
        seen += [name, node.state(), node.disk_counters(), node.read_clock(), cluster.log(name)]
    totals = Counter[str]()
    for counters in cluster.link_counters().values():
        totals.update(counters)
    eventful = ("passed", "stale", "dropped", "delayed", "duplicated")
    assert all(totals[what] > 10 for what in eventful), totals
    seen.append(cluster.link_counters())
    return hashlib.sha256(repr(seen).encode()).hexdigest()


def elsewhere(seed: int, **environment: str) -> str:
    """The same digest from a process with another environment."""
    run = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import trace; print(trace({seed}))"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return run.stdout.strip()


@pytest.mark.live
def test_the_same_seed_gives_the_same_trace_in_other_environments() -> None:
    here = trace(3)
    assert elsewhere(3, PYTHONHASHSEED="1", TZ="Asia/Kathmandu", LC_ALL="C") == here
    assert elsewhere(3, PYTHONHASHSEED="77", TZ="America/Caracas", LC_ALL="C.UTF-8") == here


def test_another_seed_gives_another_trace() -> None:
    assert len({trace(seed) for seed in range(4)}) == 4


def test_a_second_run_in_the_same_process_gives_the_same_trace() -> None:
    assert trace(5) == trace(5)
