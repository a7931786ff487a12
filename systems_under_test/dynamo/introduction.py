"""Introduction: a store is made known to the other nodes before it serves, so that its loss shows.

A node that starts with an empty store may be one that never was, or one whose disk was emptied or
replaced. Alone it cannot tell, and the second must not serve: it would answer reads with nothing
though it has acknowledged writes, and vote as if it never had. So every store has a mark, made when
it is first opened, and others keep the first mark that they have heard of a node for ever. A store
says its mark to all others at each start, until all have answered, and each answers with all marks
that it knows. One that is `new` takes no part until it has heard enough:

* A single answer that knows another mark of it: its disk was lost. It is treated as a damaged store
  is (`store_repair.py`). Before it is repaired it hears all marks from a majority of the members,
  so a disk that is lost next does not find that those who knew it have forgotten.
* A majority of the others know no other mark, and are *established* themselves: they are whole, or
  have been repaired as far as that. Each of them knows what any store was that served before it:
  it has kept the mark when that was told, or heard it when it was repaired.
* All others know no other mark, though some are new themselves: so a cluster begins. Two stores
  that were lost at once do not pass each other as new as long as there is one that knows them.

So what is not found out is the loss of all disks before any was repaired, upon which nothing is
left that could tell, and the cluster is a new one.

Who knew an earlier store says which was its latest life. Where the number of starts was lost with
the disk, lives go on beyond that (`Node.go_on_after`).

Until it is whole or known to be lost a store takes no part, and what comes waits. With
`engine=memory` nothing is introduced: there every start begins with nothing, and nothing else is
promised.

Source: Chandra, Griesemer, Redstone, "Paxos made live", PODC 2007, 5.1 (a replica whose disk was
replaced is told from a new one by a marker kept elsewhere).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import msgspec

from systems_under_test.dynamo.configuration import MS
from systems_under_test.dynamo.dots import META
from systems_under_test.dynamo.messages import Introduce, Introduced
from systems_under_test.dynamo.store_repair import BLANK, NEW, RENEWING, WHOLE
from systems_under_test.replica import ClientRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from systems_under_test.dynamo.membership import Membership
    from systems_under_test.dynamo.messages import Mark
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.step import Step
    from systems_under_test.replica import PeerMessage

INTRODUCE: Final = "introduce"
MARKS: Final = "marks"
OWN: Final = b"mark"
WAITED: Final = "waited"
ALWAYS: Final = frozenset({INTRODUCE, WAITED})
"""The timers that also a silent node has."""
INTERVAL: Final = 100 * MS
LATER: Final = 1_000 * MS
"""The interval where nothing waits for the answers."""
WAITING_BYTES_MAX: Final = 16 << 20
"""The values and messages that wait may come to so many bytes; what is more is refused or lost."""

_encode = msgspec.msgpack.Encoder().encode
_mark: msgspec.msgpack.Decoder[Mark] = msgspec.msgpack.Decoder(tuple[int, int])


class Introduction:
    """Makes the store of this node known, and knows those of others. `settled` is called once."""

    def __init__(self, node: Node, membership: Membership, settled: Callable[[Step], None]) -> None:
        self._node = node
        self._membership = membership
        self._settled = settled
        self._mark: Mark = (0, 0)
        self._marks: dict[str, Mark] = {}
        self._others = tuple(peer for peer in node.nodes if peer != node.name)
        self._heard: set[str] = set()
        self._established: set[str] = set()
        self._waiting: deque[tuple[int, ClientRequest | PeerMessage]] = deque()
        self._waiting_bytes = 0

    def start(self, step: Step, *, is_old: bool) -> None:
        """See whether the store is new; one that `is_old` and has no mark yet is only given one."""
        store = self._node.store
        self._marks = {name.decode(): _mark.decode(mark) for name, mark in step.scan(MARKS)}
        stored = step.get(META, OWN)
        if stored is not None:
            self._mark = _mark.decode(stored)
        else:
            # Two clocks: no generator of random numbers here is another one after a loss.
            self._mark = (step.wall, step.mono)
            step.write(META, OWN, _encode(self._mark))
            if store.state == WHOLE and not is_old:
                store.become(step, NEW if self._others else WHOLE)
        self._tell(step)

    @property
    def knows_others(self) -> bool:
        """Whether it has heard all marks from as many members as decide on a view."""
        electorate = self._node.view.electorate
        told = sum(peer in self._established for peer in electorate)
        return 2 * told > len(electorate) or electorate == (self._node.name,)

    def go_on(self, step: Step) -> None:
        """The repair is ordered: hear from others what their marks are."""
        step.set_timer(INTRODUCE, 0)

    def on_timer(self, step: Step) -> None:
        """Go on until all have answered, so that any of them could tell of it."""
        self._tell(step)

    def _tell(self, step: Step) -> None:
        """Say the mark to all whose answer is wanted, and again after a while."""
        waits = self._node.store.state in (NEW, RENEWING)
        had = self._established if waits else self._heard
        left = [peer for peer in self._others if peer not in had]
        for peer in left:
            step.send(peer, Introduce(self._mark, self._node.incarnation))
        if left or self._waiting:
            step.set_timer(INTRODUCE, INTERVAL if waits or self._waiting else LATER)

    def on_introduce(self, step: Step, sender: str, message: Introduce) -> None:
        """Keep the first mark of a node, and say which it was, and those of all others."""
        self._keep(step, sender, message.mark)
        life = self._membership.latest_life(sender)
        self._membership.heard(step, sender, message.life)
        marks = ((self._node.name, self._mark), *self._marks.items())
        established = self._node.store.is_established
        known = self._marks[sender]
        step.send(sender, Introduced(message.mark, known, life, established, marks))

    def _keep(self, step: Step, name: str, mark: Mark) -> None:
        if name not in self._marks:
            self._marks[name] = mark
            step.write(MARKS, name.encode(), _encode(mark))

    def on_introduced(self, step: Step, sender: str, message: Introduced) -> None:
        """Somebody knows this store, or another one."""
        node = self._node
        if message.asked != self._mark:
            return
        for name, mark in message.marks:
            if name != node.name:
                self._keep(step, name, mark)
        self._heard.add(sender)
        if message.established:
            self._established.add(sender)
        if node.store.state != NEW:
            return
        if message.known != self._mark:
            node.go_on_after(step, message.life)
            waits = node.configuration.on_damage != "set-aside"
            node.store.lose(step, f"{sender} knows an earlier one", BLANK if waits else RENEWING)
            step.log("store-lost", known_to=sender, life=message.life)
            self._settled(step)
        elif self._is_known():
            node.store.become(step, WHOLE)
            self._settled(step)

    def _is_known(self) -> bool:
        """Whether nobody can have known an earlier store of this node."""
        return 2 * len(self._established) > len(self._others) or len(self._heard) == len(
            self._others
        )

    # --- what waits for it ---

    def hold(self, step: Step, event: ClientRequest | PeerMessage) -> bool:
        """Keep an input until it is known what this store is; False if too much waits."""
        size = _size_of(event)
        full = len(self._waiting) >= self._node.configuration.requests_max
        if full or self._waiting_bytes + size > WAITING_BYTES_MAX:
            return False
        self._waiting.append((step.mono, event))
        self._waiting_bytes += size
        return True

    def next(self, step: Step) -> ClientRequest | PeerMessage | None:
        """What has waited longest, once it need wait no longer: one in each input."""
        if not self._waiting:
            return None
        event = self._oldest()
        if self._waiting:
            step.set_timer(WAITED, 0)
        return event

    def _oldest(self) -> ClientRequest | PeerMessage:
        _, event = self._waiting.popleft()
        self._waiting_bytes -= _size_of(event)
        return event

    def overdue(self, step: Step) -> list[ClientRequest]:
        """The requests of clients that have waited too long; messages as old are dropped."""
        until = step.mono - self._node.configuration.request_timeout
        gone: list[ClientRequest | PeerMessage] = []
        while self._waiting and self._waiting[0][0] <= until:
            gone.append(self._oldest())
        return [event for event in gone if isinstance(event, ClientRequest)]


def _size_of(event: ClientRequest | PeerMessage) -> int:
    """The bytes of a request's value, or of what a message carries (`envelope.py`)."""
    body: Any = event.body
    if isinstance(event, ClientRequest):
        return len(body)
    return sum(len(part) for part in body if isinstance(part, bytes))
