"""The port between a replica, which decides, and a host, which performs.

A replica is handed one input at a time with a `Turn`, and returns the effects in the order in
which they must happen. It holds its volatile state in itself; what must survive the process it
keeps in storage. The obligations of a host:

* Inputs are handled one after another. Clocks are read after the input arrived, once for each.
* The writes of one input are atomic, and a crash keeps a prefix of the inputs. An effect that
  stands after a durable write (`Write`, `Append`) leaves only once that write is durable; one
  commit may cover a batch of inputs, then no effect of the batch leaves before it, and effects
  leave in the order of inputs, replies to reads included. (If a read's reply overtook the commit
  of a write that the read saw, a crash would un-happen what a client has been told.)
* `WriteLater` may be lost at power loss until the next durable write of that node. It survives a
  kill of the process.
* If a commit fails (no space, I/O error), no effect of the batch leaves and the replica is killed.
* Timers run on the node's monotonic clock, never fire early on it, and die with the process. A
  timer set again under the same name replaces the one before.
* A pause stops the replica and not its clocks; what arrived meanwhile is handled afterwards.
* A message that was sent to an earlier life of a node is not delivered to a later one.

Everything in messages, storage values and diagnostics is what msgpack can carry: None, bool, int,
str, bytes, and lists and string-keyed dicts of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Wire = Any
"""A value that msgpack can carry."""

T = TypeVar("T")


class Rng(Protocol):
    """A stream of random integers, seeded for this node, concern and incarnation."""

    def below(self, n: int) -> int:
        """An integer in [0, n)."""
        ...

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        ...

    def choice(self, items: Sequence[T]) -> T:
        """One of the items."""
        ...

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in another order."""
        ...


# --- storage ---------------------------------------------------------------------------------


class StorageDamaged(Exception):
    """A stored record does not have the checksum that it was written with.

    It is never taken for a torn tail: the write had been acknowledged. Names file and record.
    """


class Storage(Protocol):
    """What a replica reads at once: every write of earlier inputs, durable or not.

    It does not see what the input in hand is about to return.

    Two ports: an ordered key-value store in named tables, and append-only files of records.
    """

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value under a key, None if there is none. Raises StorageDamaged."""
        ...

    def scan(
        self,
        table: str,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        size_max: int | None = None,
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries with start <= key < stop, in order of key. Raises StorageDamaged.

        With `size_max` some of the first of them, at least one if there is one, and not more than
        it takes until their keys and values have so many bytes (but for an engine that cannot tell
        long keys apart by their beginnings).
        """
        ...

    def records(self, file: str) -> Iterator[bytes]:
        """The records of a file, oldest first; an incomplete last one is left out."""
        ...


ObjectVerb = Literal["put", "get", "list", "delete"]

# --- inputs ----------------------------------------------------------------------------------


class Started(msgspec.Struct, frozen=True):
    """The first input of a life. `incarnation` is durable and grows with each start, from 1.

    `damage` says what a host has found damaged and put aside before, empty if nothing: the storage
    is empty then. `fresh`: no earlier life has begun, whatever was counted: of none has anything
    left the node, so an empty storage is a new one and none that was lost.
    """

    incarnation: int
    damage: str = ""
    fresh: bool = False


class ClientRequest(msgspec.Struct, frozen=True):
    """An HTTP request of a client. `id` is the host's own; header names are lower case.

    `target` is the path with its query, still percent-encoded.
    """

    id: int
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


class PeerMessage(msgspec.Struct, frozen=True):
    """A message of another node, from that incarnation of it."""

    sender: str
    incarnation: int
    body: Wire


class TimerFired(msgspec.Struct, frozen=True):
    """A timer that this life set. `payload` is what was given with it."""

    name: str
    payload: Wire = None


class ObjectAnswer(msgspec.Struct, frozen=True):
    """What came of an `ObjectRequest`: it is repeated by whoever needs it, none is lost silently.

    `absent` and `damaged` are answers to `get`; `failed` says why, and may have been done.
    """

    verb: ObjectVerb
    name: str
    status: Literal["done", "absent", "damaged", "failed"]
    content: bytes = b""
    names: tuple[str, ...] = ()
    reason: str = ""


class StorageVerified(msgspec.Struct, frozen=True):
    """The answer to `VerifyStorage`: file and record of everything that was found damaged."""

    damage: tuple[str, ...]


class Stopping(msgspec.Struct, frozen=True):
    """The process was asked to end, and soon will: after `Leave`, or when the host waits no longer.

    Handed only to a replica that `hears_stopping`; any other one ends at once.
    """


