"""A context stays short however long a key lives, and where it cannot, there is a way out."""

from __future__ import annotations

import msgspec
import pytest

from systems_under_test.dynamo.causal_context import TOKEN_CHARACTERS_MAX, from_token, to_token
from systems_under_test.dynamo.versions import NOTHING, History, Version, covers, join, seen_with
from systems_under_test.rng import Rng
from tests.systems_under_test.dynamo.alone import Alone, responses
from tests.systems_under_test.dynamo.driving import CONTEXT, NODES, Drive, put
from tests.systems_under_test.dynamo.test_lost_disks import repaired, wiped
from tests.systems_under_test.dynamo.test_versions import KEY, OTHER, Server
from workloads.client import Reply


def size(drive: Drive, key: str) -> int:
    """The characters of a key's context."""
    return len(drive.get("n1", key)["context"])


def test_a_context_does_not_grow_with_restarts_and_writers_and_other_keys() -> None:
    drive = Drive()
    sizes = []
    for round_ in range(8):
        for name in NODES:
            context = drive.get(name, "k").get("context")
            drive.put(name, "k", f"{round_} {name}", context)
            drive.put(name, f"other{round_}", "x")
        for name in NODES:
            drive.cluster.nodes[name].kill()
            drive.cluster.nodes[name].start()
        drive.wait(1000)
        sizes.append(size(drive, "k"))
    assert len(drive.get("n1", "k")["versions"]) == 1
    assert sizes[-1] <= sizes[0] + 16, sizes  # Greater numbers, not more of them.


def test_intervals_go_on_over_restarts_also_of_keys_that_are_forgotten_in_memory() -> None:
    server, history = Server("n1"), NOTHING
    for i in range(20):
        server.make(OTHER, NOTHING)
        if i % 2:
            server.restart()
        else:
            server.dots._last.clear()
        history = seen_with(server.make(KEY, history))
    ((_, _, bounds),) = history
    assert len(bounds) == 2


def test_what_was_not_seen_stays_uncovered_over_restarts() -> None:
    rng, server = Rng("unseen"), Server("n1")
    made: list[Version] = []
    for _ in range(60):
        seen = [it for it in made if rng.below(2)]
        version = server.make(KEY, join(map(seen_with, seen)))
        for other in made:
            knew = any(it is other or covers(it.history, other.dot) for it in seen)
            assert covers(version.history, other.dot) == knew
            assert not covers(seen_with(version), other.dot) or knew
        made.append(version)
        if not rng.below(4):
            server.restart()


def long(stores: int) -> History:
    """A history of a key that so many stores have written."""
    return tuple(("n1", 1 << 39 | i, (0, 1 << 30)) for i in range(stores))


@pytest.mark.parametrize("stores", [20, 220, 270, 500])
def test_a_put_of_too_long_a_history_is_refused_and_a_delete_is_not(stores: int) -> None:
    alone = Alone("n1", {"n": 1, "r": 1, "w": 1}, nodes=("n1",))
    key = alone.replica._life.node.ring.place(b"k")  # type: ignore[union-attr]
    token = to_token(key, long(stores))
    (reply,) = responses(alone.request("PUT", "/kv/k", b"v", x_lineal_context=token))
    error = msgspec.json.decode(reply.body).get("error", "")
    if len(token) > TOKEN_CHARACTERS_MAX:
        assert reply.status == 400
        assert "longer than" in error
        return
    assert reply.status == (200 if stores < 200 else 409)
    assert "delete the key" in error or stores < 200
    (reply,) = responses(alone.request("DELETE", "/kv/k", x_lineal_context=token))
    assert reply.status == 200


def test_a_read_says_as_much_of_its_context_as_fits() -> None:
    alone = Alone("n1", {"n": 1, "r": 1, "w": 1}, nodes=("n1",))
    key = alone.replica._life.node.ring.place(b"k")  # type: ignore[union-attr]
    for i in range(4):
        lines = tuple((f"n{i}", 1 << 39 | j, (0, 1 << 30)) for j in range(150))
        token = to_token(key, lines)
        (reply,) = responses(alone.request("PUT", "/kv/k", b"v", x_lineal_context=token))
        assert reply.status == 200
    for left in (2, 1):  # Each delete replaces what it has seen.
        (reply,) = responses(alone.request("GET", "/kv/k"))
        context = reply.headers[CONTEXT]
        assert len(context) <= TOKEN_CHARACTERS_MAX
        assert from_token(key, context)
        (reply,) = responses(alone.request("DELETE", "/kv/k", x_lineal_context=context))
        assert reply.status == 200
        (reply,) = responses(alone.request("GET", "/kv/k"))
        versions = msgspec.json.decode(reply.body)["versions"]
        assert sum("value" in it for it in versions) <= left


def test_a_key_that_was_deleted_and_collected_begins_a_new_history() -> None:
    drive = Drive()
    for name in NODES:
        drive.put(name, "k", "v", drive.get(name, "k").get("context"))
    drive.delete("n1", "k", drive.get("n1", "k")["context"])
    for _ in range(20):
        if not drive.get("n2", "k")["versions"]:
            break
        drive.wait(1000)
    before = drive.put("n1", "k", "w")["context"]
    assert len(before) < 80


@pytest.mark.parametrize("engine", ["sqlite", "memory"])
def test_no_dot_is_given_twice_by_a_node_that_loses_its_disk_at_once(engine: str) -> None:
    drive = Drive({"engine": engine, "quorum": "strict"})
    acknowledged = []
    for _ in range(3):
        replies = [(f"k{i}", drive.begin("n2", put(f"k{i}", "v"))) for i in range(30)]
        drive.wait(80)
        for key, got in replies:
            if got and isinstance(got[0], Reply) and got[0].status == 200:
                acknowledged.append((key, msgspec.json.decode(got[0].body)["id"]))
        drive.cluster.nodes["n2"].count = 0  # The number of starts is lost too.
        wiped(drive, "n2")
        if engine == "sqlite":
            repaired(drive, "n2")
        drive.settle()
    assert len(acknowledged) >= 60
    assert len({id for _, id in acknowledged}) == len(acknowledged)
    for key, id in acknowledged:
        assert id in [version["id"] for version in drive.get("n1", key)["versions"]]
