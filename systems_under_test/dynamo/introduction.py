"""Introduction: a store is made known to the other nodes before it serves, so that its loss shows.

A node that starts with an empty store may be one that never was, or one whose disk was emptied or
replaced. Alone it cannot tell, and the second must not serve: it would answer reads with nothing
though it has acknowledged writes, and vote as if it never had. So every store has a mark, made when
it is first opened, and others keep the first mark that they have heard of a node for ever. A `new`
store says its mark to all. Answers of a majority of the others that know no other mark make it
`whole`; a single one that does makes it one that was lost, which is treated as a damaged store is
(`store_repair.py`). Two majorities of the others have a node in common: so what one life of a node
has served, no later one can fail to hear of, unless that node has lost its disk too.

Who knew an earlier store says which was its latest life. Where the number of starts was lost with
the disk, lives go on beyond that (`Node.go_on_after`), so that no dot and no number of a request is
given twice.

Until it is whole or known to be lost a store takes no part, and what comes waits. With
`engine=memory` nothing is introduced: there every start begins with nothing, and nothing else is
promised.

Source: Chandra, Griesemer, Redstone, "Paxos made live", PODC 2007, 5.1 (a replica whose disk was
replaced is told from a new one by a marker kept elsewhere).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from systems_under_test.dynamo.configuration import MS
from systems_under_test.dynamo.dots import META
from systems_under_test.dynamo.messages import Introduce, Introduced
from systems_under_test.dynamo.store_repair import BLANK, NEW, RENEWING, WHOLE
from systems_under_test.replica import ClientRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from systems_under_test.dynamo.messages import Mark
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.step import Step
    from systems_under_test.replica import PeerMessage

INTRODUCE: Final = "introduce"
MARKS: Final = "marks"
OWN: Final = b"mark"
WAITED: Final = "waited"
INTERVAL: Final = 100 * MS

_encode = msgspec.msgpack.Encoder().encode
_mark: msgspec.msgpack.Decoder[Mark] = msgspec.msgpack.Decoder(tuple[int, int])


class Introduction:
    """Makes the store of this node known, and knows those of others. `settled` is called once."""

    def __init__(
        self, node: Node, latest_life: Callable[[str], int], settled: Callable[[Step], None]
    ) -> None:
        self._node = node
        self._latest_life = latest_life
        self._settled = settled
        self._mark: Mark = (0, 0)
        self._known_to: set[str] = set()
        self._waiting: list[tuple[int, ClientRequest | PeerMessage]] = []

    def start(self, step: Step, *, is_old: bool) -> None:
        """See whether the store is new; one that `is_old` and has no mark yet is only given one."""
        node = self._node
        stored = step.get(META, OWN)
        if stored is not None:
            self._mark = _mark.decode(stored)
        else:
            # Two clocks: no generator of random numbers here is another one after a loss.
            self._mark = (step.wall, step.mono)
            step.write(META, OWN, _encode(self._mark))
            if node.store.state == WHOLE and not is_old:
                node.store.become(step, NEW)
        if node.store.state == NEW and len(node.nodes) == 1:
            node.store.become(step, WHOLE)
        elif node.store.state == NEW or (stored is None and node.store.state == WHOLE):
            self._tell(step)

    def _tell(self, step: Step) -> None:
        """Say the mark to all who have not answered, and again after a while."""
        left = [peer for peer in self._node.nodes if peer not in (self._node.name, *self._known_to)]
        for peer in left:
            step.send(peer, Introduce(self._mark))
        if left or self._waiting:
            step.set_timer(INTRODUCE, INTERVAL)

    def on_timer(self, step: Step) -> None:
        """Go on until all have answered, so that any of them could tell of it."""
        self._tell(step)

    def on_introduce(self, step: Step, sender: str, message: Introduce) -> None:
        """Keep the first mark of a node, and say which it was."""
        known = step.get(MARKS, sender.encode())
        if known is None:
            step.write(MARKS, sender.encode(), _encode(message.mark))
        mark = message.mark if known is None else _mark.decode(known)
        step.send(sender, Introduced(message.mark, mark, self._latest_life(sender)))

    def on_introduced(self, step: Step, sender: str, message: Introduced) -> None:
        """Somebody knows this store, or another one."""
        node = self._node
        if message.asked != self._mark:
            return
        if node.store.state != NEW:
            self._known_to.add(sender)
            return
        if message.known != self._mark:
            node.go_on_after(step, message.life)
            waits = node.configuration.on_damage != "set-aside"
            node.store.lose(step, f"{sender} knows an earlier one", BLANK if waits else RENEWING)
            step.log("store-lost", known_to=sender, life=message.life)
            self._settled(step)
            return
        self._known_to.add(sender)
        if 2 * len(self._known_to) > len(node.nodes) - 1:
            node.store.become(step, WHOLE)
            self._settled(step)

    # --- what waits for it ---

    def hold(self, step: Step, event: ClientRequest | PeerMessage) -> bool:
        """Keep an input until it is known what this store is; False if too many wait."""
        if len(self._waiting) >= self._node.configuration.requests_max:
            return False
        self._waiting.append((step.mono, event))
        return True

    def next(self, step: Step) -> ClientRequest | PeerMessage | None:
        """What has waited longest, once it need wait no longer: one in each input."""
        if not self._waiting:
            return None
        (_, event), *self._waiting = self._waiting
        if self._waiting:
            step.set_timer(WAITED, 0)
        return event

    def overdue(self, step: Step) -> list[ClientRequest]:
        """The requests of clients that have waited too long; messages as old are dropped."""
        until = step.mono - self._node.configuration.request_timeout
        gone = [event for asked_at, event in self._waiting if asked_at <= until]
        self._waiting = self._waiting[len(gone) :]
        return [event for event in gone if isinstance(event, ClientRequest)]
