"""The replication group: who votes, in which role, under which id; configurations by slot.

A configuration is an entry of the log and in force from its slot on. Each differs from the one
before by one member, so that any majority of one meets any majority of the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

STORAGE: Final = "storage"
LOG: Final = "log"


class Member(msgspec.Struct, frozen=True, array_like=True):
    """A voter: the node it lives on, its id (never given twice), its role.

    `life` is the incarnation of the node that was admitted: a later one that has lost its disk is
    not meant. 0 for those that a new cluster begins with.
    """

    node: str
    replica: int
    role: str
    life: int = 0


class Group(msgspec.Struct, frozen=True, array_like=True):
    """A configuration. `id` grows by one with each; `last` is the highest replica id ever given."""

    id: int
    last: int
    members: tuple[Member, ...]

    def member(self, node: str) -> Member | None:
        """The member on a node, None if there is none."""
        for member in self.members:
            if member.node == node:
                return member
        return None

    @property
    def majority(self) -> int:
        """How many are more than half."""
        return len(self.members) // 2 + 1

    def storing(self) -> list[Member]:
        """The members that keep state."""
        return [member for member in self.members if member.role == STORAGE]

    def with_member(self, node: str, role: str, life: int) -> Group:
        """The next configuration, with a member of a new id on that node."""
        replica = self.last + 1
        members = (*self.members, Member(node, replica, role, life))
        return Group(self.id + 1, replica, members)

    def without(self, node: str) -> Group:
        """The next configuration, without the member on that node."""
        members = tuple(member for member in self.members if member.node != node)
        return Group(self.id + 1, self.last, members)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Group).decode


def encode(group: Group) -> bytes:
    """The bytes of a configuration."""
    return _encode(group)


def decode(content: bytes) -> Group:
    """The configuration in these bytes."""
    return _decode(content)


def first_group(nodes: tuple[str, ...], storage: int) -> Group:
    """The configuration that a new cluster begins with: its first nodes store, the others wait."""
    members = tuple(Member(node, i + 1, STORAGE) for i, node in enumerate(nodes[:storage]))
    return Group(0, len(members), members)


class Groups:
    """The configuration in force at each slot that is not applied: a base, then entries of the log.

    `pending` is in order of slots and rarely holds more than one. `heard` was told by another node
    as chosen: this node may lack the slots up to it.
    """

    def __init__(self, slot: int, group: Group) -> None:
        self.base_slot = slot
        self.base = group
        self.pending: list[tuple[int, Group]] = []
        self.heard = group

    @property
    def newest(self) -> Group:
        """The configuration of the last entry, chosen or not."""
        return self.pending[-1][1] if self.pending else self.base

    @property
    def chosen(self) -> Group:
        """The newest configuration that is known to be chosen."""
        return max(self.base, self.heard, key=_id)

    @property
    def leading(self) -> Group:
        """The configuration by which to stand for election: the newest of all that are known."""
        return max(self.newest, self.heard, key=_id)

    @property
    def named(self) -> int:
        """The id that this node's messages name.

        Of an unchosen configuration too: whoever has it in the log has everything before it. Two
        may share an id, of which one at most is chosen; ballots tell them apart, not this.
        """
        return self.leading.id

    def hear(self, group: Group) -> bool:
        """Another node knows this configuration to be chosen; whether that is news."""
        news = group.id > self.named
        if group.id > self.chosen.id:
            self.heard = group
        return news

    def at(self, slot: int) -> Group:
        """The configuration in force at a slot above the base."""
        found = self.base
        for since, group in self.pending:
            if since <= slot:
                found = group
        return found

    def ends(self, slot: int) -> int | None:
        """The last slot of the configuration in force at this slot; None if it is the newest."""
        for since, _ in self.pending:
            if since > slot:
                return since - 1
        return None

    def from_slot(self, slot: int) -> list[Group]:
        """All configurations in force at this slot or above."""
        return [self.at(slot), *(group for since, group in self.pending if since > slot)]

    def put(self, slot: int, group: Group | None) -> None:
        """The log has another entry in this slot now: this configuration, or none.

        A slot at or below the base is known already: a log replica is told the newest base, and
        then the log from further back.
        """
        if slot <= self.base_slot:
            return
        if self.pending or group is not None:
            self.pending = [pair for pair in self.pending if pair[0] != slot]
            if group is not None:
                self.pending.append((slot, group))
                self.pending.sort(key=_slot)

    def settle(self, slot: int) -> None:
        """Slots up to this one are chosen: the last configuration among them is the base."""
        while self.pending and self.pending[0][0] <= slot:
            self.base_slot, self.base = self.pending.pop(0)

    def rebase(self, slot: int, group: Group, kept: Iterable[tuple[int, Group]] = ()) -> None:
        """A snapshot was put in place."""
        self.base_slot, self.base = slot, group
        self.pending = [pair for pair in kept if pair[0] > slot]


def _id(group: Group) -> int:
    return group.id


def _slot(pair: tuple[int, Group]) -> int:
    return pair[0]
