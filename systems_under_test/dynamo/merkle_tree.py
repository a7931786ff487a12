"""A Merkle tree for each key range: two nodes find the keys that differ by walking from the root.

A branch stands for an arc of the range, its children for sixteenths of it. The digest of a branch
is the exclusive or of the fingerprints of the keys in its arc, so it is the exclusive or of its
children's digests as well. It does not depend on the order of writes, nor on how far a tree has
been divided: two trees of different shapes compare branch by branch. A write changes the branches
from the root to its key and nothing else.

Children are made when somebody first walks there, by one scan of the branch's arc, and only of
branches with more than `LEAF_KEYS_MAX` keys. So where nothing differs only roots are kept up to
date, and a tree has at most 16 branches for each `LEAF_KEYS_MAX` keys and level.

Source: DeCandia et al., SOSP 2007, 4.7; Merkle, "A digital signature based on a conventional
encryption function", 1987. The paper hashes the children's hashes; that would make the digest
depend on the shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Entries = Iterable[tuple[int, int]]
    """(position on the ring, fingerprint) of keys."""
    Scan = Callable[["Branch"], Entries]

RING_SIZE: Final = 1 << 128
FAN_OUT: Final = 16
LEAF_KEYS_MAX: Final = 64
PATH_MAX: Final = 31
"""Levels below the root at most: 32 would divide the whole ring into single positions."""
DIGEST_BYTES: Final = 16


class Branch:
    """An arc (`first`, `length` positions; it may wrap), and what is known of the keys in it."""

    __slots__ = ("children", "digest", "first", "keys", "length")

    def __init__(self, first: int, length: int) -> None:
        self.first = first
        self.length = length
        self.digest = 0
        self.keys = 0
        self.children: tuple[Branch, ...] | None = None

    @property
    def is_leaf(self) -> bool:
        """Whether its keys are listed rather than divided further."""
        return self.keys <= LEAF_KEYS_MAX or self.length < FAN_OUT

    def child_at(self, position: int) -> int:
        """Which child's arc a position of this arc lies in."""
        return (position - self.first) % RING_SIZE * FAN_OUT // self.length

    def add(self, fingerprint: int, keys: int) -> None:
        """A key's fingerprint comes or goes; `keys` is 1, -1, or 0 where another takes its place.

        Adding the same fingerprint twice takes it away again.
        """
        self.digest ^= fingerprint
        self.keys += keys

    def divide(self, entries: Entries) -> tuple[Branch, ...]:
        """The children, made from all the entries of this arc if there are none yet."""
        if self.children is None:
            bounds = [-(-i * self.length // FAN_OUT) for i in range(FAN_OUT + 1)]
            children = tuple(
                Branch((self.first + bounds[i]) % RING_SIZE, bounds[i + 1] - bounds[i])
                for i in range(FAN_OUT)
            )
            for position, fingerprint in entries:
                children[self.child_at(position)].add(fingerprint, 1)
            self.children = children
        return self.children


class MerkleTree:
    """The tree of one range, an arc of the ring. Empty at first: what is stored is put in."""

    def __init__(self, first: int, length: int) -> None:
        self.root = Branch(first, length)

    def replace(self, position: int, fingerprint: int, *, keys: int) -> None:
        """What is held at a position changes: `fingerprint` is the old one xor the new one.

        `keys` is 1 for a new key, -1 for one that goes, else 0.
        """
        branch = self.root
        while True:
            branch.add(fingerprint, keys)
            if branch.children is None:
                return
            branch = branch.children[branch.child_at(position)]

    def find(self, path: bytes, scan: Scan) -> Branch | None:
        """The branch at the end of a path of child numbers, dividing on the way what is not yet.

        None where there is no such branch. A path may lead below a leaf: the other tree is deeper.
        """
        if len(path) > PATH_MAX:
            return None
        branch = self.root
        for number in path:
            if number >= FAN_OUT or branch.length < FAN_OUT:
                return None
            branch = (branch.children or branch.divide(scan(branch)))[number]
        return branch


def digest_of(entries: Entries) -> int:
    """The simple twin: the digest of a branch, folded anew from everything in its arc."""
    digest = 0
    for _, fingerprint in entries:
        digest ^= fingerprint
    return digest
