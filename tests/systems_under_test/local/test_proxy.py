"""One link's proxy between a sender and a receiver that are bare sockets."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import pytest

from systems_under_test.environments.cluster import LinkQuality
from systems_under_test.environments.local.proxy import LinkProxy
from systems_under_test.host.frames import Frame, Kind, pack
from tests.systems_under_test.local.link_bench import Bench, run
from tests.systems_under_test.slowness import Slowness

pytestmark = pytest.mark.live

MILLION = 1_000_000
MILLISECOND = 1_000_000


def test_frames_pass_in_order_and_unchanged_both_ways() -> None:
    async def scene(made: Bench) -> None:
        for n in range(200):
            made.send(Kind.MESSAGE, [1, n, b"x" * (n * 50)])
        assert [n for _, n, _ in await made.messages(200)] == list(range(200))
        made.send(Kind.PING, [])
        assert await made.answer() == Kind.PONG
        assert made.proxy.counters == {"passed": 200, "dropped": 0, "delayed": 0, "duplicated": 0}

    run(scene)


def test_a_cut_swallows_everything_in_silence_and_counts_it() -> None:
    async def scene(made: Bench) -> None:
        made.send(Kind.MESSAGE, "before")
        await made.messages(1)
        made.proxy.set_cut(True)
        made.send(Kind.MESSAGE, "in the cut")
        made.send(Kind.PING, [])
        assert await made.silence()
        assert await made.messages(1) == ["before"]
        assert len(made.got) == 1
        assert made.proxy.counters["dropped"] == 1

    run(scene)


def test_mending_resets_what_was_silenced() -> None:
    async def scene(made: Bench) -> None:
        made.send(Kind.MESSAGE, "before")
        await made.messages(1)
        made.proxy.set_cut(True)
        made.send(Kind.MESSAGE, "in the cut")
        assert await made.silence()
        made.proxy.set_cut(False)
        async with asyncio.timeout(1):
            assert await made.reader.read() == b""

    run(scene)


def test_a_connection_that_lost_nothing_survives_the_cut() -> None:
    async def scene(made: Bench) -> None:
        made.send(Kind.MESSAGE, "before")
        await made.messages(1)
        made.proxy.set_cut(True)
        made.proxy.set_cut(False)
        made.send(Kind.MESSAGE, "after")
        assert await made.messages(2) == ["before", "after"]

    run(scene)


def test_a_connection_made_during_the_cut_reaches_nobody_and_hears_nothing() -> None:
    async def scene(made: Bench) -> None:
        made.send(Kind.PING, [])
        await made.answer()
        made.proxy.set_cut(True)
        assert made.proxy._server is not None
        entrance = made.proxy._server.sockets[0].getsockname()[:2]
        reader, writer = await asyncio.open_connection(*entrance)
        writer.write(pack(Kind.HELLO, []))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reader.read(1)
        assert made.connections == 1
        made.proxy.set_cut(False)
        assert await reader.read() == b""
        writer.close()

    run(scene)


def test_the_receivers_death_is_not_seen_through_a_cut() -> None:
    async def scene(made: Bench) -> None:
        made.send(Kind.PING, [])
        await made.answer()
        made.proxy.set_cut(True)
        (passage,) = made.proxy._passages
        assert passage._far is not None
        passage._far.abort()
        assert await made.silence()
        made.proxy.set_cut(False)
        assert await made.reader.read() == b""

    run(scene)


def test_the_receivers_death_is_seen_otherwise() -> None:
    async def scene(made: Bench) -> None:
        made.send(Kind.PING, [])
        await made.answer()
        (passage,) = made.proxy._passages
        assert passage._far is not None
        passage._far.abort()
        async with asyncio.timeout(1):
            assert await made.reader.read() == b""

    run(scene)


def test_a_receiver_that_is_dead_refuses_the_sender() -> None:
    async def scene(made: Bench) -> None:
        made.send(Kind.PING, [])
        await made.answer()
        made.proxy.receiver = ("127.0.0.1", 1)
        assert made.proxy._server is not None
        reader, writer = await asyncio.open_connection(
            *made.proxy._server.sockets[0].getsockname()[:2]
        )
        assert await reader.read() == b""
        writer.close()

    run(scene)


def test_what_is_held_is_released_in_order() -> None:
    async def scene(made: Bench) -> None:
        made.proxy.set_quality(LinkQuality(hold=True))
        for n in range(10):
            made.send(Kind.MESSAGE, n)
        made.send(Kind.PING, [])
        assert await made.answer() == Kind.PONG  # The connection itself lives on.
        assert await made.messages(0) == []
        made.proxy.set_quality(LinkQuality())
        made.send(Kind.MESSAGE, 10)
        assert await made.messages(11) == list(range(11))
        assert made.proxy.counters["delayed"] == 10

    run(scene)


def test_what_is_held_is_released_also_when_its_sender_has_gone() -> None:
    async def scene(made: Bench) -> None:
        made.proxy.set_quality(LinkQuality(hold=True))
        made.send(Kind.MESSAGE, "last words")
        made.send(Kind.PING, [])
        await made.answer()
        made.writer.close()
        await made.writer.wait_closed()
        await asyncio.sleep(0.02)
        made.proxy.set_quality(LinkQuality())
        assert await made.messages(1) == ["last words"]
        async with asyncio.timeout(1):
            while made.proxy._passages:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    run(scene)


def test_what_is_held_when_the_link_is_cut_is_lost() -> None:
    async def scene(made: Bench) -> None:
        made.proxy.set_quality(LinkQuality(hold=True))
        made.send(Kind.MESSAGE, "held")
        made.send(Kind.PING, [])
        await made.answer()
        made.proxy.set_cut(True)
        made.proxy.set_quality(LinkQuality())
        made.proxy.set_cut(False)
        await asyncio.sleep(0.02)
        assert await made.messages(0) == []
        assert made.proxy.counters["dropped"] == 1

    run(scene)


def test_a_delay_concerns_messages_and_not_the_connections_own_talk() -> None:
    async def scene(made: Bench) -> None:
        loop = asyncio.get_running_loop()
        made.proxy.set_quality(LinkQuality(delay_ns=60 * MILLISECOND))
        began = loop.time()
        made.send(Kind.MESSAGE, "slow")
        made.send(Kind.PING, [])
        assert await made.answer() == Kind.PONG
        assert loop.time() - began < 0.05
        await made.messages(1)
        assert 0.06 <= loop.time() - began < 0.12

    run(scene)


def test_a_message_on_its_way_is_lost_when_the_link_is_cut() -> None:
    async def scene(made: Bench) -> None:
        made.proxy.set_quality(LinkQuality(delay_ns=20 * MILLISECOND))
        made.send(Kind.MESSAGE, "late")
        made.send(Kind.PING, [])
        await made.answer()
        made.proxy.set_cut(True)
        await asyncio.sleep(0.05)
        assert await made.messages(0) == []
        assert made.proxy.counters == {"passed": 0, "dropped": 1, "delayed": 1, "duplicated": 0}

    run(scene)


def test_jitter_reorders_and_loses_nothing() -> None:
    async def scene(made: Bench) -> None:
        made.proxy.set_quality(LinkQuality(jitter_ns=30 * MILLISECOND))
        for n in range(50):
            made.send(Kind.MESSAGE, n)
        got = await made.messages(50)
        assert sorted(got) == list(range(50)) != got

    run(scene)


def test_a_narrow_link_carries_so_many_bytes_a_second_in_order() -> None:
    async def scene(made: Bench) -> None:
        made.proxy.set_quality(LinkQuality(rate_bytes_s=4_000))
        began = asyncio.get_running_loop().time()
        for n in range(50):
            made.send(Kind.MESSAGE, n)
        assert await made.messages(50) == list(range(50))
        size = len(pack(Kind.MESSAGE, 49))
        assert asyncio.get_running_loop().time() - began >= 0.9 * 50 * size / 4_000
        assert made.proxy.counters["delayed"] == 50

    run(scene)


def test_loss_and_duplication_are_counted_as_they_are_seen() -> None:
    async def scene(made: Bench) -> None:
        made.proxy.set_quality(LinkQuality(loss_ppm=300_000, duplicate_ppm=300_000))
        for n in range(1_000):
            made.send(Kind.MESSAGE, n)
        made.send(Kind.PING, [])
        await made.answer()
        got = await made.messages(0)
        counters = made.proxy.counters
        assert counters["dropped"] == 1_000 - len(set(got)) > 200
        assert counters["duplicated"] == len(got) - len(set(got)) > 100
        assert counters["passed"] == len(got)

    run(scene)


def test_a_receiver_that_does_not_read_slows_its_sender_and_is_served_later() -> None:
    async def scene(made: Bench) -> None:
        made.send(Kind.PING, [])
        await made.answer()
        (passage,) = made.proxy._passages
        passage.far_full(True)
        block = b"x" * 2**20
        for n in range(64):
            made.send(Kind.MESSAGE, [n, block])
        await asyncio.sleep(0.05)
        assert made.writer.transport.get_write_buffer_size() > 2**20
        assert await made.messages(0) == []
        passage.far_full(False)
        assert [n for n, _ in await made.messages(64)] == list(range(64))

    run(scene)


def test_messages_keep_their_order_however_their_proxy_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one whose delay was reckoned before an interruption went after the next."""
    reckoned = LinkProxy._through

    def interrupted(proxy: LinkProxy, frame: Frame, *given: Any) -> tuple[int, ...]:
        delays = reckoned(proxy, frame, *given)
        time.sleep(0.01 if frame.kind == Kind.MESSAGE and frame.value() == 5 else 0)
        return delays

    monkeypatch.setattr(LinkProxy, "_through", interrupted)

    async def scene(made: Bench) -> None:
        made.proxy.set_quality(LinkQuality(rate_bytes_s=10_000))
        for n in range(10):
            made.send(Kind.MESSAGE, n)
        assert await made.messages(10) == list(range(10))

    run(scene)


def test_a_proxy_adds_less_than_half_a_millisecond_to_a_round_trip() -> None:
    """As on a machine with nothing else to do."""

    async def median_s(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        took = []
        for _ in range(200):
            began = time.perf_counter()
            writer.write(pack(Kind.PING, []))
            await reader.read(1000)
            took.append(time.perf_counter() - began)
        return statistics.median(took)

    async def scene(made: Bench) -> None:
        reader, writer = await asyncio.open_connection(*made.proxy.receiver)
        with Slowness() as slowness:
            direct_s = await median_s(reader, writer)
            proxied_s = await median_s(made.reader, made.writer)
        writer.close()
        assert (proxied_s - direct_s) / slowness.factor < 0.000_5

    run(scene)