Input = (
    Started | ClientRequest | PeerMessage | TimerFired | ObjectAnswer | StorageVerified | Stopping
)


class Now(msgspec.Struct, frozen=True):
    """The node's own clocks in nanoseconds: `wall` may jump, `mono` only runs, at some rate."""

    wall: int
    mono: int


class Turn(msgspec.Struct, frozen=True):
    """What comes with each input."""

    now: Now
    rng: Rng
    storage: Storage


# --- effects ---------------------------------------------------------------------------------


class Write(msgspec.Struct, frozen=True):
    """Put a value under a key (None deletes); durable before any later effect leaves."""

    table: str
    key: bytes
    value: bytes | None


class WriteLater(msgspec.Struct, frozen=True):
    """The same, but it may be lost at power loss until the node's next durable write."""

    table: str
    key: bytes
    value: bytes | None


class Append(msgspec.Struct, frozen=True):
    """Append a record to a file; durable before any later effect leaves."""

    file: str
    record: bytes


class AppendLater(msgspec.Struct, frozen=True):
    """The same, but it may be lost at power loss until the node's next durable write."""

    file: str
    record: bytes


class Send(msgspec.Struct, frozen=True):
    """A message to another node. It may be lost, doubled, late or overtaken."""

    to: str
    body: Wire


class Respond(msgspec.Struct, frozen=True):
    """The reply to a client request. A second one for the same request is an error."""

    request: int
    status: int
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""


class SetTimer(msgspec.Struct, frozen=True):
    """Fire after this many nanoseconds of the node's monotonic clock."""

    name: str
    delay: int
    payload: Wire = None


class CancelTimer(msgspec.Struct, frozen=True):
    """Forget a timer; none of that name is no error."""

    name: str


class Diagnostic(msgspec.Struct, frozen=True):
    """A line for the node's log, written by the host with the node's clocks."""

    event: str
    fields: Mapping[str, Wire] = msgspec.field(default_factory=dict)


class ObjectRequest(msgspec.Struct, frozen=True):
    """Ask the object store that the nodes share: answered by an `ObjectAnswer` of verb and name.

    `name` is the object's, for `list` a prefix. An object is written whole or not at all.
    """

    verb: ObjectVerb
    name: str
    content: bytes = b""


class VerifyStorage(msgspec.Struct, frozen=True):
    """Look at all checksums of what is stored; answered by `StorageVerified`."""


class Leave(msgspec.Struct, frozen=True):
    """After `Stopping`: there is nothing left to do, the host may end the life."""


Effect = (
    ObjectRequest
    | VerifyStorage
    | Leave
    | Write
    | WriteLater
    | Append
    | AppendLater
    | Send
    | Respond
    | SetTimer
    | CancelTimer
    | Diagnostic
)


OnDamage = Literal["stop", "set-aside", "ignore"]
"""What a host does when it finds at a start that what is stored is damaged.

`stop`: the node does not start, until somebody decides. `set-aside`: what is stored is put out of
the way, the incarnation goes on, and the node starts with nothing: for replicas that are made whole
by others. `ignore`: checksums are not looked at, which only a named bug asks for.
"""


def on_damage(replica: Replica) -> OnDamage:
    """What a replica asks its host to do about damage, by its attribute `on_damage`: an optional
    power. Without it, `stop`: most systems must not take a damaged store for a new one."""
    wanted: OnDamage = getattr(replica, "on_damage", "stop")
    return wanted


STOPPING_NS_MAX: Final = 1_000_000_000
"""So long a replica that hears of its end may take for what it leaves to others."""


def hears_stopping(replica: Replica) -> bool:
    """Whether a replica wants to be told that its process is to end, by its attribute of that
    name: an optional power."""
    return bool(getattr(replica, "hears_stopping", False))


class Replica(Protocol):
    """A pure state machine: one input in, effects out. No sockets, files, threads or clocks."""

    def handle(self, event: Input, turn: Turn) -> Sequence[Effect]:
        """Handle one input. Raising kills the node: the host logs the traceback and ends it."""
        ...


class Place(msgspec.Struct, frozen=True):
    """Where a replica stands: its name, and every node of the cluster in order.

    `clients` says for nodes, as far as the host was told, where clients reach them (host:port): a
    replica can send a client there, and nothing else.
    """

    node: str
    nodes: tuple[str, ...]
    clients: Mapping[str, str] = msgspec.field(default_factory=dict)
