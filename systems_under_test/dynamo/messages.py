"""What nodes say to each other, one structure for each message; `envelope.py` has how it travels.

A key travels as its name, and each node places it on its own ring. Sets of versions travel as the
bytes that are stored, so that a replica answers a read without decoding anything.
"""

from __future__ import annotations

from typing import Final

import msgspec

from systems_under_test.dynamo.versions import History  # noqa: TC001  (msgspec reads it)
from systems_under_test.dynamo.views import View  # noqa: TC001  (msgspec reads it)

Entry = tuple[bytes, bytes]
"""(key as stored, encoded set of versions)."""

Graves = tuple[tuple[bytes, bytes], ...]
"""Tombstones: (key as stored, fingerprint of what is held of it, tombstones alone)."""

Ballot = tuple[int, str, int]
"""(round, proposer, its store and incarnation): no two proposals share one."""

Lives = tuple[tuple[str, int, int], ...]
"""(node, latest incarnation, tokens) of each node, in order of names."""

Mark = tuple[int, int]
"""What tells a store from all others: both clocks of its node when it was first opened."""

Marks = tuple[tuple[str, Mark], ...]
"""(node, the mark of its store that was heard of first)."""

Floor = tuple[str, int, int]
"""(node, incarnation, its monotonic clock): a point in the life of a sender."""


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """What all messages share. A `request` is the asker's own number, echoed in the answer."""


class Store(Message, frozen=True, tag="store"):
    """Merge these versions of a key; `home` is the node that the receiver stands for.

    Request 0 wants no answer (read repair). What is not `durable` may wait in a write buffer.
    """

    request: int
    key: bytes
    blob: bytes
    home: str
    durable: bool = True


class Stored(Message, frozen=True, tag="stored"):
    """What was sent is held here, and durable if that was asked."""

    request: int


class Fetch(Message, frozen=True, tag="fetch"):
    """What do you hold of this key, hints included?"""

    request: int
    key: bytes


class Fetched(Message, frozen=True, tag="fetched"):
    """This, or nothing."""

    request: int
    blob: bytes | None


class Lacking(Message, frozen=True, tag="lacking"):
    """I do not hold everything yet, so I have no say in this read."""

    request: int


class Forward(Message, frozen=True, tag="forward"):
    """Coordinate this client's write in my place. `name` is the client's own request id."""

    request: int
    name: str
    key: bytes
    context: History
    value: bytes | None


class Forwarded(Message, frozen=True, tag="forwarded"):
    """The reply that the client is to get."""

    request: int
    status: int
    context: str | None
    body: bytes


class Handoff(Message, frozen=True, tag="handoff"):
    """Hints for you: merge them durably."""

    request: int
    entries: tuple[Entry, ...]


class HandedOff(Message, frozen=True, tag="handed-off"):
    """They are durable here; you may delete them."""

    request: int


class Ping(Message, frozen=True, tag="ping"):
    """Do you answer?"""


class Pong(Message, frozen=True, tag="pong"):
    """I do."""


class Gossip(Message, frozen=True, tag="gossip"):
    """The lives of the nodes and the view, as I know them."""

    lives: Lives
    view: View


class GossipBack(Message, frozen=True, tag="gossip-back"):
    """Mine, with yours merged into it."""

    lives: Lives
    view: View


class WhichView(Message, frozen=True, tag="which-view"):
    """You speak of a view that I have not seen: tell me."""


class NewerView(Message, frozen=True, tag="newer-view"):
    """This is the view by now, or it is what you asked for."""

    view: View


class Prepare(Message, frozen=True, tag="prepare"):
    """Promise this ballot for the view of this number."""

    number: int
    ballot: Ballot


class Promised(Message, frozen=True, tag="promised"):
    """I do, and this is what I have accepted so far."""

    number: int
    ballot: Ballot
    accepted: Ballot
    view: View | None


class Accept(Message, frozen=True, tag="accept"):
    """Accept this view."""

    number: int
    ballot: Ballot
    view: View


class Accepted(Message, frozen=True, tag="accepted"):
    """I do."""

    number: int
    ballot: Ballot


class Outbid(Message, frozen=True, tag="outbid"):
    """I do not: this ballot is higher."""

    number: int
    ballot: Ballot


class Progress(Message, frozen=True, tag="progress"):
    """How far are you with the change of this view?"""


