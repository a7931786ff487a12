"""One life of a node: a replica from start to death, and the host that performs its effects.

The obligations are those of `systems_under_test.replica`. Effects leave one after another, each at
a moment of its own; what had not left when the process died was never done.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import msgspec

from systems_under_test.replica import (
    Append,
    AppendLater,
    CancelTimer,
    ClientRequest,
    Diagnostic,
    PeerMessage,
    Respond,
    Send,
    SetTimer,
    TimerFired,
    Turn,
    Write,
    WriteLater,
)
from workloads.client import Failure, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from systems_under_test.environments.simulated.disk import Change
    from systems_under_test.environments.simulated.network import Channel
    from systems_under_test.environments.simulated.node import SimulatedNode
    from systems_under_test.replica import Effect, Input, Now, Replica
    from systems_under_test.rng import Rng
    from workloads.client import Request

NEVER: Final = 1 << 200
"""Later than any time."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_line = msgspec.json.Encoder().encode


class ContractBroken(Exception):
    """A replica returned something that the port does not allow; ends its life."""


class Call:
    """A client's request: closed once it has been answered, and it is answered once."""

    __slots__ = ("_done", "answered", "node", "request")

    def __init__(
        self, node: SimulatedNode, request: Request, done: Callable[[Reply | Failure], None]
    ) -> None:
        self.node = node
        self.request = request
        self.answered = False
        """Whether the replica has returned a reply; it may not have left."""
        self._done: Callable[[Reply | Failure], None] | None = done

    @property
    def open(self) -> bool:
        """Whether the client still waits."""
        return self._done is not None

    def finish(self, reply: Reply | Failure) -> None:
        """Answer the client if it still waits."""
        done, self._done = self._done, None
        if done is not None:
            done(reply)


Timer = tuple[int, int, Any]
"""(generation, due on the monotonic clock, payload)."""

Departure = tuple["Channel", bytes] | tuple[int, Reply] | bytes
"""What leaves: a message, the reply to a request by its number, or a line of the log."""


