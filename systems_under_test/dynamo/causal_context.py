"""The causal context as clients carry it: an opaque token that says what its bearer has seen.

Base64url of msgpack of (the key's MD5, history), with a checksum: a token that was cut or altered,
or belongs to another key, is refused. If it were not, a context of another key would cover dots
that its bearer never saw under this one, and the writes would be lost.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import md5
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import msgspec

from systems_under_test.dynamo.ring import POSITION_BYTES
from systems_under_test.dynamo.versions import History

if TYPE_CHECKING:
    from systems_under_test.dynamo.ring import Key

CHECKSUM_BYTES: Final = 4
TOKEN_CHARACTERS_MAX: Final = 1 << 16

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[bytes, History])


class BadContext(ValueError):
    """A causal context that this store did not make, or not for this key."""


def to_token(key: Key, history: History) -> str:
    """The token of a history of this key."""
    content = _encoder.encode((key.stored[:POSITION_BYTES], history))
    return urlsafe_b64encode(_checksum(content) + content).decode()


def from_token(key: Key, token: str) -> History:
    """The history in a token. Raises BadContext in words."""
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise BadContext(f"the context is longer than {TOKEN_CHARACTERS_MAX} characters")
    try:
        raw = urlsafe_b64decode(token.encode("ascii"))
        content = raw[CHECKSUM_BYTES:]
        if raw[:CHECKSUM_BYTES] != _checksum(content):
            raise BadContext("the context is malformed: pass it exactly as it was returned")
        digest, history = _decoder.decode(content)
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError):
        raise BadContext("the context is malformed: pass it exactly as it was returned") from None
    if digest != key.stored[:POSITION_BYTES]:
        raise BadContext("the context belongs to another key")
    if not _is_normal(history):
        raise BadContext("the context is malformed: its history is not in order")
    return history


def _checksum(content: bytes) -> bytes:
    return md5(content, usedforsecurity=False).digest()[:CHECKSUM_BYTES]


def _is_normal(history: History) -> bool:
    """Lines and bounds in ascending order, bounds in pairs: what `join` makes."""
    lines = [(node, incarnation) for node, incarnation, _ in history]
    return all(a < b for a, b in pairwise(lines)) and all(
        bounds and len(bounds) % 2 == 0 and all(a < b for a, b in pairwise(bounds))
        for _, _, bounds in history
    )
