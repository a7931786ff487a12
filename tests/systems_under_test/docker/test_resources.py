"""Limits of processor and memory, by what the kernel says of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.systems_under_test.docker.containers import containers, require_docker
from tests.systems_under_test.docker.test_cluster import lines
from tests.systems_under_test.local.clusters import ask, until

if TYPE_CHECKING:
    from pathlib import Path

    from systems_under_test.environments.docker.node import DockerNode

pytestmark = [pytest.mark.live, pytest.mark.docker]

SPIN = "import time; e = time.process_time() + 0.1\nwhile time.process_time() < e: pass"


def spin_s(node: DockerNode) -> float:
    """How long a tenth of a second of work takes in a node's container."""
    began = time.monotonic()
    node.supervised.run([(["python3", "-c", SPIN], "")])
    return time.monotonic() - began


def test_limits_take_effect_and_are_lifted(tmp_path: Path) -> None:
    require_docker()
    with containers(tmp_path, nodes=("n1", "n2")) as cluster:
        node = cluster.nodes["n1"]
        throttled = node.usage()["throttled"]
        node.limit_cpu(10)
        assert spin_s(node) > 0.5
        assert node.usage()["throttled"] > throttled
        node.limit_cpu(None)
        throttled = node.usage()["throttled"]
        spin_s(node)
        assert node.usage()["throttled"] == throttled

        count = ask(cluster, "n1", "POST", "/add")
        node.exhaust_memory()
        assert node.state() == "dead"
        assert node.usage()["oom_kills"] >= 1
        assert cluster.unprovoked_deaths() == []
        node.start()
        until(lambda: cluster.try_messages([("n2", "n1")])["n2", "n1"], within_s=5.0)
        assert ask(cluster, "n1", "POST", "/add") == count + 1, "it has memory again"
        assert cluster.nodes["n2"].state() == "running"
    end = lines(tmp_path / "n1" / "lives.jsonl")[1]
    assert (end["status"], end["oom_kills"] >= 1) == (-9, True)