class Life:
    """A running process: the replica, its inbox, its timers, and what waits for a commit."""

    __slots__ = (
        "_channels", "_commit_ended", "_covered", "_flying", "_generation", "_inbox", "_kernel",
        "_last_departure", "_next_request", "_options", "_waiting", "_waiting_durable",
        "committing", "died_at", "incarnation", "node", "overflowed", "paused", "replica",
        "requests", "rng", "timers",
    )  # fmt: skip

    def __init__(self, node: SimulatedNode, replica: Replica, incarnation: int, rng: Rng) -> None:
        self.node = node
        self.replica = replica
        self.incarnation = incarnation
        self.rng = rng
        self.died_at = NEVER
        self.paused = False
        self.committing = False
        self.overflowed = 0
        self.requests: dict[int, Call] = {}
        self.timers: dict[str, Timer] = {}
        self._kernel = node.kernel
        self._options = node.options
        self._channels = node.channels
        self._inbox: deque[Input | tuple[str, int]] = deque()
        self._commit_ended = False
        self._covered = 0
        self._flying: list[Departure] = []
        self._waiting: list[Departure] = []
        self._waiting_durable = False
        self._generation = 0
        self._last_departure = 0
        self._next_request = 0

    # --- inputs ---

    def receive(self, sender: str, incarnation: int, payload: bytes) -> None:
        """A message has arrived, in bytes."""
        self._offer(PeerMessage(sender, incarnation, _decode(payload)))

    def serve(self, call: Call) -> None:
        """A client's request has arrived."""
        self._next_request += 1
        request = call.request
        self.requests[self._next_request] = call
        self._offer(
            ClientRequest(
                self._next_request, request.method, request.target, request.headers, request.body
            )
        )

    def _offer(self, item: Input) -> None:
        """Handle an input now, or keep it while the process stands still."""
        if not self._blocked() and not self._inbox:
            self._handle(item)
        elif len(self._inbox) < self._options.inbox_inputs_max:
            self._inbox.append(item)
        else:
            self.overflowed += 1

    def _blocked(self) -> bool:
        return self.paused or (self.committing and not self._options.batch_commits)

    def begin(self, started: Input) -> None:
        """Take the first input, which is handled on the next tick."""
        self._inbox.append(started)
        self._kernel.push(self._kernel.now, self._drain, None)

    def resume(self) -> None:
        """Go on: first with a commit that ended meanwhile, then with what has arrived."""
        self.paused = False
        if self._commit_ended:
            self._commit_ended = False
            self._kernel.push(self._kernel.now, self._committed, None)
        if self._inbox:
            self._kernel.push(self._kernel.now, self._drain, None)

    def _drain(self, _: None) -> None:
        """Handle the oldest input that waits; each has a tick of its own."""
        if self.died_at != NEVER or self._blocked() or not self._inbox:
            return
        self._handle(self._inbox.popleft())
        if self._inbox:
            self._kernel.push(self._kernel.now, self._drain, None)

    def _handle(self, item: Input | tuple[str, int]) -> None:
        if type(item) is tuple:
            fired = self._take_timer(*item)
            if fired is None:
                return
            item = fired
        node = self.node
        now = node.clock.read(self._kernel.now)
        try:
            effects = self.replica.handle(item, Turn(now, self.rng, node.disk))  # type: ignore[arg-type]
            leaving, changes, timers, before, durable = self._sort(effects, now)
        except Exception as error:  # Whatever a replica raises ends its life, and no other.
            node.replica_raised(error)
            return
        for timer in timers:
            self._set_timer(timer, now)
        if changes and not self._store(changes):
            return
        if self.committing:
            self._waiting += leaving
            self._waiting_durable |= durable
        elif durable:
            self._leave(leaving[:before])
            self._flying = leaving[before:]
            self._commit()
        else:
            if changes:
                node.disk.hand_over()
            self._leave(leaving)

    # --- effects ---

    def _sort(
        self, effects: Sequence[Effect], now: Now
    ) -> tuple[list[Departure], list[Change], list[SetTimer | CancelTimer], int, bool]:
        """Part the effects: what leaves, what is stored, timers, how many leave before a write.

        Messages become bytes here, so that nothing is shared with the replica. Raises whatever a
        broken contract raises, and then nothing has been done.
        """
        leaving: list[Departure] = []
        changes: list[Change] = []
        timers: list[SetTimer | CancelTimer] = []
        before, durable = -1, False
        for effect in effects:
            kind = type(effect)
            if kind is Send:
                leaving.append((self._channels[effect.to], _encode(effect.body)))  # type: ignore[union-attr]
            elif kind is SetTimer or kind is CancelTimer:
                timers.append(effect)  # type: ignore[arg-type]
            elif kind is Respond:
                leaving.append(self._answer(effect))  # type: ignore[arg-type]
            elif kind is Diagnostic:
                leaving.append(_diagnostic(effect, now))  # type: ignore[arg-type]
            elif kind is Write or kind is Append or kind is WriteLater or kind is AppendLater:
                if before < 0:
                    before = len(leaving)
                changes.append(effect)  # type: ignore[arg-type]
                durable |= kind is Write or kind is Append
            else:
                raise ContractBroken(f"{effect!r} is no effect")
        return leaving, changes, timers, before, durable and self.node.durable

    def _answer(self, effect: Respond) -> tuple[int, Reply]:
        call = self.requests.get(effect.request)
        if call is None or call.answered:
            raise ContractBroken(f"request {effect.request} is not open, but was answered")
        call.answered = True
        return effect.request, Reply(effect.status, dict(effect.headers), effect.body)

    def _store(self, changes: list[Change]) -> bool:
        """Show the writes of an input; False if the disk is full and that was the end."""
        disk = self.node.disk
        if disk.quality.full and self.node.durable:
            disk.counters["refused_full"] += 1
            self.node.disk_failed("no space left on the disk")
            return False
        disk.apply(changes)
        return True

    def _leave(self, departures: list[Departure]) -> None:
        """Let effects leave in order, each at a moment of its own."""
        if not departures:
            return
        node = self.node
        gap = 1 + self._options.effect_gap.draw(node.gaps)
        time = max(self._kernel.now, self._last_departure)
        for departure in departures:
            time += gap
            if type(departure) is bytes:
                node.log_line(departure, time)
                continue
            target, content = departure
            if type(content) is bytes:
                node.network.send(target, self, content, time)  # type: ignore[arg-type]
            else:
                delay = self._options.client_latency.draw(node.clients)
                self._kernel.push(time + delay, self._reply_arrived, (target, content, time))
        self._last_departure = time

    def _reply_arrived(self, reply: tuple[int, Reply, int]) -> None:
        request, content, departure = reply
        if departure < self.died_at:
            self.requests.pop(request).finish(content)

    # --- commits ---

    def _commit(self) -> None:
        self.committing = True
        disk = self.node.disk
        self._covered = disk.unsynced()
        delay = self._options.commit_latency.draw(self.node.commits) + disk.quality.slow_ns
        self._kernel.push(self._kernel.now + delay, self._commit_ends, None)

    def _commit_ends(self, _: None) -> None:
        """The disk is done, whether or not the process can hear of it."""
        if self.died_at != NEVER:
            return
        failure = self.node.disk.commit(self._covered)
        if failure is not None:
            self.node.disk_failed(failure)
        elif self.paused:
            self._commit_ended = True
        else:
            self._committed(None)

    def _committed(self, _: None) -> None:
        """Let go what waited for the commit, and begin the next one if it is needed."""
        if self.died_at != NEVER:
            return
        if self.paused:
            self._commit_ended = True
            return
        self.committing = False
        flying, self._flying = self._flying, self._waiting
        self._waiting = []
        self._leave(flying)
        if self._waiting_durable:
            self._waiting_durable = False
            self._commit()
        else:
            self.node.disk.hand_over()
            self._leave(self._flying)
            self._flying = []
        if self._inbox and not self._blocked():
            self._kernel.push(self._kernel.now, self._drain, None)

    # --- timers ---

    def _set_timer(self, effect: SetTimer | CancelTimer, now: Now) -> None:
        """Timers do not leave the node, so they wait for no commit: the replica counts on them."""
        if type(effect) is SetTimer:
            self._arm(effect.name, now.mono + max(0, effect.delay), effect.payload)
        else:
            self.timers.pop(effect.name, None)

    def _arm(self, name: str, due: int, payload: Any) -> None:
        self._generation += 1
        self.timers[name] = (self._generation, due, payload)
        self._kernel.push(self.node.clock.due(due), self._timer_due, (name, self._generation))

    def _timer_due(self, timer: tuple[str, int]) -> None:
        current = self.timers.get(timer[0])
        if self.died_at != NEVER or current is None or current[0] != timer[1]:
            return
        if self._blocked() or self._inbox:
            self._inbox.append(timer)
        else:
            self._handle(timer)

    def _take_timer(self, name: str, generation: int) -> TimerFired | None:
        """The timer's input, unless it was cancelled or set again since it went off."""
        current = self.timers.get(name)
        if current is None or current[0] != generation:
            return None
        del self.timers[name]
        return TimerFired(name, current[2])

    def clock_changed(self) -> None:
        """Find anew when each timer is due, since the clock runs at another rate now."""
        for name, (_, due, payload) in list(self.timers.items()):
            self._arm(name, due, payload)

    # --- death ---

    def end(self, now: int) -> None:
        """Die: whatever has not left does not leave, and who still waits sees a reset."""
        self.died_at = now
        self._inbox.clear()
        self.timers.clear()
        for call in self.requests.values():
            if call.open:
                delay = self._options.client_latency.draw(self.node.clients)
                self._kernel.push(now + delay, call.finish, RESET)


RESET: Final = Failure("connection reset", definite=False)


def _diagnostic(effect: Diagnostic, now: Now) -> bytes:
    return _line({"event": effect.event, "wall": now.wall, "mono": now.mono, **effect.fields})
