"""A context stays short however long a key lives, and where it cannot, there is a way out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from checker.convergence.siblings import Siblings
from checker.history.columns import History
from checker.history.events import Event
from systems_under_test.dynamo import api
from systems_under_test.dynamo.api import versions_read
from systems_under_test.dynamo.causal_context import TOKEN_CHARACTERS_MAX, from_token, to_token
from systems_under_test.dynamo.codec import SiblingsCodec
from systems_under_test.dynamo.partition_aware import ContextsTooLong, reconciled
from systems_under_test.dynamo.versions import NOTHING, Dot, Version, covers, join, seen_with
from systems_under_test.dynamo.versions import History as Seen
from systems_under_test.rng import Rng
from tests.checker.judging import context as claimed
from tests.checker.judging import kinds
from tests.systems_under_test.dynamo.alone import Alone, responses
from tests.systems_under_test.dynamo.driving import CONTEXT, NODES, Drive, put
from tests.systems_under_test.dynamo.test_lost_disks import repaired, wiped
from tests.systems_under_test.dynamo.test_versions import KEY, OTHER, Server
from workloads.client import Completion, Reply
from workloads.invocations import invoke


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


def long(stores: int) -> Seen:
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


LIVES = {"n": 1, "r": 1, "w": 1, "write_buffer_ms": 50, "durable_copies": 1}
"""A node of which each life has a number in its dots, and whose versions are durable all the same.
"""


class Recorded:
    """Clients of a single node, and the history of what they ask."""

    def __init__(self) -> None:
        self.node = Alone("n1", LIVES, nodes=("n1",))
        self.lives = 1
        self.events: list[Event] = []

    def restart(self) -> None:
        """Begin another life on what is stored."""
        self.lives += 1
        self.node = Alone(
            "n1", LIVES, nodes=("n1",), tables=self.node.tables, incarnation=self.lives
        )

    def ask(self, process: int, f: str, given: Any = None) -> Completion:
        """One operation on the one key."""
        invocation = invoke(f, given, key="k")
        asked = SiblingsCodec().encode(invocation, "")
        headers = {name.replace("-", "_"): text for name, text in asked.headers.items()}
        (got,) = responses(self.node.request(asked.method, asked.target, asked.body, **headers))
        done = SiblingsCodec().decode(invocation, Reply(got.status, got.headers, got.body))
        self._note(process, "invoke", f, input=given)
        self._note(process, done.type, f, output=done.output)
        return done

    def _note(self, process: int, type: Any, f: str, **fields: Any) -> None:
        index = len(self.events)
        event = Event(
            index=index, time=index, process=process, type=type, f=f, key="k", node="n1", **fields
        )
        self.events.append(event)

    def branches(self, count: int, lives: int) -> None:
        """So many clients go on from their own writes alone, one life of the node after another."""
        contexts: list[str | None] = [None] * count
        for life in range(lives * count):
            mine = life % count
            given = {"value": life, "context": contexts[mine]}
            contexts[mine] = self.ask(mine, "put", given).output["context"]
            self.restart()

    def delete(self) -> list[dict[str, Any]]:
        """Another client deletes what it reads; what it read."""
        read = self.ask(9, "get").output
        assert self.ask(9, "delete", {"context": read["context"]}).type == "ok"
        found: list[dict[str, Any]] = read["versions"]
        return found

    def findings(self) -> list[str]:
        """What a checker says of it."""
        claims = claimed({"false-sibling", "dishonest-context"})
        return kinds(Siblings().check(History.of(self.events), claims))


def test_nobody_is_accused_where_a_read_shows_more_than_fits_into_a_context() -> None:
    clients = Recorded()
    clients.branches(4, lives=130)
    shown = clients.delete()
    left_out = {version["id"] for version in shown if version.get("covered") is False}
    assert len(shown) == 4
    then = clients.delete()
    assert clients.findings() == []
    assert 0 < len(left_out) < 4
    assert {version["id"] for version in then if "value" in version} == left_out
    clients.delete()
    assert all("tombstone" in version for version in clients.delete())
    assert clients.findings() == []


def test_a_client_that_knows_the_ring_lets_a_node_read_what_is_longer_than_a_context() -> None:
    clients = Recorded()
    clients.branches(4, lives=130)
    own = clients.node.request("GET", "/kv/k?r=own")
    answer = msgspec.json.decode(responses(own)[0].body)
    key = clients.node.replica._life.node.ring.place(b"k")  # type: ignore[union-attr]
    with pytest.raises(ContextsTooLong):
        reconciled(key, [answer])
    halves: list[dict[str, Any]] = []
    for name in ("n1", "n2"):
        lines = tuple((name, 1 << 39 | i, (0, 1 << 30)) for i in range(250))
        id = f"{name}.{1 << 39}.{1 << 30}"
        halves.append({"versions": [{"id": id}], "context": to_token(key, lines)})
    assert reconciled(key, halves[:1])[1] == halves[0]["context"]
    with pytest.raises(ContextsTooLong):
        reconciled(key, halves)


def test_a_node_finds_what_fits_of_thousands_of_versions_in_a_moment() -> None:
    lines = [tuple((f"n{i}", j, (0, 9)) for j in range(8)) for i in range(3_000)]
    versions = tuple(Version(Dot(f"m{i}", 1, 1), 0, lines[i], b"") for i in range(3_000))
    calls = 0

    def counted(*arguments: Any) -> str:
        nonlocal calls
        calls += 1
        return to_token(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "to_token", counted)
        versions_read(KEY, versions)
    assert calls <= 15


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
