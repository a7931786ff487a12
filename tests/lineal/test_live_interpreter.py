"""The live interpreter: hard deadlines, retired processes, events before actions."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from checker.history.columns import History
from checker.history.events import NEMESIS
from lineal.recorder import Recorder
from tests.lineal.echo import EchoClient, RecordingNemesis, echo_world
from workloads.client import Client, Completion
from workloads.generators import limit, on_clients, on_nemesis, phases, repeat
from workloads.invocations import Invocation, invoke

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


def test_every_operation_is_recorded_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with Recorder(path) as recorder:
        world = echo_world(recorder)
        with contextlib.closing(world):
            world.run(on_clients(limit(200, repeat(invoke("echo", 7)))))
    history = History.read(path)
    assert len(history) == 200
    assert all(op.outcome == "ok" and op.output == 7 for op in history)
    assert {op.node for op in history} <= {"n1", "n2", "n3"}


def test_a_client_that_raises_leaves_an_open_operation_and_a_new_process(tmp_path: Path) -> None:
    class Raising(EchoClient):
        def invoke(self, invocation: Invocation, request_id: str, timeout_s: float) -> Completion:
            raise RuntimeError("the wire is cut")

    with Recorder(tmp_path / "history.jsonl") as recorder:
        world = echo_world(recorder, clients=1, connect=Raising)
        with contextlib.closing(world):
            world.run(on_clients(limit(3, repeat(invoke("echo")))))
    operations = list(History.read(tmp_path / "history.jsonl"))
    assert [op.outcome for op in operations] == ["info"] * 3
    assert [op.process for op in operations] == [0, 1, 2]
    assert "the wire is cut" in str(operations[0].error)


def test_a_hung_client_is_given_up_and_its_late_answer_dropped(tmp_path: Path) -> None:
    release = threading.Event()

    class Hanging(EchoClient):
        def invoke(self, invocation: Invocation, request_id: str, timeout_s: float) -> Completion:
            if invocation.input == "hang":
                release.wait(30)
            return Completion("ok", output=invocation.input)

    connect: type[Client] = Hanging
    with Recorder(tmp_path / "history.jsonl") as recorder:
        world = echo_world(recorder, clients=1, connect=connect, timeout_ns=50_000_000)
        with contextlib.closing(world):
            world.run(on_clients(phases(invoke("echo", "hang"), invoke("echo", "next"))))
            release.set()
    operations = list(History.read(tmp_path / "history.jsonl"))
    assert [(op.input, op.outcome) for op in operations] == [("hang", "info"), ("next", "ok")]
    assert "deadline" in str(operations[0].error)
    assert operations[1].process == 1


def test_a_pure_operation_that_may_have_happened_fails_and_its_process_lives_on(
    tmp_path: Path,
) -> None:
    class Silent(EchoClient):
        def invoke(self, invocation: Invocation, request_id: str, timeout_s: float) -> Completion:
            return Completion("info", error="timed out")

    with Recorder(tmp_path / "history.jsonl") as recorder:
        world = echo_world(recorder, clients=1, connect=Silent, pure=frozenset({"read"}))
        with contextlib.closing(world):
            world.run(on_clients(limit(2, repeat(invoke("read")))))
    operations = list(History.read(tmp_path / "history.jsonl"))
    assert [(op.process, op.outcome) for op in operations] == [(0, "fail"), (0, "fail")]


def test_faults_are_numbered_and_healed_by_number(tmp_path: Path) -> None:
    nemesis = RecordingNemesis()
    with Recorder(tmp_path / "history.jsonl") as recorder:
        world = echo_world(recorder, nemesis=nemesis)
        with contextlib.closing(world):
            first = on_nemesis(phases(invoke("nothing", {}), invoke("nothing", {})))
            world.run(first)
            assert sorted(world.desk.faults) == [1, 2]
            world.run(on_nemesis(invoke("heal", {"fault": 2})))
            assert sorted(world.desk.faults) == [1]
    assert nemesis.asked == [("inject", 1), ("inject", 2), ("heal", 2)]
    events = History.read(tmp_path / "history.jsonl").nemesis()
    assert [event.fault for event in events] == [1, 1, 2, 2, 2, 2]
    assert {event.process for event in events} == {NEMESIS}


def test_an_event_is_in_the_file_before_it_is_acted_on(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    seen: list[str] = []

    class Looking(EchoClient):
        def invoke(self, invocation: Invocation, request_id: str, timeout_s: float) -> Completion:
            seen.append(path.read_text(encoding="utf-8").splitlines()[-1])
            return Completion("ok")

    with Recorder(path) as recorder:
        world = echo_world(recorder, clients=1, connect=Looking)
        with contextlib.closing(world):
            world.run(on_clients(invoke("look", "here")))
    assert len(seen) == 1
    assert '"invoke"' in seen[0]
    assert '"here"' in seen[0]
