"""Drives a simulated cluster: virtual time, one thread, the same events from the same seed."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from checker.history.events import NEMESIS
from lineal.interpreters.breaking import act
from lineal.interpreters.conversing import SimulatedTalk
from nemesis.schedule import ROLES
from systems_under_test.environments.cluster import EnvironmentFailed
from workloads.client import Completion, Reply
from workloads.conversation import conversing
from workloads.generators.protocol import PENDING, Pending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lineal.interpreters.desk import Begun, Desk, Thread
    from nemesis.plan import Nemesis
    from systems_under_test.environments.simulated.cluster import SimulatedCluster
    from workloads.client import Codec, Failure, Request
    from workloads.generators.protocol import Generator
    from workloads.invocations import Invocation

LOOK_NS = 500_000_000
"""How long a look at the roles of nodes waits for those that do not answer."""
POLL_NS = 10_000_000
"""How long a generator that has nothing to do is left alone, unless an operation ends."""
COLLECT_AFTER = 50_000
"""New containers between two searches for cycles while clients are driven, instead of 700.

A simulation makes next to none, and what it keeps is long-lived: looked through again and again it
cost a twelfth of the time.
"""


class SimulatedWorld:
    """A `World` in virtual time.

    Whatever the harness does happens in an event of the simulation's own heap, so that every
    event of the history has a tick of its own and real-time order is never in doubt.
    """

    def __init__(
        self,
        *,
        cluster: SimulatedCluster,
        desk: Desk,
        codec: Codec,
        nemesis: Nemesis,
        status_request: Request | None = None,
        roles: Callable[[Mapping[str, Reply]], Mapping[str, tuple[str, ...]]] | None = None,
        timeout_ns: int,
    ) -> None:
        """`roles` makes them of what nodes answer to `status_request`."""
        self.cluster = cluster
        self.desk = desk
        self._codec = codec
        self._nemesis = nemesis
        self._status_request = status_request
        self._roles = roles
        self._timeout = timeout_ns
        self._memories: dict[Thread, dict[str, Any]] = {}
        """What each client remembers, where clients converse."""
        self._armed: int | None = None
        self._proposal: Invocation | Pending | None = None
        self._stale = True

    def now(self) -> int:
        """Virtual nanoseconds since the run began."""
        return self.cluster.now

    def run(self, generator: Generator) -> None:
        """Carry out a generator until it is exhausted and every operation has ended."""
        self.desk.load(generator)
        self._stale = True
        # A verb of the nemesis that waits goes on with the run: others are asked meanwhile.
        with _fewer_collections(), self.cluster.driven_by(self._go_on):
            while self._go_on():
                pass

    def _go_on(self) -> bool:
        """One event more; False if the generator is exhausted and every operation has ended."""
        if self._stale:
            self._proposal = self.desk.propose(self.cluster.now)
            self._stale = False
            if self._proposal is None and not self.desk.busy:
                return False
            self._arm()
        if not self.cluster.step():
            raise EnvironmentFailed("the simulation has nothing left to do in mid-run")
        return True

    def ask(
        self, requests: Mapping[str, Request], timeout_ns: int
    ) -> Mapping[str, Reply | Failure]:
        """Send a request to each of these nodes, unrecorded, and await every reply."""
        replies: dict[str, Reply | Failure] = {}

        def send() -> None:
            deadline = self.cluster.now + timeout_ns
            for node, request in requests.items():
                self.cluster.submit(node, request, deadline, partial(replies.__setitem__, node))

        self.cluster.at(self.cluster.now, send)
        while len(replies) < len(requests):
            if not self.cluster.step():
                raise EnvironmentFailed("the simulation lost a request of the harness")
        return {node: replies[node] for node in requests}

    def wait(self, duration_ns: int) -> None:
        """Let this much virtual time pass."""
        self.cluster.run_until(self.cluster.now + duration_ns)

    def _arm(self) -> None:
        """See to it that the proposal is looked at again when its time has come."""
        proposal = self._proposal
        if proposal is None or (proposal == PENDING and self.desk.busy):
            return  # The end of an operation in flight brings the next look.
        now = self.cluster.now
        if isinstance(proposal, Pending):
            wake = now + POLL_NS if proposal.until is None else max(proposal.until, now)
        else:
            wake = max(proposal.time or 0, now)
        if self._armed is None or wake < self._armed:
            self._armed = wake
            self.cluster.at(wake, self._wake)

    def _wake(self) -> None:
        now = self.cluster.now
        if self._armed is None or now < self._armed:
            return  # An earlier wake-up has been armed since, and has done the work.
        self._armed = None
        if self._stale:
            self._proposal = self.desk.propose(now)
        self._stale = True
        proposal = self._proposal
        if proposal is None or isinstance(proposal, Pending) or (proposal.time or 0) > now:
            return
        self._perform(self.desk.begin(proposal, now))

    def _perform(self, begun: Begun) -> None:
        if begun.invocation.f == ROLES and begun.thread == NEMESIS:
            self._look(begun)
            return
        if begun.thread == NEMESIS:
            self.cluster.at(self.cluster.now, lambda: self._break(begun))
            return
        assert begun.node is not None
        deadline = self.cluster.now + self._timeout
        if (talking := conversing(self._codec)) is not None:
            conversation = talking.converse(
                begun.invocation,
                begun.request,
                node=begun.node,
                memory=self._memories.setdefault(begun.thread, {}),
                now=self.cluster.now,
            )
            SimulatedTalk(
                self.cluster, conversation, deadline, lambda done: self._end(begun, done)
            ).begin()
            return
        request = self._codec.encode(begun.invocation, begun.request)
        self.cluster.submit(
            begun.node,
            request,
            deadline,
            lambda reply: self._end(begun, self._codec.decode(begun.invocation, reply)),
        )

    def _end(self, begun: Begun, completion: Completion) -> None:
        self.desk.end(begun, completion, self.cluster.now)
        self._stale = True

    def _look(self, begun: Begun) -> None:
        """Ask every node how it is, and end the look when all have answered, or none will."""
        replies: dict[str, Reply | Failure] = {}

        def answered(node: str, reply: Reply | Failure) -> None:
            replies[node] = reply
            if len(replies) == len(self.cluster.nodes):
                statuses = {n: r for n, r in sorted(replies.items()) if isinstance(r, Reply)}
                roles = {} if self._roles is None else dict(self._roles(statuses))
                self.desk.end(begun, Completion("info", output={ROLES: roles}), self.cluster.now)
                self._stale = True

        def ask() -> None:
            deadline = self.cluster.now + LOOK_NS
            for node in self.cluster.nodes:
                request = self._status_request
                assert request is not None
                self.cluster.submit(node, request, deadline, partial(answered, node))

        if self._status_request is None:
            raise EnvironmentFailed("nobody can be asked for the roles of nodes here")
        self.cluster.at(self.cluster.now, ask)

    def _break(self, begun: Begun) -> None:
        try:
            completion = act(self._nemesis, self.cluster, self.desk, begun)
        except Exception as error:
            said = f"raised {error!r}"
            self.desk.end(begun, Completion("info", error=said), self.cluster.now)
            raise EnvironmentFailed(f"the nemesis {said}; see the log") from error
        self.desk.end(begun, completion, self.cluster.now)
        self._stale = True


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Search for cycles seldom, and not among what is there already."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
