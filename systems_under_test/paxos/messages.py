"""What replicas say to each other, one structure for each message, and the envelope.

A body is [protocol, configuration, bytes]: every message names the newest configuration that its
sender knows. One that votes or leads by an older configuration than the receiver knows to be chosen
is refused (`OF_A_CONFIGURATION`). A replica that meets a protocol or a message that it does not
know drops it and says so in its log: a newer one may be speaking. Numbers of messages are Paxos'
own: `Prepare` is 1a, `Promise` 1b, `Accept` 2a, `Accepted` 2b.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

PROTOCOL: Final = 3


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


class Opening(NamedTuple):
    """In which slot the leader of a ballot has put its first value, behind all that it recovered.

    What a lower ballot has put there or behind was held by no quorum when this one was promised,
    and never will be: it can be chosen in that ballot no more, whatever happens.
    """

    ballot: Ballot
    slot: int

    def ends(self, slot: int, ballot: Ballot) -> bool:
        """Whether what was accepted in this slot and ballot can be chosen in it no more."""
        return slot >= self.slot and ballot < self.ballot


NO_OPENING: Final = Opening(NO_BALLOT, 0)

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
    """I hear no leader, and nothing keeps me from promising. The newest opening that I know of."""

    number: int
    replica: int
    round: int
    opening: Opening


class Prepare(Message, frozen=True, tag="prepare"):
    """1a: promise to take part in no lower ballot, and say what you accepted from this slot on.

    `released` is the ballot that the leader before gave up in favour of the sender, or none.
    """

    ballot: Ballot
    first: int
    released: Ballot


class Promise(Message, frozen=True, tag="promise"):
    """1b: promised. What was accepted, by slot; the group in force before the first of them; the
    newest opening that is known.

    As much as one message may carry, from `first` on, as it was asked for. With `more` the
    candidate asks for what follows: until it has that, this is no vote.
    """

    ballot: Ballot
    replica: int
    accepted: tuple[tuple[int, Entry], ...]
    group_slot: int
    group: bytes
    opening: Opening = NO_OPENING
    first: int = 0
    more: bool = False


class Rejected(Message, frozen=True, tag="rejected"):
    """I have promised a higher ballot, this one."""

    promised: Ballot


class Accept(Message, frozen=True, tag="accept"):
    """2a: accept these values in consecutive slots; without values it is a heartbeat.

    `sent_at` is the leader's monotonic reading before sending, echoed in the answer: the leader's
    lease is counted from it. Slots up to `chosen` are chosen, those up to `floor` no longer needed.
    `opening` is the slot in which the leader has put its first own value.
    """

    ballot: Ballot
    sent_at: int
    first: int
    values: Values
    chosen: int
    floor: int
    opening: int


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


class Superseded(Message, frozen=True, tag="superseded"):
    """I have not looked at your message: this configuration is chosen, and newer than yours."""

    group: bytes


class Listed(Message, frozen=True, tag="listed"):
    """You answer under another id than this configuration gives you, by which I stand for election.

    It may not be chosen yet: a leader proposed it, and you have not heard so.
    """

    group: bytes


class SnapshotPart(Message, frozen=True, tag="snapshot-part"):
    """A part of the state at `slot`. Part 0 carries the head; a log replica gets that alone.

    `parts` is 0 until the last one: they are made one after the other. `transfer` is a number that
    its sender gives no other: two of one state differ, for the log may be cut between them.
    """

    ballot: Ballot
    slot: int
    transfer: int
    part: int
    parts: int
    content: bytes


class SnapshotTaken(Message, frozen=True, tag="snapshot-taken"):
    """That part has arrived; after the last one the state is in place.

    -1: the receiver is as new itself. -2: it has lost the parts before.
    """

    slot: int
    transfer: int
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
    """At the mark in this slot: in part 0 what the host found damaged, in those behind it (table,
    key, checksum) of rows, in the order of tables and keys. `last` says that no more follow.
    """

    slot: int
    part: int
    rows: tuple[tuple[str, bytes, int], ...]
    damage: tuple[str, ...]
    last: bool = False


class ScrubNext(Message, frozen=True, tag="scrub-next"):
    """Tell me this part of what you hold at the mark in this slot.

    One that you have told means: I have it, wait. -1 means that I need no more.
    """

    slot: int
    part: int


AnyMessage = (
    Ask
    | Silent
    | Prepare
    | Promise
    | Rejected
    | Superseded
    | Listed
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
    | ScrubNext
)

OF_A_CONFIGURATION: Final = (
    Ask,
    Silent,
    Prepare,
    Promise,
    Rejected,
    Listed,
    Accept,
    Accepted,
    SnapshotPart,
    SnapshotTaken,
    Release,
    TakeOver,
)
"""What has a meaning in a configuration alone. The others carry requests of clients, which any node
of the cluster may take in, member or not, and their answers; or end the ignorance."""

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnyMessage] = msgspec.msgpack.Decoder(AnyMessage)


def seal(configuration: int, message: AnyMessage) -> list[int | bytes]:
    """The body of a message on the wire, by who knows of this configuration."""
    return [PROTOCOL, configuration, _encoder.encode(message)]


def unseal(body: object) -> tuple[int, AnyMessage]:
    """The configuration that a body names, and the message. Raises NotUnderstood with a reason."""
    if not isinstance(body, list | tuple) or not body:
        raise NotUnderstood("not [protocol, configuration, bytes]")
    if body[0] != PROTOCOL:
        raise NotUnderstood(f"protocol {body[0]!r}; this replica speaks {PROTOCOL}")
    if len(body) != 3 or type(body[1]) is not int:
        raise NotUnderstood("not [protocol, configuration, bytes]")
    try:
        return body[1], _decoder.decode(body[2])
    except (msgspec.MsgspecError, TypeError) as error:
        raise NotUnderstood(f"malformed: {error}") from None
