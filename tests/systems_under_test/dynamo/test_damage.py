"""A damaged store is refused with a clear error, and repaired by peers once the admin says so."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest

from systems_under_test.dynamo.replica import make_replica
from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.environments.http_client import HttpClient
from systems_under_test.environments.local.cluster import LocalCluster
from systems_under_test.host.life import EXIT_STORAGE_DAMAGED
from systems_under_test.replica import Place, on_damage
from tests.proof.sweeping import rested, simulate
from tests.systems_under_test.dynamo.driving import NODES, Drive, put
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from systems_under_test.environments.cluster import DamageKind

KEYS = [f"k{n}" for n in range(40)]
ASIDE = {"on_damage": "set-aside"}


@pytest.mark.parametrize("kind", ["flip", "truncate"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_put_aside_comes_back_from_the_peers(kind: DamageKind, seed: int) -> None:
    drive = Drive(ASIDE, seed=seed)
    for key in KEYS:
        drive.put("n1", key, "v")
    drive.wait(500)
    before = drive.page("n2", "dump")["keys"]
    node = drive.cluster.nodes["n2"]
    node.kill()
    assert node.damage_disk(kind)
    drive.settle()
    assert drive.page("n2", "status")["damage"]
    assert drive.page("n2", "dump")["keys"] == before


def test_until_the_admin_says_so_the_node_stays_down() -> None:
    stays_down = {"on_damage": "stop"}
    assert on_damage(make_replica(Place("n1", NODES), stays_down, None)) == "stop"
    assert on_damage(make_replica(Place("n1", NODES), ASIDE, None)) == "set-aside"


@pytest.mark.parametrize("seed", range(4))
def test_a_store_that_repairs_itself_comes_to_rest_after_damage(seed: int, tmp_path: Path) -> None:
    faults = ("disk:flip@one", "disk:truncate@one")[seed % 2]
    judgement = simulate("dynamo", seed, tmp_path, faults=faults, options=ASIDE)
    assert judgement.status == "valid", judgement.explain()
    assert rested(judgement)


def ask(cluster: LocalCluster, node: str, request: Request) -> Reply | None:
    with contextlib.closing(HttpClient(cluster.client_address(node))) as client:
        reply = client.call(request, 5)
    return reply if isinstance(reply, Reply) and reply.status == 200 else None


def dump(cluster: LocalCluster, node: str) -> dict[str, Any]:
    reply = ask(cluster, node, Request("GET", "/dump"))
    keys: dict[str, Any] = {} if reply is None else msgspec.json.decode(reply.body)["keys"]
    return keys


def spoil(store: Path) -> None:
    """Alter one value by hand, wherever the engine has put it."""
    files = [path for path in store.iterdir() if b"a value to find" in path.read_bytes()]
    assert files
    for path in files:
        path.write_bytes(path.read_bytes().replace(b"a value to find", b"a valve to find"))


def await_true(happened: Callable[[], bool], bound_s: float, otherwise: str) -> None:
    deadline = time.monotonic() + bound_s
    while not happened():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


@pytest.mark.live
@pytest.mark.parametrize("engine", ["sqlite", "lmdb"])
@pytest.mark.parametrize("decision", ["stop", "set-aside"])
def test_a_store_spoilt_by_hand(
    engine: Literal["sqlite", "lmdb"], decision: str, tmp_path: Path
) -> None:
    spec = ClusterSpec(
        nodes=NODES[:3],
        replica_path="systems_under_test.dynamo.replica:make_replica",
        options={"engine": engine, "on_damage": decision},
        bug=None,
        engine=engine,
        seed=1,
        directory=tmp_path,
    )
    with LocalCluster(spec) as cluster:
        for key in KEYS:
            assert ask(cluster, "n1", put(key, f"a value to find in {key}")) is not None
        await_true(lambda: len(dump(cluster, "n2")) == len(KEYS), 10, "n2 lacks copies")
        before = dump(cluster, "n2")
        node = cluster.nodes["n2"]
        node.kill()
        (store,) = [path.parent for path in tmp_path.glob(f"n2/**/store.{engine}")]
        spoil(store)
        node.start()
        if decision == "stop":
            await_true(lambda: node.state() == "dead", 20, "it runs on a damaged store")
            assert node.exit_status() == EXIT_STORAGE_DAMAGED
            assert "storage damaged" in node.log.read_text(encoding="utf-8")
        else:
            await_true(lambda: dump(cluster, "n2") == before, 20, "it was not repaired")
            assert list(store.glob("damaged-*/*"))
