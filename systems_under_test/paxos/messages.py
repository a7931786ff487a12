"""What replicas say to each other, one structure for each message, and the envelope.

A body is [protocol, bytes]. A replica that meets a protocol or a message that it does not know
drops it and says so in its log: a newer one may be speaking. Numbers of messages are Paxos' own:
`Prepare` is 1a, `Promise` 1b, `Accept` 2a, `Accepted` 2b.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

PROTOCOL: Final = 1


class Ballot(NamedTuple):
    """Ballots are ordered by round, then by the node that owns them. No two nodes share one."""

    round: int
    node: str


NO_BALLOT: Final = Ballot(0, "")


class Entry(NamedTuple):
    """What an acceptor has accepted in a slot: ballot, the leader's time, value."""

    ballot: Ballot
    time: int
    payload: bytes


Values = tuple[tuple[int, bytes], ...]
"""(time, payload) of consecutive slots."""


class NotUnderstood(ValueError):
    """A message of another protocol, or of none."""


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """What all messages share."""


class Ask(Message, frozen=True, tag="ask"):
    """Pre-vote: do you still hear the leader? My log is complete up to `held`."""

    number: int
    held: int


class Silent(Message, frozen=True, tag="silent"):
    """I hear no leader, and nothing keeps me from promising."""

    number: int
    replica: int
    round: int


class Prepare(Message, frozen=True, tag="prepare"):
    """1a: promise to take part in no lower ballot, and say what you accepted from this slot on.

    `released` is the ballot that the leader before gave up in favour of the sender, or none.
    """

    ballot: Ballot
    first: int
    released: Ballot


class Promise(Message, frozen=True, tag="promise"):
    """1b: promised. What was accepted, by slot; the group in force before the first of them."""

    ballot: Ballot
    replica: int
    accepted: tuple[tuple[int, Entry], ...]
    group_slot: int
    group: bytes


class Rejected(Message, frozen=True, tag="rejected"):
    """I have promised a higher ballot, this one."""

    promised: Ballot


class Accept(Message, frozen=True, tag="accept"):
    """2a: accept these values in consecutive slots; without values it is a heartbeat.

    `sent_at` is the leader's monotonic reading before sending, echoed in the answer: the leader's
    lease is counted from it. Slots up to `chosen` are chosen, those up to `floor` no longer needed.
    `group` is the id of the leader's newest configuration: who lacks that one is not at rest.
    """

    ballot: Ballot
    group: int
    sent_at: int
    first: int
    values: Values
    chosen: int
    floor: int


class Accepted(Message, frozen=True, tag="accepted"):
    """2b: in this ballot I hold every slot up to `held`, durably, and grant you the lease for L.

    My applied state is durable up to `checkpoint`. `replica` is 0 of one that must not vote, `life`
    the incarnation of the node.
    """

    ballot: Ballot
    replica: int
    sent_at: int
    held: int
    checkpoint: int
    life: int


class SnapshotPart(Message, frozen=True, tag="snapshot-part"):
    """A part of the state at `slot`. Part 0 carries the head; a log replica gets that alone."""

    ballot: Ballot
    slot: int
    part: int
    parts: int
    content: bytes


class SnapshotTaken(Message, frozen=True, tag="snapshot-taken"):
    """That part has arrived; after the last one the state is in place."""

    slot: int
    part: int


class Release(Message, frozen=True, tag="release"):
    """The leader of this ballot has stopped for good: whoever granted it a lease is free."""

    ballot: Ballot


class TakeOver(Message, frozen=True, tag="take-over"):
    """The same, and the receiver is asked to lead."""

    ballot: Ballot


class Forward(Message, frozen=True, tag="forward"):
    """Carry out this client's command, or read this key strongly, in my place."""

    number: int
    command: bytes | None
    key: str


class Answered(Message, frozen=True, tag="answered"):
    """What the client is to be told."""

    number: int
    status: int
    results: bytes
    slot: int


class NotLeading(Message, frozen=True, tag="not-leading"):
    """Nothing was done about that: I do not lead."""

    number: int


class Administer(Message, frozen=True, tag="administer"):
    """An order of an operator, passed on to the leader: `handover`, `add` or `remove`."""

    number: int
    order: str
    node: str
    role: str


class Scrubbed(Message, frozen=True, tag="scrubbed"):
    """At the mark in this slot: (table, key, checksum) of each row; what the host found damaged."""

    slot: int
    rows: tuple[tuple[str, bytes, int], ...]
    damage: tuple[str, ...]


AnyMessage = (
    Ask
    | Silent
    | Prepare
    | Promise
    | Rejected
    | Accept
    | Accepted
    | SnapshotPart
    | SnapshotTaken
    | Release
    | TakeOver
    | Forward
    | Answered
    | NotLeading
    | Administer
    | Scrubbed
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnyMessage] = msgspec.msgpack.Decoder(AnyMessage)


def seal(message: AnyMessage) -> list[int | bytes]:
    """The body of a message on the wire."""
    return [PROTOCOL, _encoder.encode(message)]


def unseal(body: object) -> AnyMessage:
    """The message in a body. Raises NotUnderstood with a reason."""
    if not isinstance(body, list | tuple) or len(body) != 2:
        raise NotUnderstood("not [protocol, bytes]")
    protocol, content = body
    if protocol != PROTOCOL:
        raise NotUnderstood(f"protocol {protocol!r}; this replica speaks {PROTOCOL}")
    try:
        return _decoder.decode(content)
    except (msgspec.MsgspecError, TypeError) as error:
        raise NotUnderstood(f"malformed: {error}") from None
