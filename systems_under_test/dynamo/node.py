"""What the techniques of one node share: its name, its place on the ring, its stores."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.admission import Admission
from systems_under_test.dynamo.api import CONTEXT_HEADER, shown_key
from systems_under_test.dynamo.arrangement import Arrangement
from systems_under_test.dynamo.bugs import (
    ACK_BEFORE_DURABLE,
    DROP_SIBLINGS,
    FORGET_HINTS,
    NO_STAND_INS,
)
from systems_under_test.dynamo.counters import Counters
from systems_under_test.dynamo.dots import META, DotSource
from systems_under_test.dynamo.failure_detection import FailureDetection
from systems_under_test.dynamo.hinted_handoff import ForgetfulHintStore, HintStore
from systems_under_test.dynamo.measurements import Measurements
from systems_under_test.dynamo.membership import stored_view
from systems_under_test.dynamo.store_repair import StoreCondition
from systems_under_test.dynamo.version_store import VERSIONS, VersionStore
from systems_under_test.dynamo.views import first_view
from systems_under_test.dynamo.watch import Watch
from systems_under_test.dynamo.write_buffer import WriteBuffer

if TYPE_CHECKING:
    from systems_under_test.dynamo.api import Response
    from systems_under_test.dynamo.configuration import Configuration
    from systems_under_test.dynamo.ring import Key, Ring
    from systems_under_test.dynamo.step import Step
    from systems_under_test.dynamo.views import View
    from systems_under_test.replica import Place

LIFE_BITS: Final = 40
LIVES_BITS: Final = 63 - LIFE_BITS
PAST_LIVES: Final = b"past-lives"
LIVES_SKIPPED: Final = 1_000
"""More than the lives that a node may have had of which no other has heard."""


class Node:
    """One life of a node. Made at its first input, when its incarnation is known."""

    def __init__(
        self,
        step: Step,
        place: Place,
        configuration: Configuration,
        bug: str | None,
        incarnation: int,
        damage: str = "",
    ) -> None:
        if bug == NO_STAND_INS:
            configuration = replace(configuration, quorum="strict")
        durable = bug != ACK_BEFORE_DURABLE
        self.name = place.node
        self.nodes = place.nodes
        self.configuration = configuration
        self.bug = bug
        past = step.get(META, PAST_LIVES)
        incarnation += 0 if past is None else int.from_bytes(past, "big")
        self.incarnation = incarnation
        """The number of this life: of no life with this name was there one before."""
        self.damage = damage
        """What the host found damaged and put aside, so that this life began with nothing."""
        self.view = stored_view(step) or first_view(configuration.first_members(place.nodes))
        step.view, step.life = self.view.number, incarnation
        self.lists = Arrangement(self.view, configuration)
        self.ring: Ring = self.lists.ring
        """The ring of the view."""
        self.counters = Counters()
        self.admission = Admission(configuration, self.counters)
        self.detector = FailureDetection(configuration, self.counters)
        self.buffer = WriteBuffer(VERSIONS, configuration, self.counters)
        self.versions = VersionStore(
            self.ring, self.buffer, drop_siblings=bug == DROP_SIBLINGS, durable=durable
        )
        self.hints = (
            ForgetfulHintStore(place.nodes)
            if bug == FORGET_HINTS
            else HintStore(place.nodes, durable=durable)
        )
        self.dots = DotSource(
            step,
            self.name,
            incarnation,
            vector=configuration.versioning == "vector-clock",
            stamped=configuration.reconciliation == "last-write-wins",
            bug=bug,
            durable=durable and not configuration.write_buffer_ms,
        )
        self.watch = Watch()
        self.store = StoreCondition(
            step, damage, waits=configuration.on_damage == "wait", copies=configuration.n
        )
        self.measured = Measurements()
        self._requests = incarnation << LIFE_BITS

    def come_to(self, step: Step, view: View) -> None:
        """Go on in another view."""
        self.view = view
        step.view = view.number
        self.lists = Arrangement(view, self.configuration)
        self.ring = self.lists.ring
        self.versions.arrange(self.ring)

    def go_on_after(self, step: Step, life: int) -> None:
        """The number of starts was lost, and there were so many lives at least: skip them."""
        if life < self.incarnation:
            return
        skipped = life + LIVES_SKIPPED
        step.write(META, PAST_LIVES, skipped.to_bytes(8, "big"))
        self.incarnation += skipped
        step.life = self.incarnation
        self._requests = self.incarnation << LIFE_BITS

    @property
    def ballots(self) -> int:
        """What no ballot of another life of this node has, whatever is lost."""
        return (self.dots.number << LIVES_BITS) + self.incarnation

    def new_request(self) -> int:
        """A number for a request to peers that no request of any life of this node has had.

        So an answer to an earlier life is never taken for one to this life.
        """
        self._requests += 1
        return self._requests

    def reply(self, step: Step, client: int, response: Response) -> None:
        """Answer a client of this node."""
        latency = self.measured.answered(step, client)
        if latency is not None:
            self.admission.observe(latency)
        headers = {"content-type": response.content_type}
        if response.context is not None:
            headers[CONTEXT_HEADER] = response.context
        if response.allow:
            headers["allow"] = response.allow
        step.respond(client, response.status, headers, response.body)

    def is_home(self, key: Key) -> bool:
        """Whether this node is among those that keep the key."""
        return self.name in self.lists.keepers(key.range)

    def held(self, step: Step, key: Key) -> bytes | None:
        """What this node holds of a key: as home its versions, else what its hints hold."""
        if self.is_home(key):
            return self.versions.read(step, key)
        return self.hints.read(step, key)

    def keep(self, step: Step, key: Key, blob: bytes, home: str, *, may_wait: bool = False) -> bool:
        """Merge versions of a key: as home into the store, else into a hint for that home node.

        What may wait, waits in the write buffer, if there is one.
        False where the key has no business here, because the sender's ring is another one.
        """
        self.watch.met(key.stored, blob)
        homes = self.lists.keepers(key.range)
        if self.name in homes:
            self.versions.merge(step, key, blob, may_wait=may_wait)
            return True
        if home not in homes:
            step.log("misplaced", key=shown_key(key.name), home=home)
            return False
        self.hints.put(step, home, key.stored, blob)
        self.counters.hints_stored += 1
        return True
