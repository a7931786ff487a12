"""An order is given until it is accepted, and then the members are looked at until they show it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from lineal import administering
from lineal.administering import LiveOrders
from nemesis.administration import Order
from systems_under_test.dynamo.administration import DynamoAdministration
from tests.nemesis.memory_cluster import MemoryCluster
from tests.systems_under_test.local.clusters import until
from workloads.client import Reply

if TYPE_CHECKING:
    from workloads.client import Failure, Request

FIRST = ["n1", "n2", "n3"]


@dataclass
class Store:
    """Accepts every order; its change is under way for two looks, and then it took or not."""

    takes: bool
    asked: list[tuple[str, str]] = field(default_factory=list)

    def ask(self, node: str, request: Request, timeout_s: float) -> Reply | Failure:
        self.asked.append((node, request.method))
        looks = sum(method == "GET" for _, method in self.asked)
        changed = self.takes and looks > 2
        members = [*FIRST, "n4"] if changed else FIRST
        coming = [*FIRST, "n4"] if looks <= 2 else []
        body = json.dumps({"view": {"members": members, "coming": coming}})
        return Reply(200, {}, body.encode())


@pytest.mark.parametrize("takes", [True, False])
def test_what_was_accepted_is_looked_for(takes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administering, "PAUSE_NS", 1_000_000)
    store = Store(takes)
    orders = LiveOrders(MemoryCluster(), DynamoAdministration(), store.ask)
    order = Order("join", "n4")
    orders.begin(1, order)
    until(lambda: len(store.asked) >= 4)
    assert orders.under_way() == [], "the system itself says whether a change is under way"
    until(lambda: bool(orders._given[1].members))
    outcome = orders.end(1)
    orders.close()
    assert outcome is not None
    assert (outcome.accepted, outcome.attempts) == (True, 1)
    assert outcome.members is not None
    assert order.shown_by(outcome.members) == takes
    assert {node for node, _ in store.asked} == {store.asked[0][0]}, "who accepted it is asked"


def test_members_show_an_order() -> None:
    assert Order("leave", "n3").shown_by(["n1", "n2"])
    assert not Order("leave", "n2").shown_by(["n1", "n2"])
    assert Order("replace", "n3", "n4").shown_by(["n1", "n2", "n4"])
    assert not Order("replace", "n3", "n4").shown_by(["n1", "n2"])
    assert not Order("replace", "n3", "n4").shown_by(["n1", "n3", "n4"])
