"""The session of the page, with `curl` against real nodes; and clients that do not behave."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.systems_under_test.paxos.driving import THREE
from tests.systems_under_test.paxos.test_local import live
from workloads.client import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/systems/paxos.md").read_text(encoding="utf-8")
BY_HAND = PAGE.partition("### By hand")[2].partition("\n## ")[0]
PORT = re.compile(r"\b([89])00(\$i|\$j|[123])\b")


def blocks(language: str) -> str:
    return "".join(re.findall(rf"^```{language}\n(.*?)^```", BY_HAND, re.MULTILINE | re.DOTALL))


def session() -> list[tuple[list[str], str]]:
    """(words of a curl command, line that it prints), in order."""
    lines = blocks("text").replace("\\\n", " ").splitlines()
    return [
        (shlex.split(line.removeprefix("$ ")), printed)
        for line, printed in zip(lines[::2], lines[1::2], strict=True)
    ]


@pytest.fixture
def ports() -> tuple[int, int]:
    """Two bases whose next three ports are free."""
    for base in range(21_000 + os.getpid() % 997 * 8, 32_000, 8):
        try:
            for port in (*range(base + 1, base + 4), *range(base + 5, base + 8)):
                with socket.socket() as held:
                    held.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base, base + 4
    raise AssertionError("no ports are free")


@pytest.fixture
def nodes(tmp_path: Path, ports: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The nodes of the page, started as it says, on other ports."""

    def elsewhere(match: re.Match[str]) -> str:
        base = ports[0] if match[1] == "8" else ports[1]
        return f"$(({base} + {match[2].removeprefix('$')}))"

    script = PORT.sub(elsewhere, blocks("bash")).replace("/tmp/paxos", str(tmp_path))
    script = script.replace("python -P", f"{shlex.quote(sys.executable)} -P")
    running = subprocess.Popen(
        ["bash", "-c", f"{script}\nwait"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for node in (1, 2, 3):
            _await_ready(f"http://127.0.0.1:{ports[0] + node}/status")
        yield ports
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def _await_ready(url: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:  # Refused, or 503: not ready yet.
            time.sleep(0.05)
    raise AssertionError(f"{url} was never ready")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_session_prints_what_the_page_shows(nodes: tuple[int, int]) -> None:
    assert len(session()) == 11
    first: int | None = None
    for words, printed in session():
        moved = [PORT.sub(lambda m: str(nodes[0] + int(m[2])), word) for word in words]
        if first is not None:  # Elections put no-ops before the first slot of the session.
            moved = [word.replace("slot=2", f"slot={first}") for word in moved]
        done = subprocess.run(
            [*moved, "-s"], capture_output=True, text=True, timeout=10, check=True
        )
        said, shown = json.loads(done.stdout), json.loads(printed)
        if first is None:
            first = said["slot"]
        if "slot" in shown:
            shown["slot"] += first - 2
        assert said == shown, (words, done.stdout)


def test_a_redirect_leads_to_the_leader_and_its_location_can_be_followed(tmp_path: Path) -> None:
    with live(tmp_path, {"redirect": True}) as cluster:
        leader = cluster.leader()
        host, port = cluster.cluster.client_address(leader)
        other = next(node for node in THREE if node != leader)
        for request in (Request("PUT", "/kv/k", {}, b"5"), Request("GET", "/kv/k")):
            reply = cluster.ask(other, request)
            assert reply is not None
            assert reply.status == 307
            assert reply.headers["location"] == f"http://{host}:{port}/kv/k"
            assert reply.headers["x-lineal-leader"] == leader
            assert json.loads(reply.body)["definite"] is True
        eventual = cluster.ask(other, Request("GET", "/kv/k?read=eventual"))
        assert eventual is not None
        assert json.loads(eventual.body)["value"] is None


def test_half_a_body_stores_nothing_and_the_node_goes_on(tmp_path: Path) -> None:
    with live(tmp_path) as cluster:
        leader = cluster.leader()
        with socket.create_connection(cluster.cluster.client_address(leader)) as half:
            half.sendall(b"PUT /kv/k HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n[1, 2")
            half.shutdown(socket.SHUT_WR)
            half.recv(1_000)
        reply = cluster.ask(leader, Request("GET", "/kv/k"))
        assert reply is not None
        assert json.loads(reply.body)["value"] is None


def test_a_value_beyond_what_the_host_takes_is_refused_by_name(tmp_path: Path) -> None:
    with live(tmp_path) as cluster:
        leader = cluster.leader()
        answers: list[Any] = []
        for size in (1 << 20, 64 << 20):
            head = f"PUT /kv/k HTTP/1.1\r\nhost: x\r\ncontent-length: {size + 2}\r\n\r\n"
            with socket.create_connection(cluster.cluster.client_address(leader)) as client:
                client.sendall(head.encode())
                if size == 1 << 20:
                    client.sendall(b'"' + b"x" * size + b'"')
                answers.append(client.recv(4_000).split(b" ")[1])
        assert answers == [b"413", b"413"]
