"""Placement on the ring: MD5, tokens by capacity, ranges that partition, preference lists."""

from __future__ import annotations

from hashlib import md5

import pytest

from systems_under_test.dynamo.configuration import Configuration
from systems_under_test.dynamo.preference_list import PreferenceLists
from systems_under_test.dynamo.ring import RING_SIZE, Ring, Token, position_of, random_tokens
from systems_under_test.rng import Rng

NODES = ("n1", "n2", "n3", "n4", "n5")


def ring_of(**counts: int) -> Ring:
    return Ring(random_tokens(counts or dict.fromkeys(NODES, 16)))


@pytest.mark.parametrize(
    ("name", "position"),
    [
        (b"", 0xD41D8CD98F00B204E9800998ECF8427E),
        (b"a", 0x0CC175B9C0F1B6A831C399E269772661),
        (b"message digest", 0xF96B697D7CB7938D525A2F31AAF161D0),
    ],
)
def test_places_by_the_md5_of_the_name(name: bytes, position: int) -> None:
    # The test suite of RFC 1321.
    assert position_of(name) == position
    assert Ring([Token(1, "n1")]).place(name).stored == position.to_bytes(16, "big") + name


def test_every_node_computes_the_same_ring() -> None:
    assert ring_of(n1=4, n2=4).tokens == ring_of(n2=4, n1=4).tokens
    assert ring_of(n1=2).tokens[0].position == min(position_of(b"n1#0"), position_of(b"n1#1"))


def test_a_range_ends_at_its_token_and_begins_after_the_one_before() -> None:
    ring = Ring([Token(10, "a"), Token(20, "b"), Token(30, "c")])
    assert [ring.range_at(p) for p in (0, 10, 11, 20, 21, 30, 31, RING_SIZE - 1)] == [
        0, 0, 1, 1, 2, 2, 0, 0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "positions", [[10, 20, 30], [0, 5], [RING_SIZE - 1], [7, RING_SIZE - 1], [0]]
)
def test_the_scans_of_all_ranges_partition_the_storage(positions: list[int]) -> None:
    ring = Ring([Token(p, f"n{i}") for i, p in enumerate(positions)])
    near = {(p + d) % RING_SIZE for p in (*positions, 0) for d in (-1, 0, 1)}
    for position in near:
        stored = position.to_bytes(16, "big") + b"name"
        holding = [
            i
            for i in range(len(ring))
            for start, stop in ring.scans(i)
            if start <= stored and (stop is None or stored < stop)
        ]
        assert holding == [ring.range_at(position)]


def test_a_stored_key_must_begin_with_the_md5_of_its_name() -> None:
    ring = ring_of()
    assert ring.placed(md5(b"x").digest() + b"x") == ring.place(b"x")
    with pytest.raises(ValueError, match="MD5"):
        ring.placed(md5(b"y").digest() + b"x")


def test_load_follows_capacity() -> None:
    configuration = Configuration(vnodes=64, capacities="n2=3")
    ring = Ring(random_tokens(configuration.tokens(("n1", "n2", "n3"))))
    owners = [ring.order(ring.place(f"key{i}".encode()).range)[0] for i in range(6000)]
    shares = {node: owners.count(node) / 6000 for node in ring.nodes}
    # Three of five parts belong to n2; random tokens spread, so the bounds are wide.
    assert 0.5 < shares["n2"] < 0.7
    assert all(0.12 < shares[node] < 0.28 for node in ("n1", "n3"))


def test_the_preference_list_has_distinct_physical_nodes_clockwise() -> None:
    ring = Ring([Token(1, "a"), Token(2, "a"), Token(3, "b"), Token(4, "a"), Token(5, "c")])
    assert ring.order(0) == ("a", "b", "c")
    assert ring.order(2) == ("b", "a", "c")
    assert ring.order(4) == ("c", "a", "b")
    lists = PreferenceLists(ring, Configuration(n=2))
    assert lists.home(2) == ("b", "a")
    assert lists.fallbacks(2) == ("c",)


@pytest.mark.parametrize("seed", range(60))
def test_the_first_n_healthy_stand_for_each_home_node_once(seed: int) -> None:
    rng = Rng(f"placement/{seed}")
    nodes = tuple(f"n{i}" for i in range(rng.between(3, 9)))
    n = rng.between(1, len(nodes))
    strict = rng.below(2)
    configuration = Configuration(n=n, quorum="strict" if strict else "sloppy")
    ring = Ring(random_tokens(dict.fromkeys(nodes, 4)))
    lists = PreferenceLists(ring, configuration)
    for i in range(len(ring)):
        down = {node for node in nodes if rng.below(3) == 0}
        placed = lists.placement(i, lambda node, down=down: node not in down)  # type: ignore[misc]
        home, order = lists.home(i), ring.order(i)
        assert len(set(order)) == len(order) == len(nodes)
        assert not down & placed.keys()
        assert len(set(placed.values())) == len(placed)
        assert all(placed[node] == node for node in home if node not in down)
        healthy = [node for node in (home if strict else order) if node not in down]
        assert set(placed) == set(healthy[:n] if not strict else healthy)


def test_a_stand_in_is_the_next_healthy_one_that_is_not_taken() -> None:
    lists = PreferenceLists(ring_of(), Configuration())
    first, second = lists.fallbacks(0)
    assert lists.next_fallback(0, lambda _: True, ()) == first
    assert lists.next_fallback(0, lambda node: node != first, ()) == second
    assert lists.next_fallback(0, lambda _: True, (first, second)) is None


def test_the_extended_list_is_as_long_as_asked_and_strict_has_none() -> None:
    ring = ring_of()
    assert len(PreferenceLists(ring, Configuration(extended=4)).fallbacks(3)) == 1
    assert len(PreferenceLists(ring, Configuration()).fallbacks(3)) == 2
    assert PreferenceLists(ring, Configuration(quorum="strict")).fallbacks(3) == ()


def test_each_range_is_held_by_n_nodes() -> None:
    lists = PreferenceLists(ring_of(), Configuration())
    held = [i for node in NODES for i in lists.held_by(node)]
    assert sorted(held) == sorted(list(range(80)) * 3)
    assert set(lists.held_by_both("n1", "n2")) == set(lists.held_by("n1")) & set(
        lists.held_by("n2")
    )
