"""Reads that write back what they show, while members change: both homes have to keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.dynamo.envelope import seal
from systems_under_test.dynamo.messages import Fetch, Fetched, NewerView, Store, Stored
from systems_under_test.dynamo.views import View, begun, confirming, first_view
from systems_under_test.replica import PeerMessage
from tests.systems_under_test.dynamo.alone import Alone, responses, sent
from tests.systems_under_test.dynamo.driving import Drive
from tests.systems_under_test.dynamo.storm import storm
from tests.systems_under_test.dynamo.test_membership import SEVEN, changes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from systems_under_test.dynamo.messages import AnyMessage
    from systems_under_test.replica import Effect
    from tests.systems_under_test.dynamo.storm import Storm

NODES = tuple(f"n{i}" for i in range(1, 7))
UNREPAIRED = {"read_repair": "off", "anti_entropy": "off"}
STABLE = first_view(NODES[:5])
TRANSFER = begun(STABLE, joins=("n6",), leaves=())


class Coordinator:
    """Node n1 with a key that it keeps before n6 has come and afterwards."""

    def __init__(self, **options: Any) -> None:
        given = {"quorum": "strict", "write_back": "on", "spares": 1, **options}
        self.node = Alone("n1", given, nodes=NODES)
        self.view = STABLE
        self.move(TRANSFER)
        self.name, self.goes, self.stays = next(filter(None, map(self._moving, range(100))))
        put = written_back(self.node.request("PUT", f"/kv/{self.name}", b"v"))
        for peer, request in put.items():
            self.hear(peer, Stored(request))
        assert not self.node.replica._life.writes.open  # type: ignore[union-attr]

    def move(self, view: View) -> Sequence[Effect]:
        """Hear of another view."""
        effects = self.hear("n2", NewerView(view))
        self.view = view
        return effects

    def hear(self, sender: str, message: AnyMessage) -> Sequence[Effect]:
        """A message of another node, in the view of this one."""
        return self.node.handle(PeerMessage(sender, 1, seal(message, view=self.view.number)))

    def _moving(self, number: int) -> tuple[str, str, str] | None:
        """A key that n6 takes over: who keeps it no more, and who does besides n1."""
        life = self.node.replica._life
        assert life is not None
        name = f"k{number}"
        place = life.node.ring.place(name.encode()).range
        old, new = (set(leg) for leg in life.node.lists.placements(place, lambda _: True))
        if not {"n1"} < old & new or "n6" not in new:
            return None
        (goes,), (stays,) = old - new, old & new - {"n1"}
        return name, goes, stays


def written_back(effects: Sequence[Effect]) -> dict[str, int]:
    """Who was sent a copy, and under which number."""
    return {to: it.request for to, it in sent(effects) if isinstance(it, Store)}


@pytest.mark.parametrize("phase", ["transfer", "confirm"])
def test_a_read_is_answered_when_w_of_the_old_home_and_w_of_the_new_hold_it(phase: str) -> None:
    at = Coordinator()
    if phase == "confirm":
        at.move(confirming(TRANSFER))
    asked = sent(at.node.request("GET", f"/kv/{at.name}"))
    fetch = next(message for _, message in asked if isinstance(message, Fetch))
    stores = written_back(at.hear(at.stays, Fetched(fetch.request, None)))
    assert set(stores) == {at.goes, at.stays, "n6"}
    first, second = ("n6", at.goes) if phase == "confirm" else (at.goes, "n6")
    assert not responses(at.hear(first, Stored(stores[first])))
    (reply,) = responses(at.hear(second, Stored(stores[second])))
    assert b'"value":"v"' in reply.body


def test_what_was_written_back_in_an_earlier_view_counts_no_more() -> None:
    at = Coordinator(r=1, w=3)
    stores = written_back(at.node.request("GET", f"/kv/{at.name}"))
    for peer in (at.goes, at.stays):
        assert not responses(at.hear(peer, Stored(stores[peer])))
    anew = written_back(at.move(confirming(TRANSFER)))
    numbers = {anew[peer] for peer in (at.goes, at.stays, "n6")}
    assert numbers.isdisjoint(stores.values())
    assert not responses(at.hear("n6", Stored(stores["n6"])))
    assert not responses(at.hear("n6", Stored(anew["n6"])))
    assert not responses(at.hear(at.stays, Stored(anew[at.stays])))
    assert len(responses(at.hear(at.goes, Stored(anew[at.goes])))) == 1


def blown(seed: int, **more: Any) -> Storm:
    """A storm in which members come and go, and each client has to see what it has seen."""
    options = {"quorum": "strict", "write_back": "on", "spares": 2, **UNREPAIRED}
    drive = Drive({**options, **more}, seed=seed, nodes=SEVEN)
    found = storm(drive, seed, keys=4, deletes=False, monotonic=True)
    found.blow(12, changes)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_no_client_sees_less_than_it_has_seen_in_a_storm_of_changes(seed: int) -> None:
    storm_ = blown(seed)
    assert storm_.problems == []
    assert storm_.drive.counter("written_back") > 0


def test_the_storm_sees_reads_that_are_not_written_back() -> None:
    problems = [it for seed in (0, 3) for it in blown(seed, write_back="off").problems]
    assert problems
    assert all("had read" in problem for problem in problems)
