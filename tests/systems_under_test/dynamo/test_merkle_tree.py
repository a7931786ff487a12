"""Merkle trees equal their simple twin, and two of them find one key among many in few messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from systems_under_test.dynamo.anti_entropy import BRANCHES_MAX, COMPARE
from systems_under_test.dynamo.merkle_tree import (
    FAN_OUT,
    LEAF_KEYS_MAX,
    RING_SIZE,
    MerkleTree,
    digest_of,
)
from systems_under_test.dynamo.messages import Branches, Exchange, Inventory, Same, Store
from systems_under_test.dynamo.ring import Ring, Token, scans_of
from systems_under_test.dynamo.version_store import VERSIONS
from systems_under_test.dynamo.versions import NOTHING, Dot, Version, encode
from systems_under_test.rng import Rng
from tests.systems_under_test.dynamo.alone import Alone, sent

if TYPE_CHECKING:
    from systems_under_test.dynamo.merkle_tree import Branch
    from systems_under_test.dynamo.messages import AnyMessage

OPTIONS = {"n": 2, "r": 1, "w": 1, "vnodes": 1}


class Twin:
    """Everything in a dictionary; each digest folded anew."""

    def __init__(self) -> None:
        self.held: dict[int, int] = {}

    def entries(self, branch: Branch) -> list[tuple[int, int]]:
        """What lies in a branch's arc."""
        return [
            (position, number)
            for position, number in sorted(self.held.items())
            if (position - branch.first) % RING_SIZE < branch.length
        ]


@pytest.mark.parametrize("seed", range(25))
def test_every_branch_has_the_digest_of_everything_in_its_arc(seed: int) -> None:
    rng = Rng(f"merkle/{seed}")
    first = rng.below(RING_SIZE)
    length = rng.choice([RING_SIZE, 1 << 100, 17, 300, rng.between(1, RING_SIZE)])
    tree, twin = MerkleTree(first, length), Twin()
    for _ in range(rng.between(1, 600)):
        position = (first + rng.below(length)) % RING_SIZE
        old, new = twin.held.get(position), rng.below(1 << 128)
        if old is None:
            twin.held[position] = new
            tree.replace(position, new, keys=1)
        elif rng.below(2):
            twin.held[position] = new
            tree.replace(position, old ^ new, keys=0)
        else:
            del twin.held[position]
            tree.replace(position, old, keys=-1)
        if rng.below(20) == 0:
            tree.find(bytes(rng.below(FAN_OUT) for _ in range(rng.below(4))), twin.entries)
    waiting = [tree.root]
    while waiting:
        branch = waiting.pop()
        entries = twin.entries(branch)
        assert (branch.digest, branch.keys) == (digest_of(entries), len(entries))
        if not branch.is_leaf:
            branch.divide(entries)
        waiting += branch.children or ()


@pytest.mark.parametrize("length", [1, 15, 16, 17, 255, 1000])
def test_children_cover_an_arc_that_wraps_once_and_without_gaps(length: int) -> None:
    root = MerkleTree(RING_SIZE - 7, length).root
    positions = [(root.first + i) % RING_SIZE for i in range(length)]
    children = root.divide([(position, 1) for position in positions])
    for position in positions:
        inside = [
            number
            for number, child in enumerate(children)
            if (position - child.first) % RING_SIZE < child.length
        ]
        assert inside == [root.child_at(position)]
    assert sum(child.length for child in children) == length


def test_a_path_to_nowhere_finds_nothing() -> None:
    tree, twin = MerkleTree(0, RING_SIZE), Twin()
    assert tree.find(bytes([16]), twin.entries) is None
    assert tree.find(bytes(32), twin.entries) is None
    assert MerkleTree(5, 3).find(bytes([0]), twin.entries) is None
    found = tree.find(bytes(31), twin.entries)
    assert found is not None
    assert found.length == FAN_OUT


def test_an_arc_is_scanned_as_the_storage_orders_it() -> None:
    end = RING_SIZE.to_bytes(17, "big")[1:]
    assert scans_of(RING_SIZE - 2, 2) == [((RING_SIZE - 2).to_bytes(16, "big"), None)]
    wrapping = scans_of(RING_SIZE - 2, 5)
    assert wrapping == [(b"", b"\0" * 15 + b"\3"), ((RING_SIZE - 2).to_bytes(16, "big"), None)]
    assert scans_of(0, RING_SIZE) == [(end, None)]
    assert Ring([Token(9, "a")]).arc(0) == (10, RING_SIZE)
    assert Ring([Token(9, "a"), Token(20, "b")]).arc(0) == (21, RING_SIZE - 11)


