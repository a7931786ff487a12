"""Conversations carried out: enough answers end a round, late ones are dropped, time-outs hold."""

from __future__ import annotations

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from lineal.definition import standard
from lineal.interpreters.conversing import SimulatedTalk, TalkingClient
from lineal.running import run
from systems_under_test.environments.http_client import HttpClient
from tests.systems_under_test.dynamo.driving import MILLISECOND, Drive
from workloads.client import Completion, Reply, Request
from workloads.conversation import Answers, Conversation, Round
from workloads.invocations import Invocation, invoke

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATUS = Request("GET", "/status")


def asking(*rounds: Round) -> Conversation:
    """Ask these rounds, and complete with who replied in each."""
    replied: list[list[str]] = []
    for one in rounds:
        answers: Answers = yield one
        replied.append(sorted(node for node, it in answers.items() if isinstance(it, Reply)))
    return Completion("ok", replied)


def simulated(drive: Drive, conversation: Conversation, timeout_ms: int = 2000) -> list[Completion]:
    done: list[Completion] = []
    deadline = drive.cluster.now + timeout_ms * MILLISECOND
    talk = SimulatedTalk(drive.cluster, conversation, deadline, done.append)
    drive.cluster.at(drive.cluster.now, talk.begin)
    return done


def test_a_round_is_over_when_enough_have_replied() -> None:
    drive = Drive()
    drive.cluster.nodes["n2"].pause()
    asked = dict.fromkeys(("n1", "n2", "n3"), STATUS)
    done = simulated(drive, asking(Round(asked, 2), Round({"n1": STATUS}, 1)))
    drive.wait(100)
    assert [completion.output for completion in done] == [[["n1", "n3"], ["n1"]]]
    drive.cluster.nodes["n2"].resume()
    drive.wait(3000)
    assert len(done) == 1


def test_a_round_of_which_too_few_reply_is_over_when_all_have_ended() -> None:
    drive = Drive()
    drive.cluster.nodes["n1"].kill()
    drive.cluster.nodes["n2"].pause()
    done = simulated(drive, asking(Round(dict.fromkeys(("n1", "n2", "n3"), STATUS), 2)), 500)
    drive.wait(400)
    assert done == []
    drive.wait(200)
    assert [completion.output for completion in done] == [[["n3"]]]


class Talking:
    """A codec whose every operation asks all nodes for their status."""

    def __init__(self, nodes: tuple[str, ...], enough: int) -> None:
        self.nodes = nodes
        self.enough = enough
        self.memories: list[int] = []

    def converse(
        self,
        invocation: Invocation,
        request_id: str,
        *,
        node: str,
        memory: dict[str, Any],
        now: int,
    ) -> Conversation:
        self.memories.append(memory.setdefault("operations", 0))
        memory["operations"] += 1
        return asking(Round(dict.fromkeys(self.nodes, STATUS), self.enough))


@contextlib.contextmanager
def answering(delay_s: float) -> Iterator[int]:
    """A server that answers every request after so many seconds; its port."""

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(delay_s)
            with contextlib.suppress(OSError):
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.live
def test_a_live_client_asks_side_by_side_and_keeps_its_time_out() -> None:
    with answering(0.0) as quick, answering(0.6) as slow:
        ports = {"quick": quick, "slow": slow}
        codec = Talking(("quick", "slow"), 1)
        client = TalkingClient(codec, "quick", lambda n: HttpClient(("127.0.0.1", ports[n])))
        for _ in range(3):
            assert client.invoke(invoke("get", key="k"), "r", 5.0).output == [["quick"]]
        assert codec.memories == [0, 1, 2]
        codec.enough = 2
        assert client.invoke(invoke("get", key="k"), "r", 0.3).output == [["quick"]]
        assert client.invoke(invoke("get", key="k"), "r", 5.0).output == [["quick", "slow"]]
        client.close()


@pytest.mark.live
def test_a_live_run_by_clients_that_know_the_ring_keeps_the_promises(tmp_path: Path) -> None:
    test = standard(
        system="dynamo",
        environment="local",
        faults="partition",
        options={"client": "partition-aware"},
        time_limit_s=5.0,
        seed=1,
    )
    outcome = run(test, runs=tmp_path, report=False)
    assert outcome.judgement.status == "valid", outcome.judgement.explain()
