"""Three strategies divide the ring among the nodes; zones spread the copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lineal.cli.main import main
from systems_under_test.dynamo.balance import (
    SIZES,
    STRATEGIES,
    efficiency,
    grown,
    loads,
    table,
)
from systems_under_test.dynamo.configuration import Configuration, configure, problems_of
from systems_under_test.dynamo.partitioning import equal_ends, make_ring
from systems_under_test.dynamo.preference_list import PreferenceLists
from systems_under_test.dynamo.ring import RING_SIZE
from systems_under_test.rng import Rng
from tests.systems_under_test.dynamo.driving import NODES, Drive
from tests.systems_under_test.dynamo.storm import any_fault, storm

if TYPE_CHECKING:
    from systems_under_test.dynamo.ring import Ring


def walked(ring: Ring, end: int) -> tuple[str, ...]:
    """The simple twin: nodes in order of how far their nearest token lies clockwise of the end."""
    nearest: dict[str, int] = {}
    for token in ring.tokens:
        distance = (token.position - end) % RING_SIZE
        nearest[token.node] = min(distance, nearest.get(token.node, distance))
    return tuple(sorted(nearest, key=lambda node: nearest[node]))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("partitions", [7, 120])
def test_the_order_of_a_range_is_who_is_met_clockwise_from_its_end(
    strategy: str, partitions: int
) -> None:
    ring = make_ring(Configuration(partitioning=strategy, partitions=partitions), NODES)
    assert len(ring) == (80 if strategy == "random" else partitions)
    assert sum(ring.arc(i)[1] for i in range(len(ring))) == RING_SIZE
    rng = Rng(f"partitioning/{strategy}")
    for i, end in enumerate(ring.ends):
        assert ring.order(i) == walked(ring, end)
        first, length = ring.arc(i)
        assert ring.range_at((first + rng.below(length)) % RING_SIZE) == i
        assert ring.range_at(end) == i


def test_equal_ranges_end_at_the_end_of_the_ring_and_differ_by_one_position() -> None:
    for partitions in (1, 3, 120):
        ends = equal_ends(partitions)
        assert ends[-1] == RING_SIZE - 1
        lengths = [b - a for a, b in zip([-1, *ends], ends, strict=False)]
        assert max(lengths) - min(lengths) <= 1


def test_equal_partitioning_follows_capacity() -> None:
    configuration = configure({"partitioning": "equal", "partitions": 60, "capacities": "n1=2"})
    ring = make_ring(configuration, NODES)
    owned = [token.node for token in ring.tokens]
    assert {node: owned.count(node) for node in NODES} == {
        "n1": 20, "n2": 10, "n3": 10, "n4": 10, "n5": 10,
    }  # fmt: skip


def test_the_loads_are_all_of_the_ring_n_times() -> None:
    for strategy in STRATEGIES:
        configuration = Configuration(partitioning=strategy)
        assert sum(loads(make_ring(configuration, NODES), configuration).values()) == 3 * RING_SIZE


@pytest.mark.parametrize("size", SIZES[1:])
def test_equal_partitions_balance_better_than_random_tokens(size: int) -> None:
    divided = [Configuration(partitioning=strategy, partitions=480) for strategy in STRATEGIES]
    first, second, third = (efficiency(grown(each)[size], each) for each in divided)
    assert 0.5 < first < 0.95
    assert abs(first - second) < 0.1
    assert third > 0.95 > first


def test_the_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "ring"]) == 0
    assert capsys.readouterr().out.splitlines() == list(table())


# --- zones ---


@pytest.mark.parametrize("seed", range(40))
def test_no_two_of_the_first_n_are_in_one_zone_while_zones_suffice(seed: int) -> None:
    rng = Rng(f"zones/{seed}")
    nodes = tuple(f"n{i}" for i in range(rng.between(3, 9)))
    zone_of = {node: f"z{rng.below(4)}" for node in nodes}
    n = rng.between(1, len(nodes))
    options = {"n": n, "r": 1, "w": 1, "zones": zone_of, "vnodes": 4}
    assert problems_of(options, nodes) == []
    ring = make_ring(configure(options), nodes)
    lists = PreferenceLists(ring, configure(options))
    for i in range(len(ring)):
        home, order = lists.home(i), ring.order(i)
        assert len({zone_of[node] for node in home}) == min(n, len(set(zone_of.values())))
        assert sorted((*home, *lists.fallbacks(i))) == sorted(nodes)
        assert home[0] == order[0]
        assert list(lists.fallbacks(i)) == [node for node in order if node not in home]


def test_a_node_without_a_zone_is_a_zone_of_its_own() -> None:
    configuration = configure({"zones": "n1=a,n2=a"})
    lists = PreferenceLists(make_ring(configuration, NODES), configuration)
    homes = [lists.home(i) for i in range(len(lists.ring))]
    assert not any({"n1", "n2"} <= set(home) for home in homes)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"zones": "n1"}, "zones must be like n1=a,n2=b"),
        ({"zones": "n9=a"}, "zones names n9"),
        ({"partitioning": "equal", "partitions": 4}, "partitions must be from 5"),
        ({"partitioning": "some"}, "partitioning must be random or"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem in problems_of(options, NODES))


@pytest.mark.parametrize(
    "options",
    [
        {"partitioning": "random-equal"},
        {"partitioning": "equal", "zones": "n1=a,n2=a,n3=b,n4=b,n5=c"},
    ],
)
def test_a_store_divided_otherwise_loses_nothing_in_a_storm(options: dict[str, Any]) -> None:
    blown = storm(Drive(options, seed=3), 3)
    blown.blow(8, any_fault)
    assert blown.problems == []
