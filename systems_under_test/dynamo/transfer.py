"""Transfer: who is new to a range fetches it from R nodes of the old home.

Only the ranges whose home changes, and only to those who were not in the old home. Each range is
read page by page from each of R old home nodes, in the view of the transfer: so these take writes
of no earlier view any more, and what was acknowledged before lies on at least one of them
(`views.py` has the argument). One or two of them may lack a write; the union does not. Meanwhile
new writes come to the old home and the new one alike.

A source that starts over itself (`store_repair.py`) gives what it has, and counts only where all
others have given too: two nodes that start over must not wait for one another.

It may begin again at any time, as after a crash: merging twice is merging once. A source that does
not answer is left out, and another one asked.

Source: DeCandia et al., SOSP 2007, 4.9 (adding and removing storage nodes).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.admission import INTERVAL
from systems_under_test.dynamo.bugs import JOIN_SERVES_EARLY
from systems_under_test.dynamo.messages import Entry, Pull, Pulled
from systems_under_test.dynamo.store_repair import WHOLE
from systems_under_test.dynamo.views import TRANSFER

if TYPE_CHECKING:
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.step import Step

PULL: Final = "transfer"
PULLS_MAX: Final = 4
"""Pages that are asked for at a time."""
PAGE_ENTRIES_MAX: Final = 200
PAGE_BYTES_MAX: Final = 1 << 20


@dataclass(slots=True)
class Fetching:
    """A range that this node is new to: who has given all of it, and who is giving."""

    range: int
    done: set[str] = field(default_factory=set)
    whole: int = 0
    """How many of those that are done hold everything that they should."""
    source: str = ""
    after: bytes = b""


@dataclass(frozen=True, slots=True)
class Asked:
    """A page that was asked for."""

    fetching: Fetching
    source: str
    asked_at: int


class Transfer:
    """Fetches what this node is new to, and gives others what they are new to."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._todo: list[Fetching] = []
        self._asked: dict[int, Asked] = {}

    @property
    def is_done(self) -> bool:
        """Whether everything has been fetched."""
        return not self._todo or self._node.bug == JOIN_SERVES_EARLY

    @property
    def ranges_left(self) -> int:
        """How many ranges are not fetched yet."""
        return len(self._todo)

    def begin(self, step: Step) -> None:
        """A view has come, or a life begins: see what is to be fetched."""
        node = self._node
        self._asked.clear()
        gains = node.lists.gains(node.name) if node.view.phase == TRANSFER else ()
        lost = node.lists.held_by(node.name) if node.store.is_filling else ()
        todo = map(Fetching, dict.fromkeys((*lost, *gains)))
        # With n=1 there is nobody who could give what was lost.
        self._todo = [fetching for fetching in todo if self._sources(fetching)]
        node.counters.ranges_gained += len(gains)
        if self._todo or node.store.is_filling:
            step.set_timer(PULL, 0)

    def on_timer(self, step: Step) -> None:
        """Leave out who has not answered, and ask on."""
        node = self._node
        patience = node.configuration.replica_timeout
        for request, asked in list(self._asked.items()):
            if step.mono - asked.asked_at >= patience:
                del self._asked[request]
                node.detector.missed(step, asked.source, asked.asked_at)
                asked.fetching.source = ""
        all_asked = self._ask(step)
        if self._todo:
            step.set_timer(PULL, patience if all_asked else INTERVAL)
        else:
            self._fill(step)

    def on_pull(self, step: Step, sender: str, message: Pull) -> None:
        """Give a page of a range."""
        node = self._node
        whole = not node.store.is_filling
        if not node.admission.admits(step):
            step.send(sender, Pulled(message.request, (), more=True, whole=whole))
            return
        entries: list[Entry] = []
        size = 0
        more = False
        for stored, blob in node.versions.scan_after(step, message.range, message.after):
            size += len(stored) + len(blob)
            if len(entries) == PAGE_ENTRIES_MAX or (entries and size > PAGE_BYTES_MAX):
                more = True
                break
            entries.append((stored, blob))
        step.send(sender, Pulled(message.request, tuple(entries), more, whole))

    def on_pulled(self, step: Step, sender: str, message: Pulled) -> None:
        """Merge a page; ask for the next, of this range or of another."""
        asked = self._asked.pop(message.request, None)
        if asked is None:
            return
        node, fetching = self._node, asked.fetching
        for stored, blob in message.entries:
            node.watch.met(stored, blob)
            node.counters.keys_transferred += node.versions.merge(
                step, node.ring.placed(stored), blob
            )
        if message.more and not message.entries:  # The source has no slice for it now.
            step.set_timer(PULL, INTERVAL)
            return
        if message.more:
            fetching.after = message.entries[-1][0]
        else:
            fetching.done.add(sender)
            fetching.whole += message.whole
            fetching.source, fetching.after = "", b""
            if fetching.whole >= node.configuration.r or self._has_all(fetching):
                self._todo.remove(fetching)
        if not self._ask(step):
            step.set_timer(PULL, INTERVAL)
        self._fill(step)

    def _fill(self, step: Step) -> None:
        """A node that started over holds everything again once nothing is left to fetch."""
        if not self._todo and self._node.store.is_filling:
            self._node.store.become(step, WHOLE)
            step.log("store-whole")

    def _has_all(self, fetching: Fetching) -> bool:
        """Whether all others have given what they hold: there is no more to be had."""
        return fetching.done.issuperset(self._sources(fetching))

    def _sources(self, fetching: Fetching) -> tuple[str, ...]:
        """Who can give a range: its home in the view that the transfer began in."""
        home = self._node.lists.home(fetching.range)
        return tuple(peer for peer in home if peer != self._node.name)

    def _ask(self, step: Step) -> bool:
        """Ask for pages, as many at a time as are allowed; False if there was no slice for one."""
        node = self._node
        busy = {id(asked.fetching) for asked in self._asked.values()}
        for fetching in self._todo:
            if len(self._asked) >= PULLS_MAX:
                return True
            if id(fetching) in busy or not self._choose(fetching):
                continue
            if not node.admission.admits(step):
                return False
            request = node.new_request()
            self._asked[request] = Asked(fetching, fetching.source, step.mono)
            node.detector.asked(step, fetching.source)
            node.counters.pages_pulled += 1
            step.send(fetching.source, Pull(request, fetching.range, fetching.after))
        return True

    def _choose(self, fetching: Fetching) -> bool:
        """Go on with the source, or choose another; whether there is one."""
        node = self._node
        if not fetching.source or not node.detector.is_up(fetching.source):
            sources = self._sources(fetching)
            able = (p for p in sources if p not in fetching.done and node.detector.is_up(p))
            fetching.source, fetching.after = next(able, ""), b""
        return bool(fetching.source)
