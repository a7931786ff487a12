"""Forwarding: a node that is not among the first N healthy of a key passes a write on, once.

It never tries another node after it has sent: the first may have made a dot of the put already,
and a second dot of the same put would be a sibling that no client wrote. For the same reason the
coordinator remembers which forwards it has taken, since the network may double a message.

Source: DeCandia et al., SOSP 2007, 4.5, 6.4 (server-driven coordination).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.api import Put, Response, error, shown_key
from systems_under_test.dynamo.bugs import DOUBLE_FORWARD
from systems_under_test.dynamo.configuration import MS
from systems_under_test.dynamo.deadlines import Deadlines
from systems_under_test.dynamo.messages import Forward, Forwarded, Ping

if TYPE_CHECKING:
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.step import Step
    from systems_under_test.dynamo.write_coordination import WriteCoordination

FORWARD_PATIENCE: Final = "forward-patience"
FORWARD_DEADLINE: Final = "forward-deadline"
TRAVEL: Final = 250 * MS
"""How much longer a forwarding node waits than the coordinator may take."""
REMEMBERED_MAX: Final = 10_000
"""Forwards that are remembered for each peer; what is older than all of them is not taken."""


@dataclass(slots=True)
class Passed:
    """A forward that waits for its answer."""

    client: int
    put: Put
    coordinator: str
    asked_at: int


@dataclass(slots=True)
class Taken:
    """The forwards taken from one peer. Their numbers grow, so what falls out bounds the rest."""

    recent: set[int] = field(default_factory=set)
    order: deque[int] = field(default_factory=deque)
    forgotten: int = 0

    def take(self, request: int) -> bool:
        """Whether this forward is taken for the first time."""
        if request <= self.forgotten or request in self.recent:
            return False
        self.recent.add(request)
        self.order.append(request)
        if len(self.order) > REMEMBERED_MAX:
            oldest = self.order.popleft()
            self.recent.discard(oldest)
            self.forgotten = max(self.forgotten, oldest)
        return True


class Forwarding:
    """Writes that this node has passed on, and those that were passed to it."""

    def __init__(self, node: Node, writes: WriteCoordination) -> None:
        self._node = node
        self._writes = writes
        self._patience = Deadlines(FORWARD_PATIENCE, node.configuration.replica_timeout)
        self._deadlines = Deadlines(FORWARD_DEADLINE, node.configuration.request_timeout + TRAVEL)
        self._taken: dict[str, Taken] = {}
        self.open: dict[int, Passed] = {}

    def begin(self, step: Step, client: int, put: Put) -> None:
        """Coordinate the write here if this node may, else pass it on to one that may.

        Before both comes the node that read fastest for this client, where its context names it.
        """
        legs = self._writes.place(put)
        able = {node for leg in legs for node in leg}
        if not legs:
            self._node.reply(step, client, self._writes.refusal())
        elif put.fastest in able and put.fastest != self._node.name:
            self._node.counters.writes_to_fastest += 1
            self._pass_on(step, client, put, put.fastest)
        elif self._node.name in able:
            self._writes.begin(step, put, legs, partial(self._answer_client, client=client))
        else:
            self._pass_on(step, client, put, next(iter(legs[0])))

    def on_forward(self, step: Step, sender: str, message: Forward) -> None:
        """Coordinate a write in another node's place."""
        node = self._node
        if not self._taken.setdefault(sender, Taken()).take(message.request):
            node.counters.forwards_doubled += 1
            return
        node.counters.forwards_received += 1
        key = node.ring.place(message.key)
        put = Put(key, message.context, message.value, message.name)
        answer = partial(self._answer_peer, sender=sender, request=message.request)
        legs = self._writes.place(put)
        if not legs:
            answer(step, self._writes.refusal())
            return
        named = any(node.name in leg for leg in legs)
        if not named and node.configuration.sloppy and node.name in node.view.electorate:
            # The sender saw a home node down that answers us. A hint more does no harm.
            legs[0][node.name] = node.lists.legs[0].home(key.range)[-1]
            named = True
        if named:
            self._writes.begin(step, put, legs, answer)
        else:
            answer(step, self._writes.refusal())

    def on_forwarded(self, step: Step, message: Forwarded) -> None:
        """The coordinator's answer, for the client."""
        waiting = self.open.pop(message.request, None)
        if waiting is not None:
            response = Response(message.status, message.context, message.body)
            self._node.reply(step, waiting.client, response)

    def on_patience(self, step: Step) -> None:
        """No answer yet: it may be collecting copies, or it may be down. Ask."""
        for request in self._patience.due(step, self.open):
            coordinator = self.open[request].coordinator
            self._node.detector.asked(step, coordinator)
            step.send(coordinator, Ping())
            if self._node.bug == DOUBLE_FORWARD:
                self._send_again(step, request)

    def on_deadline(self, step: Step) -> None:
        """Give up: whether the write has happened, nobody knows."""
        for request in self._deadlines.due(step, self.open):
            waiting = self.open.pop(request)
            self._node.detector.missed(step, waiting.coordinator, waiting.asked_at)
            self._node.counters.writes_failed += 1
            sentence = f"{waiting.coordinator}, which coordinates this write, did not answer"
            self._node.reply(step, waiting.client, error(503, sentence, definite=False))

    def _pass_on(self, step: Step, client: int, put: Put, coordinator: str) -> None:
        request = self._node.new_request()
        self.open[request] = Passed(client, put, coordinator, step.mono)
        self._node.counters.forwards_sent += 1
        step.log("forward", request=put.name, key=shown_key(put.key.name), coordinator=coordinator)
        self._send(step, request)
        self._patience.add(step, request)
        self._deadlines.add(step, request)

    def _send(self, step: Step, request: int) -> None:
        put, coordinator = self.open[request].put, self.open[request].coordinator
        message = Forward(request, put.name, put.key.name, put.history, put.value)
        step.send(coordinator, message)

    def _send_again(self, step: Step, request: int) -> None:
        """The bug: try another node of the preference list, though the first may be at it."""
        waiting = self.open[request]
        home = self._node.lists.home(self._node.ring.place(waiting.put.key.name).range)
        others = [node for node in home if node != waiting.coordinator]
        if others:
            waiting.coordinator = others[0]
            self._send(step, request)

    def _answer_client(self, step: Step, response: Response, *, client: int) -> None:
        self._node.reply(step, client, response)

    def _answer_peer(self, step: Step, response: Response, *, sender: str, request: int) -> None:
        it = response
        step.send(sender, Forwarded(request, it.status, it.context, it.body))