class Progressed(Message, frozen=True, tag="progressed"):
    """Whether I have fetched all that I am new to, and handed over all that I keep no more."""

    fetched: bool
    handed_over: bool


class Pull(Message, frozen=True, tag="pull"):
    """I am new to this range: what do you hold of it after this key (as stored)?"""

    request: int
    range: int
    after: bytes


class Pulled(Message, frozen=True, tag="pulled"):
    """This; `more` if that was not all, `whole` if I hold everything that I should."""

    request: int
    entries: tuple[Entry, ...]
    more: bool
    whole: bool


class Introduce(Message, frozen=True, tag="introduce"):
    """This is the mark of my store, in this life. By which do you know me?"""

    mark: Mark
    life: int


class Introduced(Message, frozen=True, tag="introduced"):
    """You asked with this mark; I know you by that, and of this life before.

    `established` if my own store is known to be what it should be. `marks` has all others that I
    know, with my own.
    """

    asked: Mark
    known: Mark
    life: int
    established: bool
    marks: Marks


class Digests(Message, frozen=True, tag="digests"):
    """The digests of ranges that we both keep: (range, digest)."""

    digests: tuple[tuple[int, bytes], ...]


class Same(Message, frozen=True, tag="same"):
    """All of these are equal here."""


class Branches(Message, frozen=True, tag="branches"):
    """These branches differ. Here are the digests of my children: (range, path, digests)."""

    branches: tuple[tuple[int, bytes, tuple[bytes, ...]], ...]


class Inventory(Message, frozen=True, tag="inventory"):
    """This branch differs, and is a leaf here. I hold these: (key as stored, fingerprint)."""

    range: int
    path: bytes
    entries: tuple[tuple[bytes, bytes], ...]


class Exchange(Message, frozen=True, tag="exchange"):
    """Merge these. With `answer`: send back what I lack of them, and of the keys wanted."""

    entries: tuple[Entry, ...]
    wanted: tuple[bytes, ...]
    answer: bool


class Confirm(Message, frozen=True, tag="confirm"):
    """I want to collect these tombstones: which of these keys are you clean of?"""

    request: int
    graves: Graves


class Fence(Message, frozen=True, tag="fence"):
    """Take no versions that were sent at or before these points. Which are you clean of still?"""

    request: int
    floors: tuple[Floor, ...]
    graves: Graves


class Confirmed(Message, frozen=True, tag="confirmed"):
    """Of these keys, in wave 1 (`Confirm`) or 2 (`Fence`), at this point of my life."""

    request: int
    wave: int
    incarnation: int
    sent_at: int
    keys: tuple[bytes, ...]


class Collect(Message, frozen=True, tag="collect"):
    """Every node has confirmed: forget these tombstones."""

    graves: Graves


AnyMessage = (
    Store
    | Stored
    | Fetch
    | Fetched
    | Lacking
    | Forward
    | Forwarded
    | Handoff
    | HandedOff
    | Ping
    | Pong
    | Gossip
    | GossipBack
    | WhichView
    | NewerView
    | Prepare
    | Promised
    | Accept
    | Accepted
    | Outbid
    | Progress
    | Progressed
    | Pull
    | Pulled
    | Introduce
    | Introduced
    | Digests
    | Same
    | Branches
    | Inventory
    | Exchange
    | Confirm
    | Fence
    | Confirmed
    | Collect
)

ANSWERS: Final = frozenset(
    {
        Stored,
        Fetched,
        Lacking,
        Forwarded,
        HandedOff,
        Pong,
        GossipBack,
        NewerView,
        Same,
        Branches,
        Inventory,
        Confirmed,
        Promised,
        Accepted,
        Progressed,
        Pulled,
    }
)
"""Messages that answer something this node asked: signs of life.

Not `Introduced`, which a node says that is silent otherwise.
"""

CARRIERS: Final = frozenset({Store, Fetched, Handoff, Exchange, Pulled})
"""Messages that carry versions: what is older than a fence is not taken."""

TIMELESS: Final = frozenset(
    {
        Forward,
        Forwarded,
        Ping,
        Pong,
        Gossip,
        GossipBack,
        WhichView,
        NewerView,
        Introduce,
        Introduced,
    }
)
"""Messages that are taken in any view; all others only by a node in the view of the sender."""
