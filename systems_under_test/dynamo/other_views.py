"""Messages of another view: none is taken, and both sides come to the newer view.

A sender that is behind is told the view. Where the sender is ahead the message is kept until its
view has come: it is asked for at once, and the message would be missed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.envelope import view_of
from systems_under_test.dynamo.messages import NewerView, WhichView

if TYPE_CHECKING:
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.step import Step
    from systems_under_test.replica import PeerMessage

EARLY: Final = "early-messages"
EARLY_MAX: Final = 1_000
"""Messages that are kept; beyond it the oldest is lost, as any message may be."""


class OtherViews:
    """Answers messages of other views, and keeps those that are early."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._early: deque[PeerMessage] = deque(maxlen=EARLY_MAX)

    def met(self, step: Step, event: PeerMessage, theirs: int) -> None:
        """A message of a sender in another view."""
        self._node.counters.other_views_met += 1
        if theirs < self._node.view.number:
            step.send(event.sender, NewerView(self._node.view))
        else:
            self._early.append(event)
            step.send(event.sender, WhichView())

    def on_view(self, step: Step) -> None:
        """A view has come: what waited for it is taken, one message in each input."""
        if self._early:
            step.set_timer(EARLY, 0)

    def next(self, step: Step) -> PeerMessage | None:
        """The oldest message that waited and is of this view; others go."""
        ours = self._node.view.number
        while self._early and view_of(self._early[0].body) < ours:
            self._early.popleft()
        if not self._early or view_of(self._early[0].body) > ours:
            return None  # The view that it waits for brings the next look.
        event = self._early.popleft()
        if self._early:
            step.set_timer(EARLY, 0)
        return event
