"""Agreement on the next view: one decision for each number, by a majority of the members before.

Single-decree Paxos. A proposer first asks a majority to promise its ballot (`Prepare`), takes up
what a ballot before may have had accepted, and asks for that to be accepted (`Accept`); only where
there is nothing does it propose its own. What a majority has accepted is decided, and no other view
of that number ever is: so two changes that begin at once on both sides of a partition cannot both
happen. Promises and acceptances are durable before they are sent.

A node that has gone beyond the number answers with its view; one that has not come to the view
before asks for it, and says nothing else. Ballots carry the number of the proposer's store and
its incarnation, so that no two proposals share one.

Source: Lamport, "Paxos made simple", 2001, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from systems_under_test.dynamo.dots import META
from systems_under_test.dynamo.messages import (
    Accept,
    Accepted,
    Ballot,
    Outbid,
    Prepare,
    Promised,
)
from systems_under_test.dynamo.views import View  # noqa: TC001  (msgspec reads it)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from systems_under_test.dynamo.messages import AnyMessage
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.step import Step

VOTE: Final = b"vote"
NEVER: Final[Ballot] = (0, "", 0)


class Vote(msgspec.Struct, array_like=True):
    """What this node has promised and accepted for the view of this number."""

    number: int
    promised: Ballot = NEVER
    accepted: Ballot = NEVER
    view: View | None = None


@dataclass(slots=True)
class Proposal:
    """A view that this node wants decided."""

    wanted: View
    ballot: Ballot
    promises: dict[str, tuple[Ballot, View | None]] = field(default_factory=dict)
    value: View | None = None
    accepted: dict[str, None] = field(default_factory=dict)


_vote = msgspec.msgpack.Decoder(Vote)


class ViewAgreement:
    """Votes on views, and proposes them."""

    def __init__(self, node: Node, decided: Callable[[Step, View], None]) -> None:
        self._node = node
        self._decided = decided
        self._proposal: Proposal | None = None
        self._highest = 0

    @property
    def is_open(self) -> bool:
        """Whether a proposal of this node is not decided yet."""
        return self._proposal is not None

    def propose(self, step: Step, view: View) -> None:
        """Try to have this view decided; it must follow the present one. Again: a new ballot."""
        node = self._node
        assert view.number == node.view.number + 1
        self._highest += 1
        self._proposal = Proposal(view, (self._highest, node.name, node.ballots))
        for peer in node.view.electorate:
            self._tell(step, peer, Prepare(view.number, self._proposal.ballot))

    def again(self, step: Step) -> None:
        """Messages may have been lost, or another proposer been faster: a higher ballot."""
        if self._proposal is not None:
            self.propose(step, self._proposal.wanted)

    def give_up(self) -> None:
        """A view has come: whatever was proposed for its number is settled."""
        self._proposal = None

    # --- the voter ---

    def on_prepare(self, step: Step, sender: str, message: Prepare) -> None:
        """Promise to accept nothing below this ballot."""
        vote = self._vote_on(step, message.number)
        if vote is None:
            return
        if message.ballot < vote.promised:
            self._tell(step, sender, Outbid(message.number, vote.promised))
            return
        vote.promised = message.ballot
        self._keep(step, vote)
        answer = Promised(message.number, message.ballot, vote.accepted, vote.view)
        self._tell(step, sender, answer)

    def on_accept(self, step: Step, sender: str, message: Accept) -> None:
        """Accept, unless a higher ballot has been promised."""
        vote = self._vote_on(step, message.number)
        if vote is None:
            return
        if message.ballot < vote.promised:
            self._tell(step, sender, Outbid(message.number, vote.promised))
            return
        vote.promised = vote.accepted = message.ballot
        vote.view = message.view
        self._keep(step, vote)
        self._tell(step, sender, Accepted(message.number, message.ballot))

    def _vote_on(self, step: Step, number: int) -> Vote | None:
        """This node's vote on the next view; None where it has none, being no member of this."""
        node = self._node
        if number != node.view.number + 1 or node.name not in node.view.electorate:
            return None
        if node.store.is_apart and len(node.view.electorate) > 1:
            return None  # What it has promised is lost with its store; alone, it binds nobody.
        stored = step.get(META, VOTE)
        vote = Vote(number) if stored is None else _vote.decode(stored)
        return vote if vote.number == number else Vote(number)

    def _keep(self, step: Step, vote: Vote) -> None:
        step.write(META, VOTE, msgspec.msgpack.encode(vote))

    # --- the proposer ---

    def on_promised(self, step: Step, sender: str, message: Promised) -> None:
        """With a majority: ask for what has been accepted, or for what is wanted."""
        current = self._current(message.number, message.ballot)
        if current is None or current.value is not None:
            return
        current.promises[sender] = (message.accepted, message.view)
        if not self._is_majority(current.promises):
            return
        highest, view = max(current.promises.values(), key=lambda promise: promise[0])
        current.value = current.wanted if highest == NEVER or view is None else view
        for peer in self._node.view.electorate:
            self._tell(step, peer, Accept(message.number, message.ballot, current.value))

    def on_accepted(self, step: Step, sender: str, message: Accepted) -> None:
        """With a majority it is decided."""
        current = self._current(message.number, message.ballot)
        if current is None or current.value is None:
            return
        current.accepted[sender] = None
        if self._is_majority(current.accepted):
            self._proposal = None
            self._decided(step, current.value)

    def on_outbid(self, message: Outbid) -> None:
        """Someone has a higher ballot: go above it the next time."""
        self._highest = max(self._highest, message.ballot[0])

    def _current(self, number: int, ballot: Ballot) -> Proposal | None:
        current = self._proposal
        if current is None or current.wanted.number != number or current.ballot != ballot:
            return None
        return current

    def _is_majority(self, voters: Mapping[str, object]) -> bool:
        electorate = self._node.view.electorate
        return 2 * sum(peer in voters for peer in electorate) > len(electorate)

    def _tell(self, step: Step, to: str, message: AnyMessage) -> None:
        """Send; to itself a node speaks at once."""
        if to != self._node.name:
            step.send(to, message)
        elif isinstance(message, Prepare):
            self.on_prepare(step, to, message)
        elif isinstance(message, Accept):
            self.on_accept(step, to, message)
        elif isinstance(message, Promised):
            self.on_promised(step, to, message)
        elif isinstance(message, Accepted):
            self.on_accepted(step, to, message)
        elif isinstance(message, Outbid):
            self.on_outbid(message)
