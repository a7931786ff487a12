"""One life of a node: inputs are gathered, handled, committed once, and then effects leave.

This is where the obligations in `systems_under_test.replica` are met. It knows nothing of sockets:
messages and replies leave through `Outlets`.
"""

from __future__ import annotations

import traceback
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from systems_under_test.host.storage import CommitFailed, StorageDamaged, check_change
from systems_under_test.host.timers import RungTimer, Timers
from systems_under_test.replica import (
    Append,
    AppendLater,
    CancelTimer,
    Diagnostic,
    Leave,
    ObjectRequest,
    Respond,
    Send,
    SetTimer,
    Started,
    StorageVerified,
    TimerFired,
    Turn,
    VerifyStorage,
    Write,
    WriteLater,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Sequence

    from systems_under_test.host.clock import NodeClock
    from systems_under_test.host.log import NodeLog
    from systems_under_test.host.storage import Change, Engine
    from systems_under_test.replica import Effect, Input, Now, Replica, Rng, Wire

Leaving = Send | Respond | Diagnostic | ObjectRequest | VerifyStorage | Leave
"""What leaves after the commit."""

INPUTS_WAITING_MAX: Final = 20_000
BATCH_INPUTS_MAX: Final = 256
"""So many inputs at most share a commit: replies should not wait for long."""

EXIT_REPLICA_RAISED: Final = 70
EXIT_STORAGE_DAMAGED: Final = 65
EXIT_COMMIT_FAILED: Final = 74


class Outlets(Protocol):
    """Where effects leave."""

    def send(self, to: str, body: Wire) -> None:
        """Send a message to another node; never waits. Raises ValueError for no such node."""
        ...

    def respond(self, reply: Respond) -> None:
        """Reply to a client. Raises ValueError for a reply that cannot be."""
        ...

    def ask_objects(self, asked: ObjectRequest) -> None:
        """Ask the object store; never waits, the answer is an input."""
        ...

    def end(self) -> None:
        """The life may end: it has nothing left to do."""
        ...


class Life:
    """Drives one replica. `die` is called at most once, with an exit code, and must not return.

    `begun` is called once: after the first commit, before anything leaves. It raises CommitFailed.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        replica: Replica,
        storage: Engine,
        clock: NodeClock,
        rng: Rng,
        log: NodeLog,
        outlets: Outlets,
        die: Callable[[int], object],
        begun: Callable[[], object] = lambda: None,
    ) -> None:
        self._loop = loop
        self._replica = replica
        self._storage = storage
        self._clock = clock
        self._rng = rng
        self._log = log
        self._outlets = outlets
        self._die = die
        self._begun = begun
        self._inputs: deque[Input | RungTimer] = deque()
        self._over = False
        self._drain_is_due = True  # Until `begin`: what comes before the first input waits.
        self.timers = Timers(loop, clock, self._ring)
        self.counters = {"inputs": 0, "batches": 0, "inputs_refused": 0}

    def begin(self, started: Started) -> None:
        """Hand over the first input, then whatever has come meanwhile."""
        self._inputs.appendleft(started)
        self._drain()

    def offer(self, event: Input) -> bool:
        """Take an input, to be handled soon; False when too many are waiting."""
        if len(self._inputs) >= INPUTS_WAITING_MAX:
            self.counters["inputs_refused"] += 1
            return False
        self._put(event)
        return True

    def end(self) -> None:
        """Handle nothing more: the storage is about to be closed."""
        self._over = True

    def _ring(self, rung: RungTimer) -> None:
        self._put(rung)  # Timers are as many as the replica set; none is lost.

    def _put(self, event: Input | RungTimer) -> None:
        self._inputs.append(event)
        if not self._drain_is_due:
            # Called after everything that is ready now: so what has come together is gathered.
            self._drain_is_due = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._drain_is_due = False
        if self._over:
            return
        leaving: list[tuple[Leaving, Now]] = []
        try:
            for _ in range(min(len(self._inputs), BATCH_INPUTS_MAX)):
                self._handle(self._inputs.popleft(), leaving)
            self._storage.commit()
            if not self.counters["batches"]:
                self._begun()
        except Exception as error:
            self._fail(error, leaving)
            return
        self.counters["batches"] += 1
        try:
            for effect, now in leaving:
                self._let_leave(effect, now)
        except Exception as error:
            self._fail(error, ())
            return
        if self._inputs and not self._drain_is_due:
            self._drain_is_due = True
            self._loop.call_soon(self._drain)

    def _handle(self, waiting: Input | RungTimer, leaving: list[tuple[Leaving, Now]]) -> None:
        event: Input
        if isinstance(waiting, RungTimer):
            stands, payload = self.timers.take(waiting)
            if not stands:
                return
            event = TimerFired(waiting.name, payload)
        else:
            event = waiting
        self.counters["inputs"] += 1
        turn = Turn(self._clock.now(), self._rng, self._storage)
        changes: list[Change] = []
        for effect in self._replica.handle(event, turn):
            self._sort(effect, turn.now, changes, leaving)
        self._storage.stage(changes)

    def _sort(
        self,
        effect: Effect,
        now: Now,
        changes: list[Change],
        leaving: list[tuple[Leaving, Now]],
    ) -> None:
        """Timers act at once: they are seen by nobody, and the next input may cancel one."""
        match effect:
            case Send() | Respond() | Diagnostic() | ObjectRequest() | VerifyStorage() | Leave():
                leaving.append((effect, now))
            case Write() | WriteLater() | Append() | AppendLater():
                check_change(effect)
                changes.append(effect)
            case SetTimer(name, int() as delay, payload):
                self.timers.set(name, now.mono + delay, payload)
            case CancelTimer(name):
                self.timers.cancel(name)
            case _:
                raise TypeError(f"the replica returned {effect!r}, which is no effect of the port")

    def _let_leave(self, effect: Leaving, now: Now) -> None:
        if isinstance(effect, Send):
            self._outlets.send(effect.to, effect.body)
        elif isinstance(effect, Respond):
            self._outlets.respond(effect)
        elif isinstance(effect, ObjectRequest):
            self._outlets.ask_objects(effect)
        elif isinstance(effect, Leave):
            self._outlets.end()
        elif isinstance(effect, VerifyStorage):
            self._loop.call_soon(self._look, self._storage.damaged_records(), [])
        else:
            self._log.write(effect.event, effect.fields, now)

    def _look(self, looking: Iterator[str | None], found: list[str]) -> None:
        """Look at a slice of what is at rest; whatever has come is handled before the next one."""
        if self._over:
            return
        try:
            for damage in looking:
                if damage is None:
                    self._loop.call_soon(self._look, looking, found)
                    return
                found.append(damage)
        except Exception as error:
            self._fail(error, [])
            return
        self._put(StorageVerified(tuple(found)))

    def _fail(self, error: Exception, leaving: Sequence[tuple[Leaving, Now]]) -> None:
        """End the life; of the batch only its diagnostics are told, to those who read the log."""
        self._drain_is_due = True
        for effect, now in leaving:
            if isinstance(effect, Diagnostic):
                self._log.write(effect.event, effect.fields, now)
        if isinstance(error, CommitFailed):
            self._log.say("commit failed: no effect of the batch leaves", reason=str(error))
            self._die(EXIT_COMMIT_FAILED)
        elif isinstance(error, StorageDamaged):
            self._log.say("storage damaged", reason=str(error))
            self._die(EXIT_STORAGE_DAMAGED)
        elif isinstance(error, OSError):  # A replica does no I/O but to read what it stored.
            self._log.say("the storage cannot be read", reason=str(error))
            self._die(EXIT_COMMIT_FAILED)
        else:
            for line in traceback.format_exception(error):
                self._log.say("traceback", text=line.rstrip("\n"))
            self._log.say("the replica raised", reason=f"{type(error).__name__}: {error}")
            self._die(EXIT_REPLICA_RAISED)

    def report(self) -> dict[str, Any]:
        """What has been counted, for whoever asks."""
        return {**self.counters, **{f"storage_{k}": v for k, v in self._storage.counters.items()}}
