"""The clients' way in: every call is answered once, and honestly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.simulated.latency import Constant
from systems_under_test.environments.simulated.options import SimulationOptions
from tests.systems_under_test.simulated.puppet import MS, SECOND, World
from workloads.client import Failure, Reply, Request

if TYPE_CHECKING:
    from pathlib import Path

    from systems_under_test.environments.cluster import Cluster, Node


def test_a_request_reaches_the_replica_and_its_reply_the_client() -> None:
    assert World().ask("n1", ["respond", "hello"]) == "hello"


def test_a_dead_node_refuses_definitely() -> None:
    world = World()
    world.nodes["n1"].kill()
    replies = world.tell("n1", ["respond", "hello"])
    world.settle()
    assert replies == [Failure("connection refused", definite=True)]


def test_a_node_that_dies_while_serving_resets_indefinitely() -> None:
    world = World()
    replies = world.tell("n1", ["note", "thinking"])
    world.settle(MS)
    world.nodes["n1"].kill()
    world.settle()
    assert replies == [Failure("connection reset", definite=False)]


def test_a_request_without_an_answer_times_out_at_its_deadline() -> None:
    world = World()
    stamps: list[tuple[int, Reply | Failure]] = []
    deadline = world.now + 50 * MS
    request = Request("GET", "/", {}, b"[]")
    world.submit("n1", request, deadline, lambda r: stamps.append((world.now, r)))
    world.settle()
    assert stamps == [(deadline, Failure("timed out", definite=False))]


def test_a_late_reply_is_not_a_second_answer() -> None:
    world = World(options=SimulationOptions(commit_latency=Constant(2 * SECOND)))
    replies = world.tell("n1", ["write", "k", "v"], ["respond", "late"])
    world.settle(5 * SECOND)
    assert replies == [Failure("timed out", definite=False)]
    assert world.nodes["n1"].state() == "running"


def test_a_paused_node_answers_after_the_pause() -> None:
    world = World()
    world.nodes["n1"].pause()
    replies = world.tell("n1", ["respond", "back"])
    world.settle()
    assert replies == []
    world.nodes["n1"].resume()
    world.settle()
    assert [r.body for r in replies if isinstance(r, Reply)] == [b"back"]


def test_client_links_have_a_latency_and_no_faults() -> None:
    world = World(2, options=SimulationOptions(client_latency=Constant(MS)))
    world.set_cut({("n1", "n2"), ("n2", "n1")})
    began = world.now
    assert world.ask("n1", ["respond", "there"]) == "there"
    assert world.now - began >= 2 * MS


def test_every_call_is_answered_exactly_once_whatever_happens() -> None:
    for seed in range(20):
        world = World(2, seed=seed)
        replies = []
        for n in range(40):
            replies.append(world.tell("n1", ["write", "k", str(n)], ["respond", "ok"]))
            world.settle(MS // 3)
            if n % 10 == 9:
                world.nodes["n1"].kill()
            if n % 10 == 2:
                world.nodes["n1"].start()
        world.settle(3 * SECOND)
        assert [len(reply) for reply in replies] == [1] * 40
        kinds = {getattr(r[0], "reason", "ok") for r in replies}
        assert {"ok", "connection refused"} <= kinds


def test_a_harness_event_comes_at_its_time() -> None:
    world = World()
    stamps: list[int] = []
    at = world.now + 5 * MS
    world.at(at, lambda: stamps.append(world.now))
    world.at(at, lambda: stamps.append(world.now))
    world.settle()
    assert stamps == [at, at + 1]


def test_down_ends_every_node_and_writes_the_logs(tmp_path: Path) -> None:
    from dataclasses import replace

    world = World(2)
    world._spec = replace(world._spec, directory=tmp_path)
    world.ask("n1", ["respond", "ok"])
    world.down()
    assert {node.state() for node in world.nodes.values()} == {"dead"}
    text = (tmp_path / "n1" / "node.log").read_text()
    assert "n1/1 asked id=1\n" in text
    assert text.endswith("killed\n")


def test_an_unknown_node_is_a_key_error() -> None:
    world = World()
    with pytest.raises(KeyError, match="n9"):
        world.submit("n9", Request("GET", "/"), SECOND, lambda _: None)


def test_implements_the_shared_verbs() -> None:
    world = World()
    cluster: Cluster = world
    node: Node = world.nodes["n1"]
    assert cluster.environment == "simulated"
    assert set(cluster.method) == cluster.capabilities
    assert node.name == "n1"
