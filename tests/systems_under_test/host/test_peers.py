"""Links between hosts, in one process, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import io
from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.host import frames, peers
from systems_under_test.host.clock import NodeClock
from systems_under_test.host.frames import PROTOCOL_VERSION, FrameSplitter, Kind, pack
from systems_under_test.host.log import NodeLog
from systems_under_test.host.peers import Link
from systems_under_test.host.welcome import PeerServer
from systems_under_test.replica import PeerMessage, Place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.live

PLACE = Place("n2", ("n1", "n2", "n3"))


class Inbox:
    def __init__(self) -> None:
        self.got: list[PeerMessage] = []
        self._came = asyncio.Event()

    def offer(self, event: PeerMessage) -> bool:
        self.got.append(event)
        self._came.set()
        return True

    async def wait_for(self, count: int) -> list[Any]:
        async with asyncio.timeout(5):
            while len(self.got) < count:
                self._came.clear()
                await self._came.wait()
        return [event.body for event in self.got]


def log() -> NodeLog:
    return NodeLog(io.StringIO(), node="n", clock=NodeClock())


@contextlib.asynccontextmanager
async def receiver(
    incarnation: int, port: int = 0
) -> AsyncIterator[tuple[PeerServer, Inbox, tuple[str, int]]]:
    inbox = Inbox()
    server = PeerServer(place=PLACE, incarnation=incarnation, inbox=inbox, log=log())
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(server.connection, "127.0.0.1", port)
    try:
        yield server, inbox, listening.sockets[0].getsockname()[:2]
    finally:
        listening.close()
        server.close()
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def link(
    address: tuple[str, int], *, to: str = "n2", node: str = "n1"
) -> AsyncIterator[Link]:
    made = Link(node=node, incarnation=5, to=to, address=address, log=log())
    task = asyncio.create_task(made.keep_connected())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if made._connection is not None:
            made._connection.close()


def test_messages_arrive_in_order_with_sender_and_its_incarnation() -> None:
    async def scene() -> None:
        async with receiver(3) as (_, inbox, address), link(address) as made:
            assert await made.probe(5)
            for n in range(500):
                made.send({"n": n, "bytes": b"\x00\xff", "none": None})
            got = await inbox.wait_for(500)
            assert got == [{"n": n, "bytes": b"\x00\xff", "none": None} for n in range(500)]
            assert {(m.sender, m.incarnation) for m in inbox.got} == {("n1", 5)}

    asyncio.run(scene())


def test_a_message_before_the_first_greeting_is_lost_and_counted() -> None:
    async def scene() -> None:
        async with receiver(1) as (_, inbox, address), link(address) as made:
            made.send("too early")
            assert await made.probe(5)
            made.send("in time")
            assert await inbox.wait_for(1) == ["in time"]
            assert made.counters["dropped_unmet"] == 1

    asyncio.run(scene())


def test_a_message_that_is_too_long_is_lost_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "PAYLOAD_BYTES_MAX", 1_000)

    async def scene() -> None:
        async with receiver(1) as (_, inbox, address), link(address) as made:
            assert await made.probe(5)
            made.send(b"x" * 1_001)
            made.send("short")
            assert await inbox.wait_for(1) == ["short"]
            assert made.counters["dropped_too_long"] == 1

    asyncio.run(scene())


def test_a_message_sent_to_an_earlier_life_does_not_reach_the_next() -> None:
    async def scene() -> None:
        async with receiver(1) as (_, first, address), link(address) as made:
            assert await made.probe(5)
            made.send("to life 1")
            await first.wait_for(1)
        async with link(address) as made:
            async with receiver(1, address[1]):
                assert await made.probe(5)
            await asyncio.sleep(0.05)
            made.send("while life 1 lies dead")
            async with receiver(2, address[1]) as (_, second, _address):
                assert await made.probe(5)
                made.send("to life 2")
                assert await second.wait_for(1) == ["to life 2"]
            assert made.counters["dropped_outlived"] == 1

    asyncio.run(scene())


def test_a_message_of_a_lost_moment_reaches_the_same_life() -> None:
    async def scene() -> None:
        async with receiver(1) as (server, inbox, address), link(address) as made:
            assert await made.probe(5)
            server.close()
            await asyncio.sleep(0)
            await asyncio.sleep(0.005)
            made.send("kept")
            assert await inbox.wait_for(1) == ["kept"]

    asyncio.run(scene())


def test_the_receiver_drops_what_was_stamped_for_another_life() -> None:
    async def scene() -> None:
        async with receiver(2) as (server, inbox, address):
            _reader, writer = await asyncio.open_connection(*address)
            writer.write(pack(Kind.HELLO, [PROTOCOL_VERSION, "n3", 1, "n2"]))
            writer.write(pack(Kind.MESSAGE, [1, "old"]) + pack(Kind.MESSAGE, [2, "new"]))
            assert await inbox.wait_for(1) == ["new"]
            assert server.counters["dropped_not_ours"] == 1
            writer.close()

    asyncio.run(scene())


@pytest.mark.parametrize(
    "hello",
    [
        [PROTOCOL_VERSION + 1, "n1", 1, "n2"],
        [PROTOCOL_VERSION, "n1", 1, "n3"],
        [PROTOCOL_VERSION, "n9", 1, "n2"],
        [PROTOCOL_VERSION],
        "hello",
    ],
)
def test_a_stranger_is_refused_with_a_reason(hello: Any) -> None:
    async def scene() -> None:
        async with receiver(1) as (_, inbox, address):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(pack(Kind.HELLO, hello) + pack(Kind.MESSAGE, [1, "smuggled"]))
            (frame,) = FrameSplitter().feed(await reader.read())
            assert frame.kind == Kind.REFUSAL
            assert isinstance(frame.value()[0], str)
            assert inbox.got == []
            writer.close()

    asyncio.run(scene())


def test_nonsense_ends_the_connection_and_no_other() -> None:
    async def scene() -> None:
        async with receiver(1) as (_, inbox, address), link(address) as made:
            assert await made.probe(5)
            for said in (
                b"GET / HTTP/1.1\r\n\r\n" * 9,
                b"\x00\x00\x00\x01\x01crc!\xc1",
                b"\xff" * 99,
            ):
                reader, writer = await asyncio.open_connection(*address)
                writer.write(said)
                await reader.read()
                writer.close()
            made.send("still here")
            assert await inbox.wait_for(1) == ["still here"]

    asyncio.run(scene())


def test_a_lost_connection_is_made_again_within_a_moment() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        async with receiver(1) as (server, _, address), link(address) as made:
            assert await made.probe(5)
            for _ in range(3):
                server.close()
                began = loop.time()
                assert await made.probe(0.15)
                assert loop.time() - began < 0.15

    asyncio.run(scene())


def test_a_receiver_that_answers_nothing_any_more_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers, "HEARTBEAT_S", 0.01)

    async def scene() -> None:
        greeted = asyncio.Semaphore(0)
        writers = []

        async def greet_and_fall_silent(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            writers.append(writer)
            writer.write(pack(Kind.WELCOME, [1]))
            greeted.release()
            await reader.read()

        silent = await asyncio.start_server(greet_and_fall_silent, "127.0.0.1", 0)
        async with link(silent.sockets[0].getsockname()[:2]) as made, asyncio.timeout(5):
            for _ in range(3):
                await greeted.acquire()
            assert made.counters["connections"] >= 2
        silent.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0.01)

    asyncio.run(scene())


def test_a_full_link_forgets_the_oldest_and_counts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "QUEUE_MESSAGES_MAX", 10)

    async def scene() -> None:
        async with receiver(1) as (_, inbox, address), link(address) as made:
            assert await made.probe(5)
            assert made._connection is not None
            made._connection.pause_writing()
            for n in range(25):
                made.send(n)
            assert made.counters["dropped_overflow"] == 15
            made._connection.resume_writing()
            assert await inbox.wait_for(10) == list(range(15, 25))

    asyncio.run(scene())


def test_a_probe_to_nobody_fails_in_time() -> None:
    async def scene() -> None:
        async with receiver(1) as (_, _inbox, address):
            pass
        loop = asyncio.get_running_loop()
        async with link(address) as made:
            began = loop.time()
            assert not await made.probe(0.1)
            assert 0.09 < loop.time() - began < 0.5

    asyncio.run(scene())
