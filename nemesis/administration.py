"""Orders to the system itself, as its admin would give them: who carries them out in a run.

An environment knows nodes and links, and no system. So whoever opens a run that changes members
says here who gives the orders; a nemesis asks for them, and the run waits for those under way
before it calls the cluster quiescent. An order takes time, in the simulation too: it is begun, and
what became of it is asked later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

    from systems_under_test.environments.cluster import Cluster


JOIN: Final = "join"
LEAVE: Final = "leave"
REPLACE: Final = "replace"
REPAIR: Final = "repair"


@dataclass(frozen=True, slots=True)
class Order:
    """`join`, `leave`, `replace` of a node `by` another, `repair` of one whose store is damaged."""

    change: str
    node: str
    by: str = ""

    def shown_by(self, members: Collection[str]) -> bool:
        """Whether these members are as ordered."""
        comes = {JOIN: self.node, REPLACE: self.by}.get(self.change)
        goes = self.node if self.change in (LEAVE, REPLACE) else None
        return (comes is None or comes in members) and (goes is None or goes not in members)

    def __str__(self) -> str:
        return f"{self.change} {self.node}" + (f" by {self.by}" if self.by else "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order: whether a node has accepted it, and what was said last."""

    accepted: bool
    attempts: int
    said: str
    members: tuple[str, ...] | None = None
    """Who were members when that was last looked for, where a system tells."""


class Administrator(Protocol):
    """Gives orders. Each is tried through one node after another, for a bounded time."""

    def begin(self, number: Hashable, order: Order) -> None:
        """Begin to give an order, under a name of the caller's; returns at once."""
        ...

    def end(self, number: Hashable) -> Outcome | None:
        """Try no more; what became of the order. None if there was none."""
        ...

    def under_way(self) -> list[str]:
        """The orders that nobody has accepted and that are still tried, in words."""
        ...


_ADMINISTRATORS: WeakKeyDictionary[Cluster, Administrator] = WeakKeyDictionary()


def administer(cluster: Cluster, administrator: Administrator) -> None:
    """From now on this one gives the orders in this cluster."""
    _ADMINISTRATORS[cluster] = administrator


def dismiss(cluster: Cluster) -> None:
    """Nobody gives them any more. An administrator knows its cluster, which it would keep here."""
    _ADMINISTRATORS.pop(cluster, None)


def administrator(cluster: Cluster) -> Administrator | None:
    """Who gives the orders, if anybody."""
    return _ADMINISTRATORS.get(cluster)
