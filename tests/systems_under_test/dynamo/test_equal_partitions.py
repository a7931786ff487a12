"""Strategy 3: who joins takes what it needs, who goes leaves what it had, nothing else moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.dynamo.arrangement import Arrangement
from systems_under_test.dynamo.balance import efficiency
from systems_under_test.dynamo.configuration import configure
from systems_under_test.dynamo.partitioning import deal_of, dealt, make_ring
from systems_under_test.dynamo.preference_list import PreferenceLists
from systems_under_test.dynamo.views import begun, confirming, ended, first_view, given_up, names
from systems_under_test.rng import Rng
from tests.proof.sweeping import simulate
from tests.systems_under_test.dynamo.driving import Drive
from tests.systems_under_test.dynamo.storm import storm
from tests.systems_under_test.dynamo.test_membership import SEVEN, assert_kept, changes, filled

if TYPE_CHECKING:
    from pathlib import Path

    from systems_under_test.dynamo.ring import Ring

EQUAL: dict[str, Any] = {"partitioning": "equal"}
CONFIGURATION = configure(EQUAL)
PARTITIONS = CONFIGURATION.partitions


def shares(deal: tuple[str, ...]) -> dict[str, int]:
    """How many tokens each node has."""
    return {node: deal.count(node) for node in sorted(set(deal))}


def moved(before: tuple[str, ...], after: tuple[str, ...]) -> list[int]:
    """The tokens that have another owner."""
    return [i for i, owner in enumerate(before) if after[i] != owner]


def homes(ring: Ring) -> list[set[str]]:
    """Who keeps each range."""
    lists = PreferenceLists(ring, CONFIGURATION)
    return [set(lists.home(i)) for i in range(len(ring))]


@pytest.mark.parametrize("seed", range(30))
def test_a_change_moves_only_the_tokens_of_who_comes_or_goes(seed: int) -> None:
    rng = Rng(f"equal/{seed}")
    nodes = tuple(f"n{i}" for i in range(5))
    ring = make_ring(CONFIGURATION, nodes)
    for number in range(20):
        deal, kept = deal_of(CONFIGURATION, ring), homes(ring)
        joins = len(nodes) < 4 or (len(nodes) < 12 and rng.below(2))
        who = f"m{number}" if joins else rng.choice(nodes)
        nodes = tuple(sorted({*nodes} ^ {who}))
        ring = make_ring(CONFIGURATION, nodes, deal)
        new = deal_of(CONFIGURATION, ring)
        assert set(new) == set(nodes)
        assert max(shares(new).values()) - min(shares(new).values()) <= 1
        assert efficiency(ring, CONFIGURATION) > 0.75
        if joins:
            assert {new[i] for i in moved(deal, new)} == {who}
            assert len(moved(deal, new)) in (PARTITIONS // len(nodes), PARTITIONS // len(nodes) + 1)
        else:
            assert {deal[i] for i in moved(deal, new)} == {who}
            assert len(moved(deal, new)) == deal.count(who)
        for before, after in zip(kept, homes(ring), strict=True):
            assert before == after or who in (after if joins else before)


def test_who_replaces_another_takes_its_tokens_as_they_lie() -> None:
    deal = deal_of(CONFIGURATION, make_ring(CONFIGURATION, SEVEN[:5]))
    new = deal_of(CONFIGURATION, make_ring(CONFIGURATION, (*SEVEN[1:5], "n6"), deal))
    assert new == tuple("n6" if owner == "n1" else owner for owner in deal)


@pytest.mark.parametrize("partitions", [5, 6, 12])
def test_a_node_of_little_capacity_has_a_token_through_every_change(partitions: int) -> None:
    small = EQUAL | {"partitions": partitions, "capacities": "n1=64,n2=64,n6=64"}
    configuration = configure(small)
    deal: tuple[str, ...] = ()
    for nodes in (SEVEN[:5], SEVEN[:4], ("n1", "n2", "n4", "n6"), ("n3", "n4", "n5")):
        ring = make_ring(configuration, nodes, deal)
        deal = deal_of(configuration, ring)
        assert set(deal) == set(nodes)
        lists = PreferenceLists(ring, configuration)
        assert {len(lists.home(i)) for i in range(partitions)} == {configuration.n}


def test_shares_follow_capacity_also_after_a_join() -> None:
    configuration = configure(EQUAL | {"partitions": 60, "capacities": "n1=2,n6=3"})
    deal = deal_of(configuration, make_ring(configuration, SEVEN[:5]))
    new = deal_of(configuration, make_ring(configuration, SEVEN[:6], deal))
    assert shares(deal) == {"n1": 20, "n2": 10, "n3": 10, "n4": 10, "n5": 10}
    assert sorted(shares(new).values()) == [6, 6, 7, 7, 14, 20]
    assert {new[i] for i in moved(deal, new)} == {"n6"}


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tokens_of_a_node_lie_n_apart_wherever_there_is_a_choice(n: int) -> None:
    deal = dealt(dict.fromkeys(SEVEN, 1), n, ("",) * 70)
    assert deal == SEVEN * 10


def test_the_next_view_follows_on_the_deal_of_the_last() -> None:
    first = first_view(SEVEN[:5])
    joining = begun(first, joins=("n6",), leaves=())
    came = ended(confirming(joining), Arrangement(confirming(joining), CONFIGURATION).deal)
    before = Arrangement(first, CONFIGURATION).deal
    assert len(moved(before, came.deal)) == PARTITIONS // 6
    assert Arrangement(came, CONFIGURATION).deal == came.deal
    leaving = begun(came, joins=(), leaves=("n2",))
    assert given_up(leaving).deal == leaving.deal == came.deal
    left = ended(confirming(leaving), Arrangement(confirming(leaving), CONFIGURATION).deal)
    anew = make_ring(CONFIGURATION, names(left.members))
    assert left.deal != deal_of(CONFIGURATION, anew), "it hangs on who came and went before"
    assert moved(came.deal, left.deal) == [i for i, who in enumerate(came.deal) if who == "n2"]


def ranges(drive: Drive, node: str) -> list[Any]:
    """The ranges as a node shows them."""
    shown: list[Any] = drive.page(node, "ring")["ranges"]
    return shown


def test_all_nodes_come_to_the_same_deal_and_keep_it_over_a_power_loss() -> None:
    drive = Drive(EQUAL | {"spares": 2}, nodes=SEVEN)
    values = filled(drive)
    before = ranges(drive, "n1")
    drive.change("n1", "join", node="n6")
    gained = [one for one in ranges(drive, "n1") if "n6" in one["home"]]
    changed = [
        a for a, b in zip(ranges(drive, "n1"), before, strict=True) if a["home"] != b["home"]
    ]
    assert gained == changed
    drive.change("n3", "leave", node="n2")
    drive.change("n4", "join", node="n7")
    for node in drive.cluster.nodes.values():
        node.power_off()
    drive.settle()
    assert all(ranges(drive, node) == ranges(drive, "n1") for node in SEVEN)
    assert_kept(drive, values)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_with_equal_partitions_while_members_come_and_go(seed: int) -> None:
    drive = Drive(EQUAL | {"spares": 2, "partitions": 30}, seed=seed, nodes=SEVEN)
    blown = storm(drive, seed)
    blown.blow(16, changes)
    assert blown.problems == []
    assert drive.page("n1", "status")["view"]["view"] > 3
    drive.settle()
    assert all(ranges(drive, node) == ranges(drive, "n1") for node in SEVEN)


@pytest.mark.parametrize("quorum", ["strict", "sloppy"])
@pytest.mark.parametrize("seed", range(2))
def test_a_store_of_equal_partitions_is_not_accused_while_members_change(
    quorum: str, seed: int, tmp_path: Path
) -> None:
    options = EQUAL | {"quorum": quorum, "spares": 2}
    judgement = simulate(
        "dynamo",
        seed,
        tmp_path,
        faults="membership,partition,kill,pause",
        workload="membership",
        options=options,
        nodes=SEVEN,
    )
    assert judgement.status == "valid", judgement.explain()
