"""The control of a node: clocks are answered at once, whatever the loop waits for."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from systems_under_test.host.clock import ClockSetting, NodeClock
from systems_under_test.host.control import LINE_BYTES_MAX, Control

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Pipes:
    def __init__(self) -> None:
        self.requests, self.ask = os.pipe()
        self.answer, self.answers = os.pipe()

    def send(self, *lines: bytes) -> None:
        os.write(self.ask, b"".join(lines))

    def received(self) -> list[Mapping[str, Any]]:
        return [msgspec.json.decode(line) for line in os.read(self.answer, 65_536).splitlines()]

    def control(self) -> Control:
        async def later(request: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"said": request["say"]}

        return Control(
            requests=self.requests,
            answers=self.answers,
            acts={"later": later},
            prompt_acts={"clock": lambda request: {"at": time.monotonic() + request["add"]}},
        )


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes()
    yield made
    os.close(made.ask)
    made.ask = -1
    for thread in threading.enumerate():
        if "_read" in thread.name:  # It reads to the end, and must not find the pipe closed.
            thread.join(5)
    for end in (made.ask, made.requests, made.answer, made.answers):
        os.close(end) if end >= 0 else None


def test_a_clock_is_answered_while_the_loop_waits_for_the_disk(pipes: Pipes) -> None:
    async def node() -> None:
        serving = asyncio.create_task(pipes.control().serve())
        await asyncio.sleep(0.01)
        began = time.monotonic()
        pipes.send(b'{"id": 1, "do": "clock", "add": 0}\n{"id": 2, "do": "later", "say": "x"}\n')
        time.sleep(0.4)  # noqa: ASYNC251 - as a slow commit does
        (clock,) = pipes.received()
        assert clock["id"] == 1
        assert clock["at"] - began < 0.3
        await asyncio.sleep(0.05)
        assert pipes.received() == [{"id": 2, "said": "x"}]
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        pipes.send(b"\n")

    asyncio.run(node())


def test_what_it_does_not_understand_is_said_and_a_line_without_end_ends_it(pipes: Pipes) -> None:
    async def node() -> None:
        serving = asyncio.create_task(pipes.control().serve())
        pipes.send(b'no JSON\n{"id": 3, "do": "clock"}\n{"id": 4, "do": "fly"}\n')
        await asyncio.sleep(0.1)
        answers = pipes.received()
        assert [answer["id"] for answer in answers] == [None, 3, 4]
        assert all("error" in answer for answer in answers)
        await asyncio.to_thread(pipes.send, b"x" * (LINE_BYTES_MAX + 65_536))
        await asyncio.wait_for(serving, 5)

    asyncio.run(node())


def test_a_clock_that_another_thread_slows_down_never_goes_back() -> None:
    clock, ended = NodeClock(), threading.Event()

    def strobe() -> None:
        while not ended.is_set():
            for rate_ppm in (900_000, -900_000):
                clock.set(ClockSetting(rate_ppm=rate_ppm))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=strobe)
    thread.start()
    try:
        last, until = 0, time.monotonic() + 0.3
        while time.monotonic() < until:
            now = clock.now().mono
            assert now >= last
            last = now
    finally:
        ended.set()
        thread.join()
        sys.setswitchinterval(before)
