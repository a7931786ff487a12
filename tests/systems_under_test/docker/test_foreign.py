"""What the Docker environment gives a system that is not ours."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Final

import pytest

from nemesis.clock import Clock as ClockNemesis
from nemesis.plan import Fault
from systems_under_test.environments.cluster import ClusterSpec, EnvironmentFailed
from systems_under_test.environments.docker.cluster import DEFAULT, DockerCluster
from systems_under_test.foreign import Adopted, ForeignCluster, ForeignNode, Image, is_foreign
from tests.systems_under_test.docker.containers import (
    left_of,
    no_compiler,
    require_docker,
    require_for_docker,
)
from tests.systems_under_test.docker.test_cluster import lines
from tests.systems_under_test.local.clusters import until
from workloads import set as set_workload

if TYPE_CHECKING:
    from pathlib import Path

    from systems_under_test.environments.docker.options import DockerOptions
    from workloads.client import Client

docker = pytest.mark.docker
live = pytest.mark.live
PORT = 8080
SERVE = f"import http.server as h; h.test(h.SimpleHTTPRequestHandler, port={PORT}, bind='0.0.0.0')"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


class Shelf:
    """Serves its files, and has a second program that does nothing."""

    name = "shelf"
    ports = (PORT,)
    claims = frozenset({"lost-element"})
    workloads: Final = {"set": set_workload.make}

    def start(self, node: ForeignNode, cluster: ForeignCluster) -> None:
        if not node.exists("names"):
            node.write("names", ",".join(cluster.nodes))
        lives = int(_text(node, "lives")) + 1 if node.exists("lives") else 1
        node.write("lives", str(lives))
        node.daemon("server", ["python3", "-c", SERVE])
        node.daemon("idler", ["python3", "-c", STUBBORN], {"SHELF": "1"})

    def ready(self, node: ForeignNode) -> bool:
        return bool(fetch(node, "names"))

    def client(self, node: ForeignNode, cluster: ForeignCluster) -> Client:
        raise NotImplementedError


def _text(node: ForeignNode, name: str) -> str:
    return node.run(["cat", node.path(name)])


def fetch(node: ForeignNode, name: str) -> str:
    """The file as its server gives it; nothing while it does not serve."""
    host, port = node.reach(PORT)
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/{name}", timeout=2) as reply:
            text: str = reply.read().decode()
            return text
    except OSError:
        return ""


def cluster_of(
    directory: Path,
    system: Any = None,
    *,
    options: DockerOptions = DEFAULT,
    needs: tuple[str, ...] = (),
    nodes: tuple[str, ...] = ("n1", "n2"),
) -> DockerCluster:
    adopted = Adopted(system or Shelf())
    spec = ClusterSpec(
        nodes=nodes,
        replica_path=adopted.path,
        options={},
        bug=None,
        engine="memory",
        seed=1,
        directory=directory,
        foreign=adopted,
    )
    return DockerCluster(spec, options, needs=needs)


@docker
@live
def test_its_programs_are_killed_paused_and_started_together(tmp_path: Path) -> None:
    require_docker()
    with cluster_of(tmp_path) as cluster:
        foreign = cluster.foreign.nodes["n1"]
        assert fetch(foreign, "names") == "n1,n2"
        node = cluster.nodes["n1"]
        node.pause()
        assert node.state() == "paused"
        node.resume()
        node.kill()
        assert (node.state(), node.incarnation()) == ("dead", 1)
        node.start()
        until(lambda: fetch(foreign, "lives") == "2", within_s=5.0)
        assert node.incarnation() == 2
        assert cluster.unprovoked_deaths() == []
        cluster.set_cut([("n1", "n2")])
        assert cluster.probe([("n1", "n2"), ("n2", "n1")]) == {
            ("n1", "n2"): False,
            ("n2", "n1"): True,
        }
    assert left_of(cluster.run_id) == []
    ends = [line for line in lines(tmp_path / "n1" / "lives.jsonl") if line["event"] == "end"]
    assert {(line["program"], line["status"]) for line in ends} == {("server", -9), ("idler", -9)}
    assert "GET /names" in (tmp_path / "n1" / "server.log").read_text()
    assert json.loads((tmp_path / "docker.json").read_text())["image"].startswith("lineal:")


@docker
@live
def test_a_node_of_which_one_program_died_is_dead_until_it_is_started(tmp_path: Path) -> None:
    require_docker()
    with cluster_of(tmp_path) as cluster:
        node = cluster.nodes["n2"]
        pid = node.supervised.ask("state")["programs"]["server"]["pid"]
        cluster.foreign.nodes["n2"].run(["sh", "-c", f"kill -9 {pid}"])
        until(lambda: node.state() == "dead")
        assert cluster.unprovoked_deaths() == ["n2"]
        node.start()
        until(lambda: fetch(cluster.foreign.nodes["n2"], "lives") == "2", within_s=5.0)
        assert node.state() == "running"


class Unready(Shelf):
    def ready(self, node: ForeignNode) -> bool:
        raise OSError("the shelf is empty")


class Misspelt(Shelf):
    def start(self, node: ForeignNode, cluster: ForeignCluster) -> None:
        node.daemon("server", ["pyhton3"])


class Unpackaged(Shelf):
    image = Image(packages=("no-such-package-anywhere",))


@docker
@live
@pytest.mark.parametrize(
    ("system", "said"),
    [
        (Unready(), r"n1 was not ready .*the shelf is empty.*its log .*server.log ends"),
        (Misspelt(), r"n1: daemon: FileNotFoundError.*pyhton3"),
        (Unpackaged(), r"apt has no no-such-package-anywhere"),
    ],
)
def test_what_it_lacks_is_told(
    tmp_path: Path, system: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_docker()
    monkeypatch.setattr("systems_under_test.environments.docker.cluster.READY_S_MAX", 1.0)
    cluster = cluster_of(tmp_path, system)
    with pytest.raises(EnvironmentFailed, match=rf"(?s){said}"):
        cluster.up()
    assert left_of(cluster.run_id) == []


def test_what_a_system_does_not_have_is_answered_for_it() -> None:
    shelf = Adopted(Shelf())
    assert is_foreign(Shelf())
    assert not is_foreign(shelf.system.workloads)
    assert (shelf.nodes_default, shelf.workload_default) == (3, "set")
    assert shelf.problems({}, ("n1",)) == []
    assert not shelf.bugs
    assert not shelf.option_docs
    assert not shelf.roles(ForeignCluster({}))
    assert shelf.image == Image()
    assert shelf.unrest(ForeignCluster({})) == []


def clocks_of(directory: Path, system: Any = None) -> DockerCluster:
    return cluster_of(directory, system, needs=("clock",))


class Clock(Shelf):
    """Writes its time into a file that it serves, again and again."""

    name = "clock"

    def start(self, node: ForeignNode, cluster: ForeignCluster) -> None:
        node.write("names", "-")
        node.daemon("server", ["python3", "-c", SERVE])
        node.daemon("ticker", ["python3", "-c", TICKS])


TICKS = (
    "import os, time\n"
    "while True:\n"
    "    open('time.new', 'w').write(str(time.time()))\n"
    "    os.replace('time.new', 'time')\n"
    "    time.sleep(0.02)\n"
)


def ahead_s(cluster: DockerCluster, node: str) -> float:
    return float(fetch(cluster.foreign.nodes[node], "time") or 0) - time.time()


@docker
@live
def test_the_wall_clocks_of_its_programs_are_moved_and_nobody_elses(tmp_path: Path) -> None:
    require_docker()
    require_for_docker(no_compiler())
    nemesis = ClockNemesis()
    fault = Fault(1, "clock", {"targets": ["n1"], "wall_offset_ns": 3600 * 10**9})
    with clocks_of(tmp_path, Clock()) as cluster:
        assert cluster.method["clock"] == "preload"
        until(lambda: abs(ahead_s(cluster, "n1")) < 60, within_s=10.0)
        injection = nemesis.inject(cluster, fault)
        assert injection.effect == "applied", injection
        until(lambda: 3500 < ahead_s(cluster, "n1") < 3700, within_s=10.0)
        assert abs(ahead_s(cluster, "n2")) < 60
        cluster.nodes["n1"].kill()
        cluster.nodes["n1"].start()
        until(lambda: 3500 < ahead_s(cluster, "n1") < 3700, within_s=10.0)
        assert nemesis.heal(cluster, fault).effect == "healed"
        until(lambda: abs(ahead_s(cluster, "n1")) < 60, within_s=10.0)


class Silent(Shelf):
    """Never asks for the time."""

    name = "silent"

    def start(self, node: ForeignNode, cluster: ForeignCluster) -> None:
        node.daemon("idler", ["sh", "-c", "read line < /dev/zero"])

    def ready(self, node: ForeignNode) -> bool:
        return True


class Fixed(Shelf):
    """Starts a program that no library can be loaded into."""

    name = "fixed"

    def start(self, node: ForeignNode, cluster: ForeignCluster) -> None:
        node.daemon("cache", ["/sbin/ldconfig"])


@docker
@live
def test_a_clock_that_nobody_asks_is_not_moved_and_says_so(tmp_path: Path) -> None:
    require_docker()
    require_for_docker(no_compiler())
    fault = Fault(1, "clock", {"targets": ["n1"], "wall_offset_ns": 3600 * 10**9})
    with clocks_of(tmp_path, Silent()) as cluster:
        assert ClockNemesis().inject(cluster, fault).effect == "ineffective"


@docker
@live
def test_a_program_whose_clock_cannot_be_moved_is_told_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    require_docker()
    require_for_docker(no_compiler())
    with pytest.raises(EnvironmentFailed, match="no clock faults: /sbin/ldconfig is statically"):
        clocks_of(tmp_path, Fixed()).up()
