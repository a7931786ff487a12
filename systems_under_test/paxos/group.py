"""The replication group: who votes, in which role, under which id; configurations by slot.

A configuration is an entry of the log and in force from its slot on. Each differs from the one
before by one member, so that any majority of one meets any majority of the next. An entry whose id
does not follow on that of the configuration in force before it is void: it was proposed behind
another log than the one that it lies in now, and need not meet what is in force here. Two leaders,
one of them cut off, had each proposed a configuration of id 2; one was chosen, and the other one,
recovered into a later slot, made two groups that did not meet.
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

    `heard` was told by another node as chosen: this node may lack the slots up to it.
    """

    def __init__(self, slot: int, group: Group) -> None:
        self.base_slot = slot
        self.base = group
        self.heard = group
        self._entries: list[tuple[int, Group]] = []
        """Of the log above the base, by slot, void ones too: what is before can change."""

    @property
    def pending(self) -> list[tuple[int, Group]]:
        """The configurations above the base that are not void, in order of slots; rarely one."""
        return follow(self.base, self._entries) if self._entries else []

    @property
    def newest(self) -> Group:
        """The configuration of the last entry, chosen or not."""
        pending = self.pending
        return pending[-1][1] if pending else self.base

    @property
    def chosen(self) -> Group:
        """The newest configuration that is known to be chosen."""
        return max(self.base, self.heard, key=_id)

    @property
    def leading(self) -> Group:
        """The configuration by which to stand for election: the newest of all that are known.

        Of two of one id that which was told as chosen.
        """
        return max(self.heard, self.newest, key=_id)

    @property
    def named(self) -> int:
        """The id that this node's messages name.

        Of an unchosen configuration too: whoever has it in the log has everything before it. Two
        may share an id, of which one at most is ever in force; ballots tell them apart, not this.
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
        if self._entries or group is not None:
            self._entries = [pair for pair in self._entries if pair[0] != slot]
            if group is not None:
                self._entries.append((slot, group))
                self._entries.sort(key=_slot)

    def settle(self, slot: int) -> None:
        """Slots up to this one are chosen: the last configuration among them is the base."""
        if not self._entries or self._entries[0][0] > slot:
            return
        for since, group in self.pending:
            if since <= slot:
                self.base_slot, self.base = since, group
        self._entries = [pair for pair in self._entries if pair[0] > slot]

    def rebase(self, slot: int, group: Group, kept: Iterable[tuple[int, Group]] = ()) -> None:
        """A snapshot was put in place."""
        self.base_slot, self.base = slot, group
        self._entries = [pair for pair in kept if pair[0] > slot]


def follow(base: Group, entries: Iterable[tuple[int, Group]]) -> list[tuple[int, Group]]:
    """Of the configurations behind a base, in order of slots, those that are not void."""
    found: list[tuple[int, Group]] = []
    for slot, group in entries:
        if group.id == base.id + 1:
            found.append((slot, group))
            base = group
    return found


def _id(group: Group) -> int:
    return group.id


def _slot(pair: tuple[int, Group]) -> int:
    return pair[0]
