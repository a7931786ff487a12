"""What stands in a slot of the log: nothing, a client's command, or a configuration.

A payload is a byte that names the kind, and the content. Every command is a transaction: a list of
steps (verb, key, value), the value in canonical JSON. It has a request id (session, sequence), and
`known`, the log's age as far as the replica knew it that took the request in.

Verbs: `r` reads (with a value: a condition, the transaction is refused unless it is read), `w`
writes (null deletes), `append` makes a list longer, `concat` a string, `cas` [old, new] swaps.
"""

from __future__ import annotations

from typing import Final

import msgspec

NOOP: Final = b"n"
COMMAND: Final = b"c"
REGROUP: Final = b"g"
MARK: Final = b"m"
"""Where the scrubber compares the replicas."""

NULL: Final = b"null"
VERBS: Final = ("r", "w", "append", "concat", "cas")

Steps = tuple[tuple[str, str, bytes], ...]


class Command(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A client's transaction, with the id that makes its repetition harmless."""

    session: str
    sequence: int
    known: int
    digest: bytes
    steps: Steps


canonical = msgspec.json.Encoder(order="sorted").encode
"""The one way to write a JSON value: equal values are equal bytes."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Command).decode


def encode(command: Command) -> bytes:
    """The payload of a command."""
    return COMMAND + _encode(command)


def decode(payload: bytes) -> Command:
    """The command in a payload that begins with COMMAND."""
    return _decode(payload[1:])
