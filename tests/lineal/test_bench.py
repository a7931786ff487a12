"""`lineal bench`: closed-loop clients count what is answered, and the tables say so."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
from pathlib import Path

import pytest

from lineal import registry
from lineal.bench import clients, containers, live, simulated
from lineal.bench.load import Asked, Load
from lineal.bench.systems import BENCHMARKS
from lineal.cli.main import main
from systems_under_test.environments.cluster import ClusterSpec, EnvironmentFailed
from systems_under_test.environments.local.cluster import LocalCluster
from tests.systems_under_test.docker.containers import require_docker

PAGES = Path(__file__).parents[2] / "docs/systems"
CELL = r"\| {} \| ([0-9,]+) \| {:,} \|"


async def _answering(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, replies: list[bytes]
) -> None:
    """Answer request after request, each in two pieces."""
    while await reader.readuntil(b"\r\n\r\n"):
        await reader.readexactly(2)
        reply = replies.pop(0) if replies else b"200 OK"
        writer.write(b"HTTP/1.1 " + reply + b"\r\nContent-Le")
        await asyncio.sleep(0.001)
        writer.write(b"ngth: 3\r\n\r\nyes")


async def _driven(replies: list[bytes]) -> tuple[int, int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _answering(reader, writer, replies)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()[:2]
    load = Load(
        asked=Asked(name="puts", method="PUT", target="/{key}", body="hi"),
        addresses=[address],
        clients=3,
        keys=10,
        warm_up_s=0.0,
        measured_s=0.3,
    )
    found = await clients.drive(load)
    server.close()
    return found.acknowledged, found.refused


@pytest.mark.live
def test_clients_count_what_was_acknowledged_and_what_was_refused_apart() -> None:
    acknowledged, refused = asyncio.run(_driven([b"503 Busy"] * 4))
    assert refused == 4
    assert acknowledged >= 10


@pytest.mark.live
@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_table_of_a_system_has_a_figure_for_each_load(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineal.cli.bench_command.OPERATIONS", 200)
    assert main(["bench", name, "--seconds", "0.5"]) == 0
    table = capsys.readouterr().out
    for row, target in BENCHMARKS[name].targets.items():
        row = f"simulated, {BENCHMARKS[name].simulated_nodes} nodes" if row == "simulated" else row
        found = re.search(CELL.format(re.escape(row), target), table)
        assert found is not None, table
        assert int(found[1].replace(",", "")) > 0
    assert "refused" not in table


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_simulation_is_driven_until_so_many_are_answered(name: str) -> None:
    benchmark = BENCHMARKS[name]
    system = registry.system(name)
    done = simulated.measure(system, {}, benchmark.kinds, nodes=3, operations=100)
    assert done.acknowledged == 100
    assert done.cpu_s > 0


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_page_of_a_system_tells_its_figures(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    for row in BENCHMARKS[name].targets:
        assert re.search(rf"^\| {row}.*\|$", page, re.MULTILINE), row


@pytest.mark.live
def test_direct_links_can_be_probed_and_not_cut(tmp_path: Path) -> None:
    paxos = registry.system("paxos")
    spec = ClusterSpec(
        nodes=("n1", "n2", "n3"),
        replica_path=paxos.replica_path,
        options={},
        bug=None,
        engine="memory",
        seed=1,
        directory=tmp_path,
    )
    with LocalCluster(spec, direct=True) as cluster:
        assert "partition" not in cluster.capabilities
        assert all(cluster.probe([("n1", "n2"), ("n2", "n1")]).values())
        with pytest.raises(EnvironmentFailed, match="direct"):
            cluster.set_cut([("n1", "n2")])


def test_a_process_is_billed_its_own_processor_time() -> None:
    before = live.cpu_s_of(os.getpid())
    sum(n * n for n in range(3_000_000))
    assert live.cpu_s_of(os.getpid()) > before


def test_the_proxy_is_measured_beside_the_direct_way() -> None:
    direct, proxied = asyncio.run(containers.round_trips())
    assert len(direct) == len(proxied) == containers.TURNS * containers.PINGS
    assert statistics.median(proxied) > statistics.median(direct)


@pytest.mark.live
@pytest.mark.docker
def test_containers_are_timed_up_down_cut_and_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    require_docker()
    monkeypatch.setattr(containers, "METHODS", {"sidecar": ""})
    monkeypatch.setattr(containers, "PROXY", "sidecar")
    measure = containers.measure
    monkeypatch.setattr(containers, "measure", lambda method: measure(method, clusters=1, cuts=2))
    rows = [line.split("|")[1:-1] for line in containers.table()]
    named = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
    assert named["ready, sidecar"][2] == "5,000 ms"
    assert named["gone, sidecar"][2] == "3,000 ms"
    assert named["cut in halves, sidecar"][2] == "150 ms"
    assert named["added by the proxy"][2] == "0.50 ms"
    assert all(re.fullmatch(r"[\d.,]+ ms", named[name][0]) for name in list(named)[2:])
