"""A node as a process: everything that a life needs, put together and taken apart."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.host.clock import ClockSetting, NodeClock
from systems_under_test.host.control import Control, take_standard_streams, wait_for_go
from systems_under_test.host.hold import hold
from systems_under_test.host.http import HttpServer
from systems_under_test.host.incarnation import begin
from systems_under_test.host.life import EXIT_STORAGE_DAMAGED, Life
from systems_under_test.host.log import NodeLog
from systems_under_test.host.opening import open_storage
from systems_under_test.host.peers import Link
from systems_under_test.host.port import Port, PortTaken
from systems_under_test.host.storage import CommitFailed, StorageDamaged
from systems_under_test.host.welcome import PeerServer
from systems_under_test.replica import (
    STOPPING_NS_MAX,
    ObjectAnswer,
    Place,
    Started,
    Stopping,
    hears_stopping,
    on_damage,
)
from systems_under_test.rng import Rng

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from systems_under_test.host.control import PromptAct
    from systems_under_test.host.objects import ObjectStore
    from systems_under_test.host.opening import Opened
    from systems_under_test.host.options import HostOptions
    from systems_under_test.replica import (
        ClientRequest,
        ObjectRequest,
        OnDamage,
        PeerMessage,
        Replica,
        Respond,
        Wire,
    )

EXIT_USAGE: Final = 64
EXIT_PORT_IN_USE: Final = 69
EXIT_DIRECTORY: Final = 73

FIRST_LINKS_S_MAX: Final = 0.15
"""So long the first input waits for links, so that what it sends is not lost for want of one."""
NO_OBJECTS: Final = "this host has no object store: start it with --objects"


class CannotStart(Exception):
    """The node cannot be; the message says why, `status` is what the process ends with."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Node:
    """One life of one node."""

    def __init__(
        self, options: HostOptions, clock: NodeClock, log: NodeLog, ports: Sequence[Port]
    ) -> None:
        """Count the start and open the storage. Raises CannotStart.

        `ports` are taken for it already: where clients come, and where nodes do.
        """
        self._options = options
        self._clock = clock
        self._log = log
        self._place = Place(options.node, options.nodes, options.clients)
        replica = load_replica(options.replica)(self._place, options.options, options.bug)
        self._hears_stopping = hears_stopping(replica)
        opened = _open(options, on_damage(replica))
        self._incarnation, self._fresh, self._storage, self._damage = opened
        log.incarnated(self._incarnation)
        if self._damage:
            log.say("damage set aside", reason=self._damage)
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._tasks: list[asyncio.Task[None]] = []
        self._client_port, self._peer_port = ports
        self._objects = options.objects
        self._asking: set[asyncio.Task[None]] = set()
        self._http = HttpServer(self)
        self._peers = PeerServer(
            place=self._place, incarnation=self._incarnation, inbox=self, log=log
        )
        self._links = {
            to: Link(
                node=options.node, incarnation=self._incarnation, to=to, address=address, log=log
            )
            for to, address in options.peers.items()
        }
        self._life = Life(
            loop=self._loop,
            replica=replica,
            storage=self._storage,
            clock=clock,
            rng=Rng(f"{options.seed}/node/{options.node}/{self._incarnation}"),
            log=log,
            outlets=self,
            die=os._exit,
            begun=self._begun,
        )

    # What a life sends out, and what comes in for it.

    def send(self, to: str, body: Wire) -> None:
        """Send a message to another node."""
        link = self._links.get(to)
        if link is None:
            raise ValueError(f"a message to {to!r}, which is no other node")
        link.send(body)

    def respond(self, reply: Respond) -> None:
        """Reply to a client."""
        self._http.respond(reply)

    def ask_objects(self, asked: ObjectRequest) -> None:
        """Ask the object store in a thread of its own; the answer comes as an input."""
        if self._objects is None:
            answer = ObjectAnswer(asked.verb, asked.name, "failed", reason=NO_OBJECTS)
            self._loop.call_soon(self._life.offer, answer)
            return
        asking = asyncio.create_task(self._ask_objects(self._objects, asked))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)

    async def _ask_objects(self, store: ObjectStore, asked: ObjectRequest) -> None:
        self._life.offer(await asyncio.to_thread(store.perform, asked))

    def offer(self, event: ClientRequest | PeerMessage) -> bool:
        """Take an input for the replica."""
        return self._life.offer(event)

    # Its course.

    async def run(self, control: Control | None) -> int:
        """Listen, connect, hand over the first input, and serve until told to end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop)
        try:
            client = await self._client_port.open(self._http.connection)
            peer = await self._peer_port.open(self._peers.connection)
            self._tasks += [
                asyncio.create_task(link.keep_connected()) for link in self._links.values()
            ]
            self._tasks.append(asyncio.create_task(self._peers.sweep()))
            await self._try_links()
            self._life.begin(Started(self._incarnation, self._damage, self._fresh))
            self._log.say("ready", client=f"{client[0]}:{client[1]}", listen=f"{peer[0]}:{peer[1]}")
            if control is not None:
                control.tell(event="ready", incarnation=self._incarnation)
            return await self._ended
        except PortTaken as error:
            raise CannotStart(EXIT_PORT_IN_USE, str(error)) from error
        finally:
            await self._close()

    def _begun(self) -> None:
        """What came of the first input is durable: from now on this directory has a past."""
        if self._fresh:
            try:
                begin(self._options.directory)
            except (OSError, StorageDamaged) as error:
                raise CommitFailed(f"the number of starts: {error}") from error

    def _stop(self) -> None:
        """Asked to end: by a replica that hears of it in good order, asked again at once."""
        if self._hears_stopping and self._life.offer(Stopping()):
            self._hears_stopping = False
            self._loop.call_later(STOPPING_NS_MAX / 1e9, self.end)
        else:
            self.end()

    def end(self, status: int = 0) -> None:
        """Let `run` return."""
        if not self._ended.done():
            self._ended.set_result(status)

    def acts(self) -> dict[str, Any]:
        """What the harness may ask for, and the loop does."""
        return {"probe": self._act_probe, "counters": self._act_counters}

    def prompt_acts(self) -> dict[str, PromptAct]:
        """What it may ask for and has at once, from another thread than the loop's."""
        return {"clock": self._act_clock, "read_clock": self._act_read_clock}

    async def _try_links(self) -> None:
        tried = [asyncio.create_task(link.tried.wait()) for link in self._links.values()]
        if tried:
            _, waiting = await asyncio.wait(tried, timeout=FIRST_LINKS_S_MAX)
            for task in waiting:
                task.cancel()

    async def _close(self) -> None:
        tasks = [*self._tasks, *self._asking]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._client_port.close()
        self._peer_port.close()
        self._http.close()
        self._peers.close()
        self._life.end()
        self._storage.close()

    # What the harness asks for.

    async def _act_probe(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Which of the named nodes a message reaches: {"to": {name: seconds to wait}}.

        And in how many nanoseconds, there and back.
        """
        waits = request["to"]
        took = await asyncio.gather(
            *(self._links[name].probe(seconds) for name, seconds in waits.items())
        )
        each = dict(zip(waits, took, strict=True))
        return {
            "passed": {name: seconds is not None for name, seconds in each.items()},
            "took_ns": {n: None if s is None else round(s * 1e9) for n, s in each.items()},
        }

    def _act_clock(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        self._clock.set(clock_setting(request))
        with contextlib.suppress(RuntimeError):  # The loop is closed: the node ends.
            self._loop.call_soon_threadsafe(self._life.timers.clock_changed)
        return self._act_read_clock(request)

    def _act_read_clock(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        machine, boot, now = self._clock.reading()
        # Whoever is sent to the back of the queue between two clocks shall say so.
        took = time.monotonic_ns() - machine
        return {
            "machine": machine,
            "took_ns": took,
            "boot": boot,
            "wall": now.wall,
            "mono": now.mono,
        }

    async def _act_counters(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "life": self._life.report(),
            "http": self._http.counters,
            "peers": self._peers.counters,
            "links": {name: link.counters for name, link in self._links.items()},
        }


def clock_setting(fields: Mapping[str, Any]) -> ClockSetting:
    """The setting that a control message carries."""
    return ClockSetting(
        since_ns=fields["since_ns"],
        wall_offset_ns=fields["wall_offset_ns"],
        rate_ppm=fields["rate_ppm"],
    )


def load_replica(path: str) -> Callable[[Place, Mapping[str, Any], str | None], Replica]:
    """The function that `module:function` names. Raises CannotStart."""
    module, colon, name = path.partition(":")
    if not colon:
        raise CannotStart(EXIT_USAGE, f"--replica {path}: it has the form module:function")
    try:
        make = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise CannotStart(EXIT_USAGE, f"--replica {path}: {error}") from error
    if not callable(make):
        raise CannotStart(EXIT_USAGE, f"--replica {path}: it is not a function")
    return make  # type: ignore[no-any-return]  # What it makes is seen when it is used.


def _hold(options: HostOptions) -> None:
    """Have the directory alone until this process ends: nobody lets go of it."""
    try:
        hold(options.directory)
    except OSError as error:
        raise CannotStart(EXIT_DIRECTORY, _unusable(options, error)) from error


async def _take_ports(options: HostOptions) -> tuple[Port, Port]:
    """Where clients come and where nodes do, before anything is changed on the disk."""
    shared = options.reuse_port
    try:
        return (
            await Port.take("clients", options.client, shared=shared),
            await Port.take("nodes", options.listen, shared=shared),
        )
    except PortTaken as error:
        raise CannotStart(EXIT_PORT_IN_USE, str(error)) from error


def _unusable(options: HostOptions, error: Exception) -> str:
    return f"the directory {options.directory} cannot be used: {error}"


def _open(options: HostOptions, policy: OnDamage) -> Opened:
    try:
        return open_storage(options, policy)
    except StorageDamaged as error:
        raise CannotStart(EXIT_STORAGE_DAMAGED, f"storage damaged: {error}") from error
    except (OSError, CommitFailed) as error:
        raise CannotStart(EXIT_DIRECTORY, _unusable(options, error)) from error


def run_node(options: HostOptions) -> int:
    """Run a node until it is told to end; the exit status."""
    clock = NodeClock()
    clock.set(options.clock)
    log = NodeLog(sys.stderr, node=options.node, clock=clock)
    streams = take_standard_streams() if options.control else None
    try:
        load_replica(options.replica)  # While nobody waits for us yet.
        if streams is not None and not wait_for_go(streams[0]):
            return 0
        return asyncio.run(_run(options, clock, log, streams))
    except CannotStart as error:
        log.say("cannot start", reason=str(error))
        return error.status


async def _run(
    options: HostOptions, clock: NodeClock, log: NodeLog, streams: tuple[int, int] | None
) -> int:
    _hold(options)
    ports = await _take_ports(options)
    node = Node(options, clock, log, ports)
    if streams is None:
        return await node.run(None)
    control = Control(
        requests=streams[0],
        answers=streams[1],
        acts=node.acts(),
        prompt_acts=node.prompt_acts(),
    )
    serving = asyncio.create_task(control.serve())
    serving.add_done_callback(lambda _: node.end())
    try:
        return await node.run(control)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
