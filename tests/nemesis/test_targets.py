"""Words for targets, and the nodes that they come to mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemesis.targets import WORDS, Target, minority
from systems_under_test.rng import Rng

FIVE = ("n1", "n2", "n3", "n4", "n5")
clusters = st.integers(1, 9).map(lambda n: tuple(f"n{i + 1}" for i in range(n)))
seeds = st.integers(0, 1_000).map(lambda seed: Rng(f"{seed}/targets"))


@pytest.mark.parametrize(
    ("word", "sizes"),
    [
        ("one", {1}),
        ("some", {1, 2}),
        ("minority", {2}),
        ("majority", {3}),
        ("all", {5}),
        ("none", {0}),
        ("n4+n2", {2}),
    ],
)
def test_a_word_strikes_as_many_of_five_nodes_as_it_says(word: str, sizes: set[int]) -> None:
    rng = Rng("1/words")
    chosen = [Target(word).choose(FIVE, rng) for _ in range(100)]
    assert {len(names) for names in chosen} == sizes
    assert Target(word).sizes(FIVE) == (min(sizes), max(sizes))


@given(clusters, seeds, st.sampled_from(sorted(WORDS)))
def test_targets_are_nodes_in_order_without_repetition(
    nodes: tuple[str, ...], rng: Rng, word: str
) -> None:
    names = Target(word).choose(nodes, rng)
    assert list(names) == sorted(set(names))
    assert set(names) <= set(nodes)
    if word in ("one", "some", "minority"):
        assert len(names) <= max(1, minority(nodes))
    if word == "majority":
        assert 2 * len(names) > len(nodes)


def test_every_node_is_struck_sooner_or_later() -> None:
    rng = Rng("2/words")
    assert {Target("one").choose(FIVE, rng) for _ in range(100)} == {(n,) for n in FIVE}


@given(clusters, seeds, st.sampled_from(sorted(WORDS)), st.integers(0, 9))
def test_the_spared_are_spared_and_the_most_is_kept(
    nodes: tuple[str, ...], rng: Rng, word: str, most: int
) -> None:
    spared = frozenset(nodes[:2])
    names = Target(word).choose(nodes, rng, spared=spared, most=most)
    assert not spared & set(names)
    assert len(names) <= most


def test_explicit_names_stand_in_the_order_of_the_nodes() -> None:
    assert Target("n3+n1").choose(FIVE, Rng("3")) == ("n1", "n3")
    assert Target("n3+n1").choose(FIVE, Rng("3"), spared=frozenset({"n3"})) == ("n1",)


def test_an_unknown_name_is_told_with_the_nodes_and_the_words() -> None:
    (problem,) = Target("n1+n9+x").problems(FIVE)
    assert "no node n9 nor x" in problem
    assert "n1, n2, n3, n4, n5" in problem
    assert "minority" in problem
    assert Target("n1+n5").problems(FIVE) == []
    assert all(Target(word).problems(FIVE) == [] for word in WORDS)


def test_a_minority_of_one_or_two_nodes_is_told_to_be_none() -> None:
    assert "no node at all" in Target("minority").problems(("n1",))[0]
    assert Target("minority").problems(("n1", "n2"))
    assert Target("minority").problems(("n1", "n2", "n3")) == []
