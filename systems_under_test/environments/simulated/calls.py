"""A client's request on its way through the simulation: answered once, whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workloads.client import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from systems_under_test.environments.simulated.node import SimulatedNode
    from workloads.client import Reply, Request

NEVER: Final = 1 << 200
"""Later than any time."""

REFUSED: Final = Failure("connection refused", definite=True)
RESET: Final = Failure("connection reset", definite=False)
TIMED_OUT: Final = Failure("timed out", definite=False)


class Call:
    """A request to a node, and who waits for its reply."""

    __slots__ = ("_done", "departure", "node", "number", "reply", "request")

    def __init__(
        self, node: SimulatedNode, request: Request, done: Callable[[Reply | Failure], None]
    ) -> None:
        self.node = node
        self.request = request
        self.number = 0
        """The host's own number for it."""
        self.reply: Reply | None = None
        """What the replica has answered; it may not have left."""
        self.departure = NEVER
        """When the reply leaves the node."""
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
