from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.http_client import HttpClient
from systems_under_test.host.incarnation import next_incarnation, read_incarnation
from systems_under_test.host.options import _EXAMPLES, ENGINES
from tests.systems_under_test.host.process import ROOT, TALLY, HostProcess, host
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


def test_help_shows_examples() -> None:
    said = subprocess.run(
        [sys.executable, "-P", "-m", "systems_under_test.host", "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "curl" in said
    assert "exit status" in said


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_the_first_example_of_the_help_does_what_it_says(tmp_path: Path) -> None:
    text = _EXAMPLES.partition("terminal:\n")[2].partition("\n\n")[0].replace("\\\n", " ")
    start, *asks = [shlex.split(line) for line in text.splitlines()]
    arguments = [str(tmp_path / "n1") if word == "/tmp/n1" else word for word in start[4:]]
    arguments[arguments.index("--client") + 1] = "127.0.0.1:0"
    assert start[:4] == ["python", "-P", "-m", "systems_under_test.host"]
    with host(tmp_path / "unused", *arguments) as running:
        port = str(running.wait_ready()[1])
        for ask in asks:
            assert ask[:2] == ["curl", "-i"]
            heard = subprocess.run(
                [word.replace("8001", port) for word in ask],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            assert heard.startswith("HTTP/1.1 2")
        assert heard.endswith("42")


def test_a_commit_that_fails_ends_the_node_before_any_effect_leaves(tmp_path: Path) -> None:
    with host(tmp_path / "n1") as running:
        client = HttpClient(running.wait_ready())
        small = 64 * 1024  # Of every file that it writes: the log stays far below.
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (small, small))
        counted = 0
        for _ in range(1_000):
            reply = client.call(Request("POST", "/add"), 5)
            if not isinstance(reply, Reply):
                break
            counted = json.loads(reply.body)
        client.close()
        assert running.wait_end() == 74
        assert "commit failed: no effect of the batch leaves" in running.said().splitlines()[-1]
    with host(tmp_path / "n1") as running:
        client = HttpClient(running.wait_ready())
        after = client.call(Request("POST", "/add"), 5)
        client.close()
        assert isinstance(after, Reply)
        assert 0 < counted < 1_000
        assert json.loads(after.body) in (counted + 1, counted + 2)


def test_a_node_ends_when_told_and_starts_again_on_what_it_had(tmp_path: Path) -> None:
    for life in (1, 2):
        with host(tmp_path / "n1") as running:
            client = HttpClient(running.wait_ready())
            reply = client.call(Request("POST", "/add"), 5)
            assert isinstance(reply, Reply)
            assert json.loads(reply.body) == life
            client.close()
            assert running.end() == 0
            assert f"n1/{life} started" in running.said()


def test_the_memory_engine_forgets_and_counts_its_lives(tmp_path: Path) -> None:
    for life in (1, 2):
        with host(tmp_path / "n1", "--engine", "memory") as running:
            client = HttpClient(running.wait_ready())
            counted = client.call(Request("POST", "/add"), 5)
            lived = client.call(Request("GET", "/incarnation"), 5)
            client.close()
            assert isinstance(counted, Reply)
            assert isinstance(lived, Reply)
            assert (json.loads(counted.body), json.loads(lived.body)) == (1, life)


def test_ctrl_c_ends_a_node_quietly(tmp_path: Path) -> None:
    with host(tmp_path / "n1") as running:
        running.wait_ready()
        running.process.send_signal(signal.SIGINT)
        assert running.wait_end() == 0
        assert "Traceback" not in running.said()


def test_options_seed_and_bug_reach_the_replica(tmp_path: Path) -> None:
    drawn = []
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        arguments = ("--seed", seed, "--option", "w=2", "--bug", "some-bug")
        with host(tmp_path / name, *arguments) as running:
            running.wait_ready()
            (line,) = [line for line in running.said().splitlines() if " started " in line]
        assert 'options={"w":2} bug="some-bug"' in line
        drawn.append(line.split("drawn=")[1])
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with host(tmp_path / "n1", "--client", f"127.0.0.1:{port}") as running:
            assert running.wait_end() == 69
            assert f"cannot listen for clients on 127.0.0.1:{port}" in running.said()
    assert read_incarnation(tmp_path / "n1") == 0, "a start that could not be counts as none"


PAXOS = (
    *("--replica", "systems_under_test.paxos.replica:make_replica", "--nodes", "n1,n2,n3"),
    *("--peer", "n2=127.0.0.1:1", "--peer", "n3=127.0.0.1:1"),
)


def votes(running: HostProcess) -> tuple[int, str]:
    """Under which id a Paxos replica votes, and why it does not."""
    client = HttpClient(running.wait_ready())
    reply = client.call(Request("GET", "/status"), 5)
    client.close()
    assert isinstance(reply, Reply)
    page = json.loads(reply.body)
    return page["replica"], page["no_vote"]


def test_a_life_that_died_before_it_had_begun_is_no_past(tmp_path: Path) -> None:
    next_incarnation(tmp_path / "n1")  # Counted, and killed before anything was stored.
    with host(tmp_path / "n1", *PAXOS) as running:
        assert votes(running) == (1, "")
        assert read_incarnation(tmp_path / "n1") == 2


@pytest.mark.parametrize("engine", ENGINES)
def test_a_store_lost_after_a_life_has_begun_votes_no_more(tmp_path: Path, engine: str) -> None:
    with host(tmp_path / "n1", *PAXOS, "--engine", engine) as running:
        assert votes(running) == (1, "")
    for path in (tmp_path / "n1").glob("store.*"):
        path.unlink()
    with host(tmp_path / "n1", *PAXOS, "--engine", engine) as running:
        replica, why = votes(running)
        assert replica == 0
        assert "finds no vote of its earlier lives" in why
        assert "no-vote" in running.said()


@pytest.mark.parametrize(
    ("replica", "word"),
    [
        ("no.such.module:f", "No module named"),
        ("json:no_such", "no_such"),
        ("json", "module:function"),
        ("json:__name__", "not a function"),
    ],
)
def test_a_replica_that_cannot_be_found_is_named(tmp_path: Path, replica: str, word: str) -> None:
    with host(tmp_path / "n1", "--replica", replica) as running:
        assert running.wait_end() == 64
        assert replica in running.said()
        assert word in running.said()
        assert not (tmp_path / "n1").exists()


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with host(tmp_path / "file" / "n1") as running:
        assert running.wait_end() == 73
        assert "cannot be used" in running.said()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "replica",
    [
        TALLY,
        "systems_under_test.paxos.replica:make_replica",
        "systems_under_test.dynamo.replica:make_replica",
    ],
)
def test_a_second_start_changes_nothing_and_counts_no_life(
    tmp_path: Path, engine: str, replica: str
) -> None:
    asked = ("--engine", engine, "--replica", replica)
    with host(tmp_path / "n1", *asked) as first:
        first.wait_ready()
        before = sorted(path.name for path in (tmp_path / "n1").iterdir())
        with host(tmp_path / "n1", *asked) as second:
            assert second.wait_end() == 73
            assert "another process uses it" in second.said()
        assert read_incarnation(tmp_path / "n1") == 1
        assert sorted(path.name for path in (tmp_path / "n1").iterdir()) == before
        assert first.end() == 0
    with host(tmp_path / "n1", *asked) as third:
        third.wait_ready()
        assert read_incarnation(tmp_path / "n1") == 2


def test_nothing_is_read_before_the_directory_is_held(tmp_path: Path) -> None:
    """What another process is writing must not be taken for damage and set aside."""
    with host(tmp_path / "n1") as first:
        first.wait_ready()
        (tmp_path / "n1" / "store.pages").write_bytes(b"half a file")
        asked = ("--replica", "systems_under_test.paxos.replica:make_replica")
        with host(tmp_path / "n1", *asked) as second:
            assert second.wait_end() == 73
        assert not list((tmp_path / "n1").glob("damaged-*"))


def test_damaged_storage_is_told_and_not_started_on(tmp_path: Path) -> None:
    with host(tmp_path / "n1") as running:
        running.wait_ready()
    (tmp_path / "n1" / "incarnation").write_text("garbage")
    with host(tmp_path / "n1") as running:
        assert running.wait_end() == 65
        assert "is no number of starts" in running.said()


def test_what_a_node_imports_has_nothing_of_the_judges() -> None:
    program = (
        "import sys, systems_under_test.host.node, systems_under_test.host.sqlite\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    said = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    strangers = {"checker", "workloads", "nemesis", "lineal", "reports", "docker", "jinja2"}
    assert not strangers & set(said)
