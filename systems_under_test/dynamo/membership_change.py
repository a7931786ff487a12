"""Changes of the members: an admin orders one, and the steward carries it through its steps.

One at a time: an order is refused while another change is under way, with a sentence that names it.
Two that come at the same moment, through whichever nodes, meet in the agreement on the next view:
one is decided, and the other's admin is told to try again.

The steward is the first member that is up, as each sees it. It asks everyone involved how far they
are and proposes the next view when the condition of `views.py` holds. If two think that they are
it, the agreement lets them do no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from systems_under_test.dynamo import views
from systems_under_test.dynamo.api import Refused, error, page
from systems_under_test.dynamo.configuration import MS
from systems_under_test.dynamo.messages import NewerView, Progress, Progressed
from systems_under_test.dynamo.store_repair import RENEWING
from systems_under_test.dynamo.views import CONFIRM, STABLE, TRANSFER

if TYPE_CHECKING:
    from systems_under_test.dynamo.api import Order
    from systems_under_test.dynamo.introduction import Introduction
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.relocation import Relocation
    from systems_under_test.dynamo.step import Step
    from systems_under_test.dynamo.transfer import Transfer
    from systems_under_test.dynamo.view_agreement import ViewAgreement
    from systems_under_test.dynamo.views import View

STEER: Final = "steer"
STEER_INTERVAL: Final = 200 * MS


class Said(NamedTuple):
    """How far a node is with the change of a view."""

    view: int
    fetched: bool
    handed_over: bool


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order that waits for a decision."""

    client: int
    view: View
    asked_at: int


