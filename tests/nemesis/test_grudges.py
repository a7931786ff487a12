"""The shapes of partitions, and the algebra that makes them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemesis.grudges import (
    VARIANTS,
    any_variant,
    bridge,
    complete,
    deaf_node,
    from_json,
    grudge_of,
    halves,
    hears,
    majorities_ring,
    majority,
    mute_node,
    one_node,
    one_way_halves,
    random_halves,
    secluded,
    to_json,
    union,
)
from systems_under_test.environments.cluster import Grudge, links_of
from systems_under_test.rng import Rng

clusters = st.integers(1, 9).map(lambda n: tuple(f"n{i + 1}" for i in range(n)))
bigger = st.integers(3, 9).map(lambda n: tuple(f"n{i + 1}" for i in range(n)))
seeds = st.integers(0, 1_000).map(lambda seed: Rng(f"{seed}/grudges"))

FIVE = ("n1", "n2", "n3", "n4", "n5")


def mutual(grudge: Grudge, a: str, b: str) -> bool:
    return a not in grudge.get(b, frozenset()) and b not in grudge.get(a, frozenset())


@given(clusters, seeds, st.sampled_from(sorted(VARIANTS)))
def test_no_shape_makes_a_node_ignore_itself_or_a_stranger(
    nodes: tuple[str, ...], rng: Rng, variant: str
) -> None:
    grudge = VARIANTS[variant].make(nodes, rng) if nodes else {}
    for receiver, senders in grudge.items():
        assert receiver in nodes
        assert senders
        assert senders <= set(nodes) - {receiver}


@given(clusters, seeds, st.sampled_from(sorted(VARIANTS)))
def test_every_shape_cuts_something_once_there_are_nodes_enough(
    nodes: tuple[str, ...], rng: Rng, variant: str
) -> None:
    shape = VARIANTS[variant]
    assert bool(shape.make(nodes, rng)) == (len(nodes) >= shape.nodes_min)


@given(bigger, seeds)
def test_in_a_majorities_ring_every_node_hears_a_majority_and_no_two_the_same(
    nodes: tuple[str, ...], rng: Rng
) -> None:
    grudge = majorities_ring(nodes, rng)
    heard = {node: hears(grudge, node, nodes) for node in nodes}
    assert all(len(h) == majority(nodes) and node in h for node, h in heard.items())
    assert len(set(heard.values())) == len(nodes)


@given(seeds)
def test_a_ring_of_five_is_symmetric(rng: Rng) -> None:
    grudge = majorities_ring(FIVE, rng)
    assert secluded(grudge, FIVE) == ()
    for a, b in itertools.combinations(FIVE, 2):
        assert (a in hears(grudge, b, FIVE)) == (b in hears(grudge, a, FIVE))


@given(bigger, seeds)
def test_across_a_bridge_one_node_talks_with_all_and_the_sides_do_not(
    nodes: tuple[str, ...], rng: Rng
) -> None:
    grudge = bridge(nodes, rng)
    middles = [n for n in nodes if all(mutual(grudge, n, other) for other in nodes if other != n)]
    assert len(middles) == 1
    others = [n for n in nodes if n not in middles]
    side = {n for n in others if mutual(grudge, n, others[0])}
    rest = set(others) - side
    assert abs(len(side) - len(rest)) <= 1
    assert not any(mutual(grudge, a, b) for a in side for b in rest)


@given(bigger, seeds)
def test_halves_leave_each_node_its_own_half(nodes: tuple[str, ...], rng: Rng) -> None:
    for make in (halves, random_halves):
        grudge = make(nodes, rng)
        components = {hears(grudge, node, nodes) for node in nodes}
        assert len(components) == 2
        small, large = sorted(components, key=len)
        assert small | large == set(nodes)
        assert len(small) == len(nodes) // 2


def test_halves_are_the_first_nodes_and_random_halves_are_not_always() -> None:
    rng = Rng("1/halves")
    assert hears(halves(FIVE, rng), "n1", FIVE) == {"n1", "n2"}
    seen = {hears(random_halves(FIVE, rng), "n1", FIVE) for _ in range(50)}
    assert len(seen) > 5


@given(bigger, seeds)
def test_one_node_is_cut_off_both_ways(nodes: tuple[str, ...], rng: Rng) -> None:
    grudge = one_node(nodes, rng)
    (alone,) = secluded(grudge, nodes)
    assert hears(grudge, alone, nodes) == {alone}
    assert all(hears(grudge, n, nodes) == set(nodes) - {alone} for n in nodes if n != alone)


@given(bigger, seeds)
def test_one_way_shapes_leave_the_way_back_open(nodes: tuple[str, ...], rng: Rng) -> None:
    for make in (one_way_halves, mute_node, deaf_node):
        cut = links_of(make(nodes, rng))
        assert cut
        assert not any((receiver, sender) in cut for sender, receiver in cut)


@given(bigger, seeds)
def test_a_mute_node_hears_and_a_deaf_node_is_heard(nodes: tuple[str, ...], rng: Rng) -> None:
    mute_links, deaf_links = links_of(mute_node(nodes, rng)), links_of(deaf_node(nodes, rng))
    assert len({sender for sender, _ in mute_links}) == 1
    assert len({receiver for _, receiver in deaf_links}) == 1
    assert len(mute_links) == len(deaf_links) == len(nodes) - 1


def test_any_variant_draws_every_shape() -> None:
    rng = Rng("2/any")
    drawn = {tuple(sorted(links_of(any_variant(FIVE, rng)))) for _ in range(300)}
    assert {len(links) for links in drawn} == {4, 6, 8, 10, 12}


def test_a_complete_grudge_of_three_components_cuts_every_link_between_them() -> None:
    grudge = complete([["n1"], ["n2", "n3"], ["n4"]])
    assert grudge["n2"] == {"n1", "n4"}
    assert grudge["n1"] == {"n2", "n3", "n4"}
    assert len(links_of(grudge)) == 10


def test_a_union_cuts_what_either_cuts() -> None:
    a, b = grudge_of({"n1": ["n2"]}), grudge_of({"n1": ["n3"], "n2": ["n1"]})
    assert union([a, b]) == {"n1": {"n2", "n3"}, "n2": {"n1"}}
    assert union([]) == {}


@given(bigger, seeds, st.sampled_from(sorted(VARIANTS)))
def test_a_grudge_survives_its_way_through_a_history(
    nodes: tuple[str, ...], rng: Rng, variant: str
) -> None:
    grudge = VARIANTS[variant].make(nodes, rng)
    assert from_json(to_json(grudge)) == grudge


@pytest.mark.parametrize("value", [None, ["n1"], {"n1": "n2"}, {1: ["n2"]}])
def test_what_is_no_grudge_is_refused_in_words(value: object) -> None:
    with pytest.raises(ValueError, match="maps each receiver to a list of senders"):
        from_json(value)


def test_the_secluded_are_those_without_a_majority_there_and_back() -> None:
    assert secluded(halves(FIVE, Rng("3")), FIVE) == ("n1", "n2")
    assert secluded(grudge_of({"n2": ["n1"]}), FIVE) == ()
    assert secluded(halves(FIVE[:4], Rng("3")), FIVE[:4]) == FIVE[:4]
