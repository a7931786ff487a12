"""Frames between nodes: length, kind, checksum, payload.

The kind stands outside the payload so that a proxy on the way can tell a replica's message, which
it may lose, double or delay, from the connection's own talk, without decoding either.
"""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from systems_under_test.replica import Wire

PROTOCOL_VERSION: Final = 2
PAYLOAD_BYTES_MAX: Final = 64 * 2**20
HEADER: Final = struct.Struct("!IBI")


class Kind(IntEnum):
    """What a frame is. Those named `MESSAGE` and `PROBE` are what a link carries or fails to."""

    HELLO = 1
    """First on a connection: [version, sender, its incarnation, receiver]."""
    WELCOME = 2
    """The answer: [receiver's incarnation]."""
    REFUSAL = 3
    """The other answer: [reason]."""
    MESSAGE = 4
    """[incarnation of the receiver that it was sent to, body]."""
    PING = 5
    """Is this connection alive? []."""
    PONG = 6
    """It is. []."""
    PROBE = 7
    """Does a message pass this link? [number]. Shares the fate of messages."""
    PROBED = 8
    """It did. [number]."""


class Frame(NamedTuple):
    """A frame as it was received."""

    kind: int
    payload: bytes

    def raw(self) -> bytes:
        """The bytes of the whole frame."""
        return _framed(self.kind, self.payload)

    def value(self) -> Wire:
        """What the payload says. Raises BadFrame."""
        try:
            return msgspec.msgpack.decode(self.payload)
        except msgspec.DecodeError as error:
            raise BadFrame(f"a frame of kind {self.kind} is not msgpack: {error}") from error


class BadFrame(Exception):
    """What came is not what this protocol speaks; the connection is of no more use."""


def pack(kind: Kind, value: Wire) -> bytes:
    """The bytes of a frame. Raises ValueError where the value is too long, TypeError if foreign."""
    payload = msgspec.msgpack.encode(value)
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"a message of {len(payload)} bytes; at most {PAYLOAD_BYTES_MAX}")
    return _framed(kind, payload)


class FrameSplitter:
    """Cuts a stream of bytes into frames."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete with these bytes. Raises BadFrame."""
        buffer = self._buffer
        buffer += data
        frames = []
        at, size = 0, len(buffer)
        while size - at >= HEADER.size:
            length, kind, crc = HEADER.unpack_from(buffer, at)
            if length > PAYLOAD_BYTES_MAX:
                raise BadFrame(f"a frame of {length} bytes; at most {PAYLOAD_BYTES_MAX}")
            if size - at - HEADER.size < length:
                break
            at += HEADER.size
            payload = bytes(buffer[at : at + length])
            if _checksum(kind, payload) != crc:
                raise BadFrame(f"a frame of kind {kind} has a bad checksum")
            frames.append(Frame(kind, payload))
            at += length
        del buffer[:at]
        return frames


def _framed(kind: int, payload: bytes) -> bytes:
    return HEADER.pack(len(payload), kind, _checksum(kind, payload)) + payload


def _checksum(kind: int, payload: bytes) -> int:
    # A length that was flipped cuts the payload elsewhere, so its checksum is another one.
    return zlib.crc32(payload, kind)
