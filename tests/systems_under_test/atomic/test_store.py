"""The atomic store as a client sees it, over the simulator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from systems_under_test.atomic.replica import make_replica
from systems_under_test.environments.cluster import ClusterSpec, DiskQuality
from systems_under_test.environments.simulated.cluster import SimulatedCluster
from workloads.client import Reply, Request

SECOND = 1_000_000_000


class Store(SimulatedCluster):
    """A store that is up, and a client that waits."""

    def __init__(self, *, bug: str | None = None, engine: Any = "sqlite", seed: int = 1) -> None:
        super().__init__(
            ClusterSpec(
                nodes=("n1",),
                replica_path=f"{make_replica.__module__}:make_replica",
                options={},
                bug=bug,
                engine=engine,
                seed=seed,
            )
        )
        self.up()
        self.node = self.nodes["n1"]

    def http(self, method: str, target: str, body: bytes = b"") -> Reply:
        replies: list[Any] = []
        request = Request(method, target, {"x-request-id": "r7"}, body)
        self.submit("n1", request, self.now + SECOND, replies.append)
        while not replies:
            assert self.step()
        (reply,) = replies
        assert isinstance(reply, Reply), reply
        return reply

    def curl(self, method: str, target: str, value: Any = None) -> Any:
        """The JSON of the reply, whose status is 200."""
        reply = self.http(method, target, b"" if value is None else json.dumps(value).encode())
        assert reply.status == 200
        assert reply.headers["content-type"] == "application/json"
        return json.loads(reply.body)

    def restart(self) -> None:
        self.node.kill()
        self.node.start()


def test_a_register_is_null_until_it_is_written_and_after_it_is_deleted() -> None:
    store = Store()
    assert store.curl("GET", "/register/x") is None
    store.curl("PUT", "/register/x", {"b": [1, None], "a": "é"})
    assert store.curl("GET", "/register/x") == {"a": "é", "b": [1, None]}
    store.curl("DELETE", "/register/x")
    assert store.curl("GET", "/register/x") is None


def test_compare_and_set_stores_only_over_the_old_value() -> None:
    store = Store()
    assert store.curl("POST", "/register/x/cas", [None, 1]) is True
    assert store.curl("POST", "/register/x/cas", [5, 2]) is False
    assert store.curl("GET", "/register/x") == 1
    assert store.curl("POST", "/register/x/cas", [1, 2]) is True
    assert store.curl("GET", "/register/x") == 2


@pytest.mark.parametrize(
    ("stored", "old", "equal"),
    [
        (1, True, False),
        (1, 1.0, False),
        (0, False, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ("é", "\u00e9", True),
        ([1, 2], [2, 1], False),
        (2**70, 2**70, True),
    ],
)
def test_values_compare_as_json_does(stored: Any, old: Any, equal: bool) -> None:
    store = Store()
    store.curl("PUT", "/register/x", stored)
    assert store.curl("POST", "/register/x/cas", [old, "new"]) is equal


def test_keys_are_percent_encoded_and_apart() -> None:
    store = Store()
    store.curl("PUT", "/register/a%2Fb%20%C3%A9", 1)
    store.curl("PUT", "/register/a", 2)
    assert store.curl("GET", "/register/a%2fb%20%c3%a9?why=not") == 1
    assert store.curl("GET", "/status") == {"incarnation": 1, "keys": 2, "records": 2}


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "word"),
    [
        ("PUT", "/register/x", b"{", 400, "not JSON"),
        ("PUT", "/register/x", b"", 400, "not JSON"),
        ("PUT", "/register/x", b"\xff", 400, "not JSON"),
        ("PUT", "/register/x", b"NaN", 400, "not JSON"),
        ("PUT", "/register/x", b"[" * 100_000, 400, "not JSON"),
        ("PUT", "/register/x", b'"' + b"x" * 2**20 + b'"', 413, "at most 1048576 bytes"),
        ("POST", "/register/x/cas", b"[1]", 400, "[old, new]"),
        ("POST", "/register/x/cas", b'{"old":1}', 400, "[old, new]"),
        ("GET", "/register/", b"", 400, "a key has 1 to 1024 bytes"),
        ("GET", "/register/" + "x" * 1025, b"", 400, "a key has 1 to 1024 bytes"),
        ("GET", "/register/%ff", b"", 400, "UTF-8"),
        ("POST", "/register/x", b"1", 405, "GET, PUT, DELETE"),
        ("GET", "/register/x/cas", b"", 405, "POST"),
        ("DELETE", "/status", b"", 405, "GET"),
        ("GET", "/", b"", 404, "there are GET"),
        ("GET", "/register/x/y", b"", 404, "there are GET"),
        ("GET", "register/x", b"", 404, "there are GET"),
        ("OPTIONS", "*", b"", 404, "there are GET"),
    ],
)
def test_a_malformed_request_is_refused_in_words_and_changes_nothing(
    method: str, target: str, body: bytes, status: int, word: str
) -> None:
    store = Store()
    store.curl("PUT", "/register/x", "kept")
    reply = store.http(method, target, body)
    assert reply.status == status
    assert word in json.loads(reply.body)["error"]
    assert ("allow" in reply.headers) == (status == 405)
    assert store.curl("GET", "/register/x") == "kept"
    assert store.unprovoked_deaths() == []


def test_everything_acknowledged_survives_kills_and_power_loss() -> None:
    for seed in range(10):
        store = Store(seed=seed)
        store.curl("PUT", "/register/x", 1)
        store.curl("PUT", "/register/y", 1)
        store.restart()
        store.curl("DELETE", "/register/y")
        assert store.curl("POST", "/register/x/cas", [1, 2]) is True
        store.node.power_off()
        store.node.start()
        assert store.curl("GET", "/register/x") == 2
        assert store.curl("GET", "/register/y") is None
        assert store.curl("GET", "/status") == {"incarnation": 3, "keys": 1, "records": 4}


def test_a_damaged_log_is_never_served() -> None:
    for kind in ("torn", "flip"):
        store = Store()
        store.curl("PUT", "/register/x", 1)
        store.node.kill()
        store.node.damage_disk(kind)
        store.node.start()
        store.run_until(store.now + SECOND)
        assert store.node.state() == "dead"
        assert "StorageDamaged" in store.log("n1")[-1]
        assert store.unprovoked_deaths() == []


def test_a_full_disk_ends_the_node_and_it_comes_back() -> None:
    store = Store()
    store.curl("PUT", "/register/x", 1)
    store.node.set_disk(DiskQuality(full=True))
    with pytest.raises(AssertionError, match="connection reset"):
        store.http("PUT", "/register/x", b"2")
    store.node.set_disk(DiskQuality())
    store.node.start()
    assert store.curl("GET", "/register/x") == 1


def test_the_log_of_the_node_names_the_request() -> None:
    store = Store()
    store.curl("PUT", "/register/x", 1)
    assert any('put request="r7" target="/register/x"' in line for line in store.log("n1"))


def test_the_bug_stale_read_serves_what_was_read_before() -> None:
    store = Store(bug="stale-read")
    assert store.curl("GET", "/register/x") is None
    store.curl("PUT", "/register/x", 1)
    assert store.curl("GET", "/register/x") is None
    store.run_until(store.now + 2 * SECOND)
    assert store.curl("GET", "/register/x") == 1


def test_the_bug_forgets_on_restart_forgets_on_restart() -> None:
    store = Store(bug="forgets-on-restart")
    store.curl("PUT", "/register/x", 1)
    assert store.curl("GET", "/register/x") == 1
    store.restart()
    assert store.curl("GET", "/register/x") is None


def test_the_bug_cas_without_compare_never_says_no() -> None:
    store = Store(bug="cas-without-compare")
    assert store.curl("POST", "/register/x/cas", [5, 2]) is True
    assert store.curl("GET", "/register/x") == 2


def test_memory_forgets() -> None:
    store = Store(engine="memory")
    store.curl("PUT", "/register/x", 1)
    store.restart()
    assert store.curl("GET", "/register/x") is None
