"""The envelope of a message: [protocol, bytes, sent at, view, life].

When it was sent by the sender's monotonic clock, in which view and in which life of it. A node that
meets a protocol or a message that it does not know drops it and says so in its log: a newer node
may be speaking.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from systems_under_test.dynamo.messages import AnyMessage

PROTOCOL: Final = 5
SHAPE: Final = "[protocol, bytes, sent at, view, life]"


class NotUnderstood(ValueError):
    """A message of another protocol, or of none."""


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnyMessage] = msgspec.msgpack.Decoder(AnyMessage)


def seal(message: AnyMessage, sent_at: int = 0, view: int = 1, life: int = 1) -> list[int | bytes]:
    """The body of a message on the wire; `sent_at` in nanoseconds of the sender's clock."""
    return [PROTOCOL, _encoder.encode(message), sent_at, view, life]


def unseal(body: object) -> tuple[AnyMessage, int, int, int]:
    """(message, sent at, view, life) in a body. Raises NotUnderstood with a reason."""
    if not isinstance(body, list | tuple) or not body:
        raise NotUnderstood(f"not {SHAPE}")
    if body[0] != PROTOCOL:
        raise NotUnderstood(f"protocol {body[0]!r}; this node speaks {PROTOCOL}")
    try:
        _, content, at, view, life = body
    except ValueError:
        raise NotUnderstood(f"not {SHAPE}") from None
    if type(at) is not int or type(view) is not int or type(life) is not int:
        raise NotUnderstood(f"not {SHAPE}")
    try:
        return _decoder.decode(content), at, view, life
    except (msgspec.MsgspecError, TypeError) as error:
        raise NotUnderstood(f"malformed: {error}") from None


def view_of(body: Any) -> int:
    """The number of the sender's view when it sent a message that was understood."""
    number: int = body[3]
    return number
