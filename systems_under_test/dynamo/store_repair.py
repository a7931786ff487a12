"""Repair of a damaged store: a node that has lost what it held starts over from its peers.

A host that finds a store damaged puts it aside and starts the node with nothing; a disk that was
emptied or replaced leaves a node with nothing too (`introduction.py` finds that out, and until then
the store is `new`). Such a node would be worse than a dead one: it would answer reads with nothing,
and vote on views as if it had never voted. So it is `blank`: it shows its
pages, refuses everything else with a sentence, and is silent to its peers, until the admin orders
`POST /admin/repair`, after every restart too. (With the option `on-damage=set-aside` the admin has
ordered it beforehand.) Then it is

* `renewing`: it learns the present view, and has the members agree on one in which it comes anew
  (a new `since`). It does not vote: a majority of the others does. From then on no acknowledgement
  of its earlier lives counts, since requests begin anew in a new view.
* `filling`: it takes writes, and fetches every range that it keeps from R other nodes of its home
  (`transfer.py`); it has no say in reads. What was acknowledged by W nodes lies on W-1 others at
  least, and any R of the N-1 others meet these.
* `whole`: as before. Its dots are new ones: its incarnation has gone on.

What only damaged nodes held is lost.

Source: DeCandia et al., SOSP 2007, 4.7 (replicas are brought up to date from their peers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.dots import META
from systems_under_test.dynamo.messages import (
    Accepted,
    Gossip,
    GossipBack,
    Introduce,
    Introduced,
    NewerView,
    Outbid,
    Ping,
    Pong,
    Promised,
    WhichView,
)

if TYPE_CHECKING:
    from systems_under_test.dynamo.step import Step

STORE: Final = b"store"
NEW: Final = "new"
WHOLE: Final = "whole"
BLANK: Final = "blank"
RENEWING: Final = "renewing"
FILLING: Final = "filling"

EMPTIED: Final = "emptied"

OF_STORES: Final = frozenset({Introduce, Introduced})
"""What a node takes at any time."""

OF_VIEWS: Final = frozenset({GossipBack, NewerView, Promised, Accepted, Outbid})
"""What a node takes besides while it is renewing."""

OF_NEWCOMERS: Final = frozenset({Ping, Pong, Gossip, GossipBack, WhichView, NewerView})
"""What a node takes besides while it is new."""


class StoreCondition:
    """Whether what this node holds can be relied upon; durable."""

    def __init__(self, step: Step, damage: str, *, waits: bool, copies: int) -> None:
        self._copies = copies
        stored = step.get(META, STORE)
        state, _, reason = (stored or b"whole\0").decode().partition("\0")
        self.state, self.reason = state, reason
        if damage:
            self.reason = damage
            self.become(step, BLANK if waits else RENEWING)

    def become(self, step: Step, state: str) -> None:
        """Go on in this state, durably."""
        self.state = state
        if state == WHOLE:
            self.reason = ""
            step.write(META, STORE, None)
        else:
            step.write(META, STORE, f"{state}\0{self.reason}".encode())

    def lose(self, step: Step, reason: str, state: str) -> None:
        """The store was emptied: go on as one that lacks what others know of."""
        self.reason = f"{EMPTIED}: {reason}"
        self.become(step, state)

    @property
    def is_silent(self) -> bool:
        """Whether the node does nothing until the admin says so."""
        return self.state == BLANK

    @property
    def is_apart(self) -> bool:
        """Whether it has no part in the store's work yet, and no vote."""
        return self.state in (NEW, BLANK, RENEWING)

    @property
    def is_established(self) -> bool:
        """Whether it is known to be what it should be, though it may not hold everything yet."""
        return self.state in (WHOLE, FILLING)

    @property
    def is_filling(self) -> bool:
        """Whether it lacks what others hold."""
        return self.state == FILLING

    def serves(self, *, writes: bool) -> bool:
        """Whether clients are served: while it is filling, what they write."""
        return self.state == WHOLE or (writes and self.state == FILLING)

    def shown(self) -> dict[str, str]:
        """For the status."""
        return {"state": self.state, "reason": self.reason}

    def whence(self) -> str:
        """From what it starts over."""
        if self._copies > 1:
            return "from its peers"
        return "with nothing: with n=1 nobody else holds what it has lost, and that is gone"

    def refusal(self) -> str:
        """What a client is told that asks for more than a page."""
        if self.state == BLANK:
            emptied = self.reason.startswith(EMPTIED)
            found = self.reason if emptied else f"damaged and set aside ({self.reason})"
            return (
                f"the store of this node was found {found}; "
                f"order POST /admin/repair, and it starts over {self.whence()}"
            )
        if self.state == NEW:
            return (
                "the store of this node is new, or was emptied: it serves once a majority of the "
                "other nodes has said which; start them, or mend what cuts them off"
            )
        return f"this node starts over {self.whence()}; it is not done yet"

    def takes(self, kind: type) -> bool:
        """Whether a message of this kind is taken now."""
        if self.is_established or kind in OF_STORES:
            return True
        if self.state == NEW:
            return kind in OF_NEWCOMERS
        return self.state == RENEWING and kind in OF_VIEWS
