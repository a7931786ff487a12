"""Dotted versions are as exact as explicit sets of dots, and shorter."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from systems_under_test.dynamo.dots import DotSource
from systems_under_test.dynamo.ring import Key
from systems_under_test.dynamo.versions import (
    EMPTY,
    NOTHING,
    Dot,
    Version,
    Versions,
    context_of,
    covers,
    decode,
    encode,
    join,
    merge,
    seen_with,
)
from systems_under_test.rng import Rng
from tests.systems_under_test.dynamo.alone import Tables, step_on

KEY = Key(b"k", b"\0" * 16 + b"k", 0)
OTHER = Key(b"other", b"\1" * 16 + b"other", 1)


@dataclass
class Server:
    """A node that makes dots, with the same state kept twice: as versions and as sets of dots."""

    name: str
    tables: Tables = field(default_factory=Tables)
    incarnation: int = 0
    versions: Versions = EMPTY
    twin: dict[Dot, frozenset[Dot]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.incarnation += 1
        step = step_on(self.tables)
        self.dots = DotSource(
            step, self.name, self.incarnation, vector=False, bug=None, durable=True
        )
        self.tables.apply(step.effects)

    def make(self, key: Key, history: object) -> Version:
        step = step_on(self.tables)
        version = self.dots.new_version(step, key, history, b"v")  # type: ignore[arg-type]
        self.tables.apply(step.effects)
        return version

    def take(self, versions: Versions, twin: dict[Dot, frozenset[Dot]]) -> None:
        self.versions = merge(self.versions, versions)
        both = {**self.twin, **twin}
        seen = frozenset[Dot]().union(*both.values())
        self.twin = {dot: both[dot] for dot in both if dot not in seen}


@pytest.mark.parametrize("seed", range(150))
def test_agrees_with_explicit_sets_of_dots(seed: int) -> None:
    rng = Rng(f"versions/{seed}")
    servers = [Server(name) for name in ("n1", "n2", "n3")]
    contexts: list[tuple[object, frozenset[Dot]]] = [(NOTHING, frozenset())]
    made: list[Dot] = []
    for _ in range(60):
        server = rng.choice(servers)
        match rng.below(8):
            case 0 | 1 | 2:  # A put with a context of any age, here or blind.
                history, seen = rng.choice(contexts[-6:])
                version = server.make(KEY, history)
                server.take((version,), {version.dot: seen})
                made.append(version.dot)
                contexts.append((seen_with(version), seen | {version.dot}))
            case 3 | 4:  # A read of what one node holds.
                seen = frozenset(server.twin).union(*server.twin.values())
                contexts.append((context_of(server.versions), seen))
            case 5:  # A node hears from another.
                other = rng.choice(servers)
                server.take(other.versions, other.twin)
            case 6:  # The key was handed off and forgotten, or the node crashed with its memory.
                server.versions, server.twin = EMPTY, {}
                if rng.below(2):
                    server.restart()
            case _:
                server.make(OTHER, NOTHING)
        for each in servers:
            assert {v.dot for v in each.versions} == set(each.twin)
            assert all(
                covers(v.history, d) == (d in each.twin[v.dot]) for v in each.versions for d in made
            )
        for history, seen in contexts[-2:]:
            assert all(covers(history, d) == (d in seen) for d in made)  # type: ignore[arg-type]
    assert len(made) == len(set(made))


@pytest.mark.parametrize("seed", range(40))
def test_merging_is_commutative_associative_and_idempotent(seed: int) -> None:
    rng = Rng(f"merge/{seed}")
    server, pieces = Server("n1"), [EMPTY]
    for _ in range(8):
        history = context_of(rng.choice(pieces)) if rng.below(3) else NOTHING
        pieces.append((server.make(KEY, history),))
        pieces.append(merge(rng.choice(pieces), rng.choice(pieces)))
    a, b, c = (rng.choice(pieces) for _ in range(3))
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, a) == a
    assert encode(merge(a, b)) == encode(merge(b, a))


def test_a_version_vector_would_lose_what_a_forgetful_stand_in_wrote_before() -> None:
    stand_in = Server("d")
    first = stand_in.make(KEY, NOTHING)
    stand_in.make(OTHER, NOTHING)
    stand_in.dots._last.clear()  # Handed off, and the memory of it lost.
    second = stand_in.make(KEY, NOTHING)
    assert merge((first,), (second,)) == (first, second)
    # As numbers per node, d:3 covers d:1 although nobody had seen it.
    assert second.dot.counter >= first.dot.counter
    assert not covers(seen_with(second), first.dot)


def test_prev_is_the_last_dot_of_the_key_and_not_the_greatest_that_is_stored() -> None:
    server = Server("d")
    first, second = server.make(KEY, NOTHING), server.make(KEY, NOTHING)
    # A reader of the first alone writes: the second was never seen and must stay.
    third = server.make(KEY, seen_with(first))
    assert merge((first, second), (third,)) == (second, third)


def test_updates_that_build_on_one_another_stay_one_interval() -> None:
    server, history = Server("n1"), NOTHING
    for _ in range(50):
        server.make(OTHER, NOTHING)
        version = server.make(KEY, history)
        history = seen_with(version)
    assert history == (("n1", server.dots.number, (1, 100)),)


def test_blind_writes_of_others_leave_holes_that_nothing_covers() -> None:
    server = Server("n1")
    a, b, c = (server.make(KEY, NOTHING) for _ in range(3))
    history = context_of((a, c))
    assert history == (("n1", server.dots.number, (0, 1, 2, 3)),)
    assert not covers(history, b.dot)


def test_no_dot_is_used_twice_across_lives() -> None:
    server = Server("n1")
    first = server.make(KEY, NOTHING)
    server.restart()
    second = server.make(KEY, NOTHING)
    assert second.dot.store == first.dot.store
    assert second.dot.counter > first.dot.counter  # What was set aside is skipped.
    assert second.prev == first.dot.counter  # Which dot of the key was the last is durable.
    server.tables.tables.clear()  # The store is lost, and its counter.
    server.restart()
    assert server.make(KEY, NOTHING).dot.store != first.dot.store


def test_the_bug_reuse_dot_after_crash_uses_a_dot_twice() -> None:
    tables = Tables()
    bug = "reuse-dot-after-crash"
    lives = [
        DotSource(step_on(tables), "n1", life, vector=False, bug=bug, durable=True)
        for life in (1, 2)
    ]
    assert len({life.new_version(step_on(tables), KEY, NOTHING, b"").dot for life in lives}) == 1


def test_joins_touching_and_overlapping_intervals_and_keeps_holes() -> None:
    one = (("a", 1, (0, 2, 5, 7)), ("b", 1, (3, 4)))
    other = (("a", 1, (2, 4, 6, 9)), ("a", 2, (0, 1)))
    joined = join([one, other])
    assert joined == (("a", 1, (0, 4, 5, 9)), ("a", 2, (0, 1)), ("b", 1, (3, 4)))


def test_encoding_keeps_everything_and_none_is_empty() -> None:
    versions = (
        Version(Dot("n1", 1, 4), 3, NOTHING, b"\xff"),
        Version(Dot("n2", 7, 9), 2, (("n1", 1, (1, 2)),), None),
    )
    assert decode(encode(versions)) == versions
    assert decode(None) == EMPTY