class MembershipChange:
    """Takes orders, and steers changes."""

    def __init__(
        self,
        node: Node,
        agreement: ViewAgreement,
        transfer: Transfer,
        relocation: Relocation,
        introduction: Introduction,
    ) -> None:
        self._node = node
        self._agreement = agreement
        self._transfer = transfer
        self._relocation = relocation
        self._introduction = introduction
        self._ordered: Ordered | None = None
        self._said: dict[str, Said] = {}
        self._armed = False

    @property
    def open(self) -> int:
        """Orders that are not answered."""
        return self._ordered is not None

    def order(self, step: Step, client: int, order: Order) -> None:
        """Begin a change. Raises Refused where it cannot be; what is so already is answered."""
        view = self._wanted(order)
        if view is None:
            self._node.reply(step, client, page(shown(self._node.view)))
            return
        if self._ordered is not None:
            raise Refused(409, "this node is busy with another order: try again")
        self._ordered = Ordered(client, view, step.mono)
        self._agreement.propose(step, view)
        self.arm(step)

    def on_view(self, step: Step) -> None:
        """A view has come: an order that waits has been decided by it, one way or the other."""
        self._agreement.give_up()
        self._said.clear()
        ordered, self._ordered = self._ordered, None
        if ordered is not None:
            view = self._node.view
            if view == ordered.view:
                self._node.reply(step, ordered.client, page(shown(view)))
            else:
                sentence = f"another change came first ({view.change()}): try again"
                self._node.reply(step, ordered.client, error(409, sentence, definite=False))
        self.arm(step)

    def arm(self, step: Step) -> None:
        """See to it that the change goes on."""
        node = self._node
        due = self._agreement.is_open or node.store.state == RENEWING or not node.view.is_settled
        if due and not self._armed:
            self._armed = True
            step.set_jittered(STEER, STEER_INTERVAL)

    def on_timer(self, step: Step) -> None:
        """Go on with a proposal, or as steward with the change."""
        self._armed = False
        ordered = self._ordered
        if ordered and step.mono - ordered.asked_at >= self._node.configuration.request_timeout:
            self._ordered = None
            sentence = "no majority of the members answered: nobody knows whether it will happen"
            self._node.reply(step, ordered.client, error(503, sentence, definite=False))
            self._agreement.give_up()
        if self._agreement.is_open:
            self._agreement.again(step)
        elif self._node.store.is_apart:
            self._renew(step)
        elif self._is_steward():
            self._steer(step)
        self.arm(step)

    def _renew(self, step: Step) -> None:
        """Have the members agree that this node comes anew, with nothing.

        Also where it seems to be no member: what it knows of that may be long past.
        """
        node = self._node
        knows = self._introduction.knows_others
        if node.store.state == RENEWING and node.view.phase == STABLE and knows:
            self._agreement.propose(step, views.renewed(node.view, node.name))

    def on_progress(self, step: Step, sender: str) -> None:
        """Say how far this node is."""
        said = self._own()
        step.send(sender, Progressed(said.fetched, said.handed_over))

    def on_progressed(self, step: Step, sender: str, message: Progressed) -> None:
        """A node has said how far it is: go on if that was the last."""
        self._said[sender] = Said(self._node.view.number, message.fetched, message.handed_over)
        self._go_on(step)

    def tell(self, step: Step) -> None:
        """A view that this node proposed has been decided: tell everyone."""
        for peer in self._node.nodes:
            if peer != self._node.name:
                step.send(peer, NewerView(self._node.view))

    def _is_steward(self) -> bool:
        node = self._node
        able = (peer for peer in node.view.electorate if node.detector.is_up(peer))
        return not node.view.is_settled and next(able, "") == node.name

    def _steer(self, step: Step) -> None:
        node = self._node
        for peer in node.view.involved:
            if peer != node.name:
                node.detector.asked(step, peer)
                step.send(peer, Progress())
        self._go_on(step)

    def _go_on(self, step: Step) -> None:
        if self._agreement.is_open or not self._is_steward():
            return
        self._said[self._node.name] = self._own()
        following = self._following()
        if following is not None:
            self._agreement.propose(step, following)
            self.arm(step)

    def _own(self) -> Said:
        done = self._relocation.handed_over
        return Said(self._node.view.number, self._transfer.is_done, done)

    def _following(self) -> View | None:
        """The next view, if its condition holds."""
        view, said = self._node.view, self._said
        if view.phase == TRANSFER:
            new = [name for name in views.names(view.coming) if self._node.lists.gains(name)]
            return views.confirming(view) if all(self._has_fetched(n) for n in new) else None
        if view.phase == CONFIRM:
            deal = self._node.lists.deal
            return views.ended(view, deal) if self._old_homes_are_out() else None
        left = [n for n in views.names(view.leaving) if n in said and said[n].handed_over]
        return views.without(view, left) if left else None

    def _has_fetched(self, name: str) -> bool:
        return name in self._said and self._said[name].fetched

    def _old_homes_are_out(self) -> bool:
        """Whether of each moving range fewer than R old home nodes may be in an earlier view."""
        lists, configuration = self._node.lists, self._node.configuration
        needed = configuration.n - configuration.r + 1
        old = lists.legs[0]
        return all(
            sum(peer in self._said for peer in old.home(i)) >= needed for i in lists.moving()
        )

    def _wanted(self, order: Order) -> View | None:
        """The view that an order asks for; None where it is so already. Raises Refused."""
        node, view = self._node, self._node.view
        if order.verb == "abort":
            if view.phase != TRANSFER:
                said = "no change is under way" if view.phase == STABLE else "it is confirmed"
                raise Refused(409, f"there is nothing to give up: {said}")
            return views.given_up(view)
        if order.node not in node.nodes:
            raise Refused(400, f"{order.node!r} is no node; nodes are {', '.join(node.nodes)}")
        if view.phase != STABLE:
            raise Refused(409, f"a change is under way ({view.change()}): wait for it, or abort it")
        if order.verb == "remove" and order.node in views.names(view.leaving):
            return views.without(view, (order.node,))
        is_member = order.node in view.electorate
        if order.verb == "join":
            if is_member:
                return None
            self._check_newcomer(order.node)
            return views.begun(view, joins=(order.node,), leaves=())
        if not is_member and order.by in ("", *view.electorate):
            return None
        if not is_member:
            said = ", ".join(view.electorate)
            raise Refused(409, f"{order.node} is no member; members are {said}")
        if order.verb == "replace":
            self._check_newcomer(order.by)
            return views.begun(view, joins=(order.by,), leaves=(), gone=order.node)
        if len(view.members) <= node.configuration.n:
            raise Refused(
                409, f"{len(view.members)} members are needed for n copies: join one first"
            )
        if order.verb == "leave":
            return views.begun(view, joins=(), leaves=(order.node,))
        return views.begun(view, joins=(), leaves=(), gone=order.node)

    def _check_newcomer(self, name: str) -> None:
        node, view = self._node, self._node.view
        if name not in node.nodes:
            raise Refused(400, f"{name!r} is no node; nodes are {', '.join(node.nodes)}")
        if name in view.electorate:
            raise Refused(409, f"{name} is a member already")
        if view.since(name) is not None:
            raise Refused(409, f"{name} has left, and still hands over what it holds: wait")
        if not node.detector.is_up(name):
            raise Refused(409, f"{name} does not answer: start it first")


def shown(view: View) -> dict[str, object]:
    """A view for a page."""
    return {
        "view": view.number,
        "phase": view.phase,
        "members": list(view.electorate),
        "coming": list(views.names(view.coming)),
        "leaving": list(views.names(view.leaving)),
        "change": view.change(),
    }
