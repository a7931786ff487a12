"""Real processes on loopback: flipped bits, lost disks, the archive, repair while writes go on."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from lineal.definition import standard
from lineal.running import run
from systems_under_test.environments.http_client import HttpClient
from tests.systems_under_test.host.bucket import bucket
from tests.systems_under_test.paxos.driving import THREE, put
from tests.systems_under_test.paxos.test_local import Live
from tests.systems_under_test.paxos.test_local import live as local
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from systems_under_test.environments.cluster import DamageKind

pytestmark = pytest.mark.live

FOUR = (*THREE, "n4")
WHOLE_S = 20.0
STANDS_IN_S = 10.0


class Writer:
    """Writes through one node, one request after another, until it is told to stop."""

    def __init__(self, live: Live, node: str) -> None:
        self._client = HttpClient(live.cluster.client_address(node))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.acknowledged: list[int] = []
        self.longest_s = 0.0
        """The longest time between two acknowledged writes."""

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)
        self._client.close()

    def _run(self) -> None:
        last, number = time.monotonic(), 0
        while not self._stop.is_set():
            number += 1
            reply = self._client.call(put(f"w{number}", number), 5)
            if isinstance(reply, Reply) and reply.status == 200:
                self.acknowledged.append(number)
                self.longest_s = max(self.longest_s, time.monotonic() - last)
                last = time.monotonic()


def until(holds: Callable[[], bool], within_s: float) -> float:
    """Wait until it holds; the seconds that it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, f"not within {within_s} s"
        time.sleep(0.05)
    return time.monotonic() - began


def votes_as(live: Live, node: str, replica: int) -> bool:
    status = live.status(node)
    return status is not None and status["replica"] == replica


def members(live: Live, node: str) -> set[str]:
    status = live.status(node)
    return set() if status is None else {name for name, _, _ in status["group"]["members"]}


def answer(live: Live, node: str, request: Request) -> tuple[int, Any]:
    reply = live.ask(node, request)
    assert reply is not None
    return reply.status, msgspec.json.decode(reply.body)


@pytest.mark.parametrize("kind", ["flip", "truncate", "lost"])
def test_a_damaged_or_lost_disk_is_whole_again_while_writes_go_on(
    kind: DamageKind, tmp_path: Path
) -> None:
    with local(tmp_path, {"checkpoint_slots": 50}) as live:
        leader = live.leader()
        victim = next(node for node in THREE if node != leader)
        for n in range(300):
            assert live.ask(leader, put(f"k{n}", "x" * 100)) is not None
        with Writer(live, leader) as writer:
            node = live.cluster.nodes[victim]
            node.kill()
            assert node.damage_disk(kind)["file"]
            node.start()
            took = until(lambda: votes_as(live, victim, 4), WHOLE_S)
        print(f"{kind}: votes again after {took:.1f} s; no write took {writer.longest_s:.2f} s")
        assert writer.longest_s < 5.0
        status = live.status(victim)
        assert status is not None
        assert bool(status["damage"]) == (kind != "lost")
        last = writer.acknowledged[-1]

        def caught_up() -> bool:
            return f"w{last}" in answer(live, victim, Request("GET", "/dump"))[1]["keys"]

        until(caught_up, WHOLE_S)
        keys = answer(live, victim, Request("GET", "/dump"))[1]["keys"]
        assert {f"w{n}" for n in writer.acknowledged} <= keys.keys()
        assert {f"k{n}" for n in range(300)} <= keys.keys()


def test_a_log_replica_stands_in_within_seconds_while_writes_go_on(
    tmp_path: Path,
) -> None:
    with local(tmp_path, {"log_replicas": 1, "replace_after_ms": 1_000}, FOUR) as live:
        leader = live.leader()
        victim = next(node for node in THREE if node != leader)
        with Writer(live, leader) as writer:
            live.cluster.nodes[victim].kill()
            took = until(lambda: members(live, leader) == {*FOUR} - {victim}, STANDS_IN_S)
        print(f"stands in after {took:.1f} s; no write took {writer.longest_s:.2f} s")
        assert writer.longest_s < 3.0
        last = next(node for node in THREE if node not in (leader, victim))
        live.cluster.nodes[last].kill()
        assert live.until_written((leader,), 10) < 10, "with the log replica alone beside it"


@pytest.fixture(params=["directory", "bucket"])
def objects(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str | None]:
    if request.param == "directory":
        yield None
    else:
        with bucket(monkeypatch):
            yield "s3://archive/paxos"


def test_backup_restore_and_scrub_by_http(tmp_path: Path, objects: str | None) -> None:
    options = {"archive": "on", "archive_every_ms": 200, "checkpoint_slots": 50}
    with local(tmp_path, options, objects=objects) as live:
        leader = live.leader()
        for n in range(100):
            live.ask(leader, put(f"k{n}", n))
        moment = time.time_ns() // 1_000_000
        time.sleep(0.02)
        assert answer(live, leader, put("later", 1))[0] == 200
        assert answer(live, leader, Request("POST", "/admin/backup"))[0] == 200
        slot = live.status(leader)["last"]  # type: ignore[index]
        until(lambda: live.status(leader)["archive"]["slot"] >= slot, 10)  # type: ignore[index]
        for node in THREE:
            request = Request("POST", f"/admin/restore?to={moment}")
            status, content = answer(live, node, request)
            assert (status, content.get("error")) == (200, None)
            content["keys"].pop("probe")
            assert content["keys"] == {f"k{n}": n for n in range(100)}

        def scrub() -> dict[str, Any]:
            before = live.status(leader)["scrub"]  # type: ignore[index]
            assert answer(live, leader, Request("POST", "/admin/scrub"))[0] == 200
            until(lambda: live.status(leader)["scrub"] != before, 15)  # type: ignore[index]
            report: dict[str, Any] = live.status(leader)["scrub"]  # type: ignore[index]
            return report

        report = scrub()
        assert report["compared"] == ["archive", *THREE]
        assert (report["differences"], report["damage"]) == (0, {})
        victim = next(node for node in THREE if node != leader)
        live.cluster.nodes[victim].kill()
        live.cluster.nodes[victim].start()  # Takes its log into the database.
        until(lambda: live.status(victim) is not None, 10)
        live.leader()
        database = live.directory / victim / "data" / "store.sqlite"
        with database.open("r+b") as file:
            file.seek(4096 + 2000)
            (byte,) = file.read(1)
            file.seek(4096 + 2000)
            file.write(bytes([byte ^ 8]))
        report = scrub()
        assert list(report["damage"]) == [victim]
        assert any("store.sqlite: page 2" in line for line in report["damage"][victim])


@pytest.mark.parametrize("faults", ["disk:flip", "disk:lost", "disk:truncate"])
def test_a_local_run_under_damage_is_linearizable(faults: str, tmp_path: Path) -> None:
    test = standard(system="paxos", environment="local", faults=faults, time_limit_s=8.0, seed=5)
    judgement = run(test, runs=tmp_path, report=False).judgement
    assert "linearizable" in judgement.promises.claims
    assert judgement.status == "valid", judgement.explain()
