"""One life of a node: a replica from start to death, and the host that performs its effects.

The obligations are those of `systems_under_test.replica`. Effects leave one after another, each at
a moment of its own; what had not left when the process died was never done.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from systems_under_test.environments.simulated.calls import NEVER, RESET
from systems_under_test.environments.simulated.contract import (
    ContractBroken,
    check_change,
    check_reply,
    check_timer,
)
from systems_under_test.environments.simulated.log import packed
from systems_under_test.environments.simulated.timers import Timers
from systems_under_test.replica import (
    Append,
    AppendLater,
    CancelTimer,
    ClientRequest,
    Diagnostic,
    Leave,
    ObjectRequest,
    PeerMessage,
    Respond,
    Send,
    SetTimer,
    StorageVerified,
    Turn,
    VerifyStorage,
    Write,
    WriteLater,
    hears_stopping,
)
from workloads.client import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from systems_under_test.environments.simulated.calls import Call
    from systems_under_test.environments.simulated.disk import Change
    from systems_under_test.environments.simulated.network import Channel
    from systems_under_test.environments.simulated.node import SimulatedNode
    from systems_under_test.environments.simulated.timers import RungTimer
    from systems_under_test.replica import Effect, Input, Now, Replica
    from systems_under_test.rng import Rng

    Departure = tuple[Channel, bytes] | Call | bytes | ObjectRequest | VerifyStorage | Leave
    """What leaves: a message, the reply to a call, a line of the log, or what the host is asked."""

# Tuples: a union is built anew each time that it is written, and asked more slowly.
_TIMERS = (SetTimer, CancelTimer)
_CHANGES = (Write, Append, WriteLater, AppendLater)
_DURABLE = (Write, Append)
_ASKED = (ObjectRequest, VerifyStorage, Leave)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Sorted(NamedTuple):
    """The effects of one input, by what is to be done with them."""

    leaving: list[Departure]
    changes: list[Change]
    timers: list[SetTimer | CancelTimer]
    before: int
    """How many of those that leave stand before the first change."""
    durable: bool
    """Whether the others must wait for a commit."""


class Life:
    """A running process: the replica, its inbox, its timers, and what waits for a commit.

    While a commit is in flight further inputs are handled, by default; what they let leave waits,
    for the next commit if they write and for this one in any case, so that no reply overtakes a
    write that it may have seen.
    """

    __slots__ = (
        "_calls", "_commit_ended", "_committing", "_covered", "_flying", "_inbox", "_kernel",
        "_last_call", "_last_departure", "_options", "_replica", "_rng", "_waiting",
        "_waiting_durable", "died_at", "incarnation", "node", "overflowed", "paused", "timers",
    )  # fmt: skip

    def __init__(self, node: SimulatedNode, replica: Replica, incarnation: int, rng: Rng) -> None:
        self.node = node
        self.incarnation = incarnation
        self.died_at = NEVER
        self.paused = False
        self.timers = Timers(node.kernel, node.clock, self.offer)
        self._replica = replica
        self._rng = rng
        self._kernel = node.kernel
        self._options = node.options
        self._inbox: deque[Input | RungTimer] = deque()
        self._calls: dict[int, Call] = {}
        self._last_call = 0
        self._committing = False
        self._commit_ended = False
        """The disk is done, and the process has stood still since."""
        self._covered = 0
        self._flying: list[Departure] = []
        """Leaves when the commit in flight is done."""
        self._waiting: list[Departure] = []
        """Leaves after that, and after another commit if `_waiting_durable`."""
        self._waiting_durable = False
        self._last_departure = 0

    @property
    def hears_stopping(self) -> bool:
        """Whether the replica wants to be told that its process is to end."""
        return hears_stopping(self._replica)

    # --- inputs ---

    def begin(self, started: Input) -> None:
        """Take the first input, which is handled on the next tick."""
        self._inbox.append(started)
        self._kernel.push(self._kernel.now, self._drain, None)

    def receive(self, sender: str, incarnation: int, payload: bytes) -> None:
        """A message has arrived, in bytes."""
        self.offer(PeerMessage(sender, incarnation, _decode(payload)))

    def serve(self, call: Call) -> None:
        """A client's request has arrived."""
        call.number = self._last_call = self._last_call + 1
        self._calls[call.number] = call
        asked = call.request
        headers = dict(asked.headers)
        self.offer(ClientRequest(call.number, asked.method, asked.target, headers, asked.body))

    def resume(self) -> None:
        """Go on: first with a commit that ended meanwhile, then with what has arrived."""
        self.paused = False
        if self._commit_ended:
            self._commit_ended = False
            self._kernel.push(self._kernel.now, self._committed, None)
        if self._inbox:
            self._kernel.push(self._kernel.now, self._drain, None)

    def offer(self, item: Input | RungTimer) -> None:
        """Handle an input now, or keep it while the process stands still or has older ones."""
        if not self._inbox and not self._blocked():
            self._handle(item)
        elif len(self._inbox) < self._options.inbox_inputs_max or type(item) is tuple:
            self._inbox.append(item)
        else:
            self.node.overflowed += 1

    def _blocked(self) -> bool:
        return self.paused or (self._committing and not self._options.batch_commits)

    def _drain(self, _: None) -> None:
        """Handle the oldest input that waits; each has a tick of its own."""
        if self.died_at != NEVER or not self._inbox or self._blocked():
            return
        self._handle(self._inbox.popleft())
        if self._inbox:
            self._kernel.push(self._kernel.now, self._drain, None)

    def _handle(self, item: Input | RungTimer) -> None:
        event = self.timers.take(item) if isinstance(item, tuple) else item
        if event is None:
            return
        node = self.node
        now = node.clock.read(self._kernel.now)
        try:
            effects = self._replica.handle(event, Turn(now, self._rng, node.disk))
            result = self._sort(effects, now)
        except Exception as error:  # Whatever a replica raises ends its life, and no other.
            node.replica_raised(error)
            return
        for timer in result.timers:
            # A timer leaves no node, so it waits for no commit: a replica that has cancelled one
            # must not see it fire because its disk is slow.
            self.timers.perform(timer, now.mono)
        if result.changes and not node.store(result.changes):
            return
        self._dispatch(result)

    # --- effects ---

    def _sort(self, effects: Sequence[Effect], now: Now) -> Sorted:
        """Part the effects by kind; messages become bytes, so that nothing is shared.

        Raises whatever a broken contract raises, and then nothing has been done.
        """
        leaving: list[Departure] = []
        changes: list[Change] = []
        timers: list[SetTimer | CancelTimer] = []
        before, durable = 0, False
        channels = self.node.channels
        for effect in effects:
            if isinstance(effect, Send):
                channel = channels.get(effect.to) or self._channel(effect.to)
                leaving.append((channel, _encode(effect.body)))
            elif isinstance(effect, Respond):
                leaving.append(self._reply(effect))
            elif isinstance(effect, _TIMERS):
                check_timer(effect)
                timers.append(effect)
            elif isinstance(effect, Diagnostic):
                leaving.append(packed(now, self.incarnation, effect.event, effect.fields))
            elif isinstance(effect, _CHANGES):
                check_change(effect)
                if not changes:
                    before = len(leaving)
                changes.append(effect)
                durable = durable or isinstance(effect, _DURABLE)
            elif isinstance(effect, _ASKED):
                leaving.append(effect)
            else:
                raise ContractBroken(f"{effect!r} is no effect")
        return Sorted(leaving, changes, timers, before, durable and self.node.durable)

    def _channel(self, to: str) -> Channel:
        channel = self.node.channels.get(to)
        if channel is None:
            raise ContractBroken(f"{to!r} is no other node of the cluster")
        return channel

    def _reply(self, effect: Respond) -> Call:
        call = self._calls.get(effect.request)
        if call is None or call.reply is not None:
            raise ContractBroken(f"request {effect.request} is not open, but was answered")
        check_reply(effect)
        call.reply = Reply(effect.status, dict(effect.headers), effect.body)
        return call

    def _dispatch(self, result: Sorted) -> None:
        """Let leave what may leave, and keep what must wait for a commit."""
        if self._committing:
            self._waiting += result.leaving
            self._waiting_durable |= result.durable
        elif result.durable:
            self._leave(result.leaving[: result.before])
            self._flying = result.leaving[result.before :]
            self._commit()
        else:
            if result.changes:
                self.node.disk.hand_over()
            self._leave(result.leaving)

    def _leave(self, departures: list[Departure]) -> None:
        """Let effects leave in order, each at a moment of its own."""
        if not departures:
            return
        node, options = self.node, self._options
        node.begun = True
        gap = 1 + options.effect_gap.draw(node.gaps)
        time = max(self._kernel.now, self._last_departure)
        for departure in departures:
            time += gap
            if isinstance(departure, tuple):
                channel, payload = departure
                node.network.send(channel, self, payload, time)
            elif isinstance(departure, bytes):
                node.log.add(time, departure)
            elif isinstance(departure, ObjectRequest):
                node.objects.ask(self, departure, time)
            elif isinstance(departure, VerifyStorage):
                self._kernel.push(time, self._verify, None)
            elif isinstance(departure, Leave):
                self._kernel.push(time, self._left, None)
            else:
                departure.departure = time
                delay = options.client_latency.draw(node.clients)
                self._kernel.push(time + delay, self._reply_arrives, departure)
        self._last_departure = time

    def _verify(self, _: None) -> None:
        """Look at the disk for the replica."""
        if self.died_at == NEVER:
            self.offer(StorageVerified(tuple(self.node.disk.damaged_records())))

    def _left(self, _: None) -> None:
        """End the life, which asked for it."""
        if self.died_at == NEVER:
            self.node.left()

    def _reply_arrives(self, call: Call) -> None:
        """A reply has reached the client, if it had left before the process died."""
        if call.departure < self.died_at and call.reply is not None:
            self._calls.pop(call.number, None)
            call.finish(call.reply)

    # --- commits ---

    def _commit(self) -> None:
        self._committing = True
        disk = self.node.disk
        self._covered = disk.unsynced()
        delay = self._options.commit_latency.draw(self.node.commits) + disk.quality.slow_ns
        disk.counters["slowed"] += disk.quality.slow_ns > 0
        self._kernel.push(self._kernel.now + delay, self._disk_done, None)

    def _disk_done(self, _: None) -> None:
        """The disk is done with a commit, whether or not the process can hear of it."""
        if self.died_at != NEVER:
            return
        failure = self.node.disk.commit(self._covered)
        if failure is not None:
            self.node.disk_failed(failure)
        else:
            self._committed(None)

    def _committed(self, _: None) -> None:
        """Let go what waited for the commit, and begin the next one if it is needed."""
        if self.died_at != NEVER:
            return
        if self.paused:
            self._commit_ended = True
            return
        self._committing = False
        self._leave(self._flying)
        self._flying, self._waiting = self._waiting, []
        if self._waiting_durable:
            self._waiting_durable = False
            self._commit()
        else:
            self.node.disk.hand_over()
            self._leave(self._flying)
            self._flying = []
        if self._inbox:
            self._kernel.push(self._kernel.now, self._drain, None)

    # --- death ---

    def end(self) -> None:
        """Die now: what has not left does not leave, and who still waits sees a reset."""
        now = self.died_at = self._kernel.now
        self._inbox.clear()
        self.timers.clear()
        for call in self._calls.values():
            if call.departure >= now and call.open:
                delay = self._options.client_latency.draw(self.node.clients)
                self._kernel.push(now + delay, call.finish, RESET)
