"""What both interpreters share: who is free, what comes next, and what is written down.

The desk knows no clock and performs nothing. An interpreter asks it for a proposal, and when the
time has come it begins the operation, performs it in its own way, and hands in the completion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from checker.history.events import NEMESIS
from nemesis.schedule import ROLES
from workloads.generators.protocol import Context, Pending

if TYPE_CHECKING:
    from checker.history.events import Event
    from lineal.recorder import Recorder
    from workloads.client import Completion
    from workloads.generators.protocol import Generator, Rng
    from workloads.invocations import Invocation

Thread = int | str


class GeneratorProblem(Exception):
    """A generator yielded what it must not; the message shows it."""


class Begun(msgspec.Struct, frozen=True):
    """An operation that has been recorded and is now to be performed."""

    thread: Thread
    process: int | str
    invocation: Invocation
    node: str | None
    request: str
    index: int
    fault: int | None


class Desk:
    """Keeps threads, processes and open faults, and records every event.

    A client operation that ends in `info` retires its process: the thread goes on under the
    process number plus the number of client threads (so that each process stays with one thread).
    """

    def __init__(
        self,
        *,
        recorder: Recorder,
        clients: int,
        nodes: tuple[str, ...],
        rng: Rng,
        pure: frozenset[str],
        zones: tuple[tuple[str, ...], ...] = (),
        spares: tuple[str, ...] = (),
    ) -> None:
        self.recorder = recorder
        self.nodes = nodes
        self.zones = zones
        self.spares = spares
        self.busy: dict[Thread, Begun] = {}
        self.faults: dict[int, Invocation] = {}
        self.injected: set[str] = set()
        """The names of all faults that were ever asked for."""
        self.asked_by: dict[int, str] = {}
        """The plan that asked for a fault, by the fault's number."""
        self._clients = clients
        self._rng = rng
        self._pure = pure
        self._processes: dict[Thread, int | str] = {i: i for i in range(clients)}
        self._processes[NEMESIS] = NEMESIS
        self._of_clients = {i: p for i, p in self._processes.items() if i != NEMESIS}
        self._free: tuple[Thread, ...] | None = None
        self._free_clients: tuple[Thread, ...] = ()
        self._faults_begun = 0
        self._now = 0
        self._generator: Generator | None = None
        self._follow: Generator | None = None

    def load(self, generator: Generator) -> None:
        """Go on with this generator; the one before must be exhausted or given up."""
        self._generator = generator

    def propose(self, now: int) -> Invocation | Pending | None:
        """What the generator would do next, None once it is exhausted. Commits to nothing."""
        if self._generator is None:
            return None
        answer = self._generator.op(self._context(now))
        if answer is None:
            return None
        proposal, self._follow = answer
        if isinstance(proposal, Pending):
            self._generator = self._follow
        return proposal

    def begin(self, proposal: Invocation, now: int) -> Begun:
        """Record the operation last proposed and follow the generator beyond it."""
        thread = self._thread_of(proposal)
        process = self._processes[thread]
        fault = self._fault_of(proposal) if thread == NEMESIS else None
        node = None if thread == NEMESIS else proposal.node or self._node_of(process)
        index = self.recorder.events
        request = f"r{index}"
        event = self.recorder.record(
            time=now,
            process=process,
            type="invoke",
            f=proposal.f,
            key=proposal.key,
            input=proposal.input,
            node=node,
            request=None if thread == NEMESIS else request,
            fault=fault,
            extra=dict(proposal.extra),
        )
        begun = Begun(thread, process, proposal, node, request, index, fault)
        self.busy[thread] = begun
        self._free = None
        self._generator = self._follow
        self._tell(event, now)
        return begun

    def end(self, begun: Begun, completion: Completion, now: int) -> Event:
        """Record a completion and free its thread."""
        kind = completion.type
        pure = begun.invocation.f in self._pure
        if kind == "info" and pure and begun.thread != NEMESIS:
            kind = "fail"  # Without effect, whether it happened or not is all the same.
        event = self.recorder.record(
            time=now,
            process=begun.process,
            type=kind,
            f=begun.invocation.f,
            key=begun.invocation.key,
            output=completion.output,
            error=completion.error,
            node=begun.node,
            request=None if begun.thread == NEMESIS else begun.request,
            fault=begun.fault,
            extra=dict(completion.extra),
        )
        del self.busy[begun.thread]
        self._free = None
        if begun.thread == NEMESIS:
            self._close_fault(begun, completion)
        self._tell(event, now)
        if kind == "info" and isinstance(begun.process, int):
            # Replaced, never changed: contexts that were handed out show what was then.
            retired = {begun.thread: begun.process + self._clients}
            self._processes = {**self._processes, **retired}
            self._of_clients = {**self._of_clients, **retired}
        return event

    def note(self, f: str, now: int, output: Any = None) -> None:
        """Record something that the harness saw, as the nemesis's completion without a call."""
        self.recorder.record(time=now, process=NEMESIS, type="info", f=f, output=output)

    def _close_fault(self, begun: Begun, completion: Completion) -> None:
        """A fault stays open until its healing was seen to work: the final healing tries again."""
        effect = (completion.output or {}).get("effect")
        healed = begun.invocation.f == "heal" and effect == "healed"
        if healed and begun.fault is not None:
            del self.faults[begun.fault]

    def _context(self, now: int) -> Context:
        self._now = max(self._now, now)  # A worker's stamp may lie behind the loop's own.
        if self._free is None:
            busy = self.busy
            self._free_clients = tuple([t for t in self._of_clients if t not in busy])
            nemesis = () if NEMESIS in busy else (NEMESIS,)
            self._free = self._free_clients + nemesis
        free, processes = self._free, self._processes
        clients = self._free_clients, self._of_clients
        return Context(
            self._now, free, processes, self.nodes, self._rng, self.zones, {}, self.spares, clients
        )

    def _tell(self, event: Event, now: int) -> None:
        if self._generator is not None:
            self._generator = self._generator.update(self._context(now), event)

    def _thread_of(self, proposal: Invocation) -> Thread:
        named = proposal.process
        if named is not None and self._processes.get(named) == named and named not in self.busy:
            return named  # So it is until a thread's first `info`.
        for thread, process in self._processes.items():
            if process == proposal.process and thread not in self.busy:
                return thread
        raise GeneratorProblem(f"{proposal!r} is for a process that is busy or gone")

    def _node_of(self, process: int | str) -> str:
        assert isinstance(process, int)
        return self.nodes[process % len(self.nodes)]

    def _fault_of(self, proposal: Invocation) -> int | None:
        """The number of a new fault, or of the one that is being healed; a look has none."""
        if proposal.f == ROLES:
            return None
        if proposal.f == "heal":
            number = (proposal.input or {}).get("fault")
            if number not in self.faults:
                raise GeneratorProblem(f"heal of fault {number}, which is not open")
            return int(number)
        self._faults_begun += 1
        self.faults[self._faults_begun] = proposal
        self.injected.add(proposal.f)
        if proposal.plan is not None:
            self.asked_by[self._faults_begun] = proposal.plan
        return self._faults_begun