# --- the walk ---


def blob(counter: int, value: bytes = b"v") -> bytes:
    return encode((Version(Dot("n9", 1, counter), counter - 1, NOTHING, value),))


def two_nodes(keys: int) -> tuple[Alone, Alone]:
    """Two nodes that hold the same keys, all of them in two ranges that both keep."""
    one, other = (Alone(name, OPTIONS, nodes=("n1", "n2")) for name in ("n1", "n2"))
    for node, name in ((one, "n1"), (other, "n2")):
        for i in range(keys):
            node.message("n9", Store(1, b"key%d" % i, blob(i + 1), name))
    return one, other


def compare(one: Alone, other: Alone) -> list[AnyMessage]:
    """One round between n1 and n2: every message of it."""
    node_of = {"n1": one, "n2": other}
    messages: list[AnyMessage] = []
    waiting = [("n2", "n1", m) for to, m in sent(one.fire(COMPARE, 1000)) if to == "n2"]
    while waiting:
        receiver, sender, message = waiting.pop(0)
        messages.append(message)
        assert len(messages) < 10_000
        replies = sent(node_of[receiver].message(sender, message))
        waiting += [(sender, receiver, reply) for _, reply in replies]
    return messages


@pytest.mark.parametrize(("keys", "levels"), [(40, 0), (700, 1), (9000, 2)])
def test_messages_grow_with_the_logarithm_of_keys_for_one_key_that_differs(
    keys: int, levels: int
) -> None:
    one, other = two_nodes(keys)
    one.message("n9", Store(1, b"odd", blob(keys + 1), "n1"))
    messages = compare(one, other)
    kinds = [type(message) for message in messages]
    assert kinds.count(Branches) == levels
    assert kinds.count(Inventory) == 1
    assert kinds.count(Exchange) <= 2
    listed = [len(m.entries) for m in messages if isinstance(m, Inventory)]
    assert listed[0] <= LEAF_KEYS_MAX
    assert one.tables.tables[VERSIONS] == other.tables.tables[VERSIONS]
    assert [type(message) for message in compare(one, other)][1:] == [Same]


@pytest.mark.parametrize("seed", range(8))
def test_the_walk_finds_what_comparing_everything_finds(seed: int) -> None:
    rng = Rng(f"walk/{seed}")
    one, other = two_nodes(rng.choice([0, 10, 400, 2000]))
    for i in range(rng.between(1, 60)):
        node, name = rng.choice([(one, "n1"), (other, "n2")])
        name_of_key = b"key%d" % rng.below(3000) if rng.below(2) else b"new%d" % i
        node.message("n9", Store(1, name_of_key, blob(10_000 + i), name))
    mine, theirs = one.tables.tables[VERSIONS], other.tables.tables.get(VERSIONS, {})
    different = {key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)}
    moved: set[bytes] = set()
    for _ in range(6):
        for message in compare(one, other):
            if isinstance(message, Exchange):
                moved |= {stored for stored, _ in message.entries}
    assert moved == different
    assert one.tables.tables[VERSIONS] == other.tables.tables[VERSIONS]


def test_a_round_goes_on_with_a_bounded_number_of_branches() -> None:
    one, other = two_nodes(0)
    for i in range(6000):
        holder, name = (one, "n1") if i % 2 else (other, "n2")
        holder.message("n9", Store(1, b"key%d" % i, blob(i + 1), name))
    messages = compare(one, other)
    assert sum(isinstance(message, Inventory) for message in messages) <= 2 * BRANCHES_MAX
    assert all(len(m.branches) <= BRANCHES_MAX for m in messages if isinstance(m, Branches))


def test_branches_of_a_range_that_is_not_shared_or_of_no_place_are_not_answered() -> None:
    one, _ = two_nodes(500)
    for place in ((999, b""), (0, bytes([77])), (0, bytes(40))):
        assert sent(one.message("n2", Branches(((*place, (b"x",)),)))) == []
