"""Views: who the members are, numbered, and how one set of members becomes another.

There is one view for each number, and a node never goes back to a lower one. A change of members
takes three steps, each a view of its own, each decided by a majority of the members of the view
before (`view_agreement.py`):

1. `transfer`: writes need W of the old home and W of the new one, reads ask the old home. Who is
   new to a range fetches it from R nodes of the old home (`transfer.py`).
2. `confirm`: begun when all of them have all of it. Writes still need both, reads ask the new home.
3. `stable`: begun once so many old home nodes of each range have come to `confirm` that the rest
   are fewer than R. Only the new home counts.

Nodes do business with one another in one and the same view only: a message of another view is
answered with the newer view, whoever has it, and a coordinator that learns of one begins its open
requests anew. So of two views that follow one another, once the later has completed a request on a
range, the earlier cannot: their quorums meet in a node, and that node has moved on. Hence a write
that was acknowledged in any of them is seen by every read that begins afterwards in any of them:

* Written in `stable` before: R old home nodes refuse such writes from when they hand the range over
  in `transfer`; what was acknowledged before lies on W of them, and so on one of these R. So every
  new home node fetches it, and together with those that stay at least W of the new home hold it.
* Written in `transfer` or `confirm`: it lies on W of the old home and on W of the new one.
* Written in `stable` afterwards: it lies on W of the new home alone. A read of the old home is a
  read in `transfer` or earlier, and fewer than R old home nodes still answer in those.

A change can be given up in `transfer`: the old home has everything. From `confirm` on it goes
forward, and for that it needs nobody who is new, only a majority of the old members, and of each
old home enough to outnumber R. A member that died is no hindrance.

`since` tells lives of a membership apart: a node that was removed, or left, or comes again, finds
a `since` that its data is not of, and forgets it: what it had was handed over or given up, and may
hold versions whose tombstones are collected by now. Its dots stay its own: their counter and its
incarnation go on.

Sources: DeCandia et al., SOSP 2007, 4.8.1, 4.9 (explicit changes; the confirmation round); Lamport,
Malkhi, Zhou, "Reconfiguring a state machine", 2010 (each configuration decides the next); Gilbert,
Lynch, Shvartsman, "RAMBO", 2010 (quorums of two configurations at once).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from systems_under_test.dynamo.partitioning import Deal  # noqa: TC001  (msgspec reads it)

if TYPE_CHECKING:
    from collections.abc import Iterable

STABLE: Final = "stable"
TRANSFER: Final = "transfer"
CONFIRM: Final = "confirm"

Member = tuple[str, int]
"""(node, the number of the view in which it came)."""


class View(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One view. `coming` are the members to be, where a change is under way.

    `leaving` left of their own accord and still hand over what they hold: nothing is collected
    without them. `deal` is whose each token of the members is, where that hangs on how they came.
    """

    number: int
    phase: str
    members: tuple[Member, ...]
    coming: tuple[Member, ...] = ()
    leaving: tuple[Member, ...] = ()
    deal: Deal = ()

    @property
    def electorate(self) -> tuple[str, ...]:
        """Who decides the next view."""
        return names(self.members)

    @property
    def involved(self) -> tuple[str, ...]:
        """Every node that has to do with it."""
        return tuple(dict.fromkeys(names((*self.members, *self.coming, *self.leaving))))

    @property
    def is_settled(self) -> bool:
        """Whether nothing of a change is left to do."""
        return self.phase == STABLE and not self.leaving

    def since(self, node: str) -> int | None:
        """Since which view this node has belonged here without a break; None if it does not."""
        everyone = (*self.members, *self.coming, *self.leaving)
        return next((since for name, since in everyone if name == node), None)

    def change(self) -> str:
        """What is under way, in words."""
        old, new = names(self.members), names(self.coming)
        said = [f"{node} joins" for node in new if node not in old]
        said += [f"{node} goes" for node in old if node not in new]
        return ", ".join(said) if self.coming else "nothing"


def names(members: Iterable[Member]) -> tuple[str, ...]:
    """The nodes of some members."""
    return tuple(name for name, _ in members)


def first_view(members: Iterable[str]) -> View:
    """The view that a cluster begins with."""
    return View(1, STABLE, tuple((name, 1) for name in sorted(members)))


def begun(view: View, *, joins: tuple[str, ...], leaves: tuple[str, ...], gone: str = "") -> View:
    """A change begins: `leaves` go of their own accord, `gone` is given up with what it holds."""
    number = view.number + 1
    staying = [member for member in view.members if member[0] not in (*leaves, gone)]
    coming = tuple(sorted((*staying, *((name, number) for name in joins))))
    left = tuple(member for member in view.members if member[0] in leaves)
    return View(number, TRANSFER, view.members, coming, view.leaving + left, view.deal)


def confirming(view: View) -> View:
    """Everything has been fetched."""
    assert view.phase == TRANSFER
    return replace(view, number=view.number + 1, phase=CONFIRM)


def ended(view: View, deal: Deal = ()) -> View:
    """Enough old home nodes have heard. `deal` is that of the ring of those who came."""
    assert view.phase == CONFIRM
    return View(view.number + 1, STABLE, view.coming, (), view.leaving, deal)


def given_up(view: View) -> View:
    """Back to the old members. Who was to come hands back what it may have stood in for."""
    assert view.phase == TRANSFER
    left = tuple(m for m in view.leaving if m not in view.members)
    back = tuple(m for m in view.coming if m not in view.members)
    return View(view.number + 1, STABLE, view.members, (), left + back, view.deal)


def renewed(view: View, node: str) -> View:
    """The same members, of whom one comes anew, with nothing. One that is no member stays none."""
    number = view.number + 1
    anew = tuple((name, number if name == node else since) for name, since in view.members)
    left = tuple(member for member in view.leaving if member[0] != node)
    return replace(view, number=number, members=anew, leaving=left)


def without(view: View, nodes: Iterable[str]) -> View:
    """The same, and these have left for good."""
    gone = tuple(nodes)
    left = tuple(member for member in view.leaving if member[0] not in gone)
    return replace(view, number=view.number + 1, leaving=left)
