"""The causal context as clients carry it: an opaque token that says what its bearer has seen.

Base64url of msgpack of (the key's MD5, history), with a checksum: a token that was cut or altered,
or belongs to another key, is refused. If it were not, a context of another key would cover dots
that its bearer never saw under this one, and the writes would be lost.

With `fastest-reader` the context of a read also names the node that answered it first. The next
write is coordinated there: it has what was read, and the reads that follow will likely hear from
it first again, and find the write.

Source: DeCandia et al., SOSP 2007, 4.4; 5 (the fastest reader).
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import md5
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from systems_under_test.dynamo.ring import POSITION_BYTES
from systems_under_test.dynamo.versions import History  # noqa: TC001  (msgspec reads it)

if TYPE_CHECKING:
    from systems_under_test.dynamo.ring import Key

CHECKSUM_BYTES: Final = 4
TOKEN_CHARACTERS_MAX: Final = 12 << 10
"""With the longest key it fits into the head of a request, 16 KiB at hosts."""

_encoder = msgspec.msgpack.Encoder()


class _Content(msgspec.Struct, array_like=True):
    digest: bytes
    history: History
    fastest: str = ""


_decoder = msgspec.msgpack.Decoder(_Content)


class CausalContext(NamedTuple):
    """What its bearer has seen, and the node that told it first (empty: nobody is named)."""

    history: History
    fastest: str = ""


class BadContext(ValueError):
    """A causal context that this store did not make, or not for this key."""


def to_token(key: Key, history: History, fastest: str = "") -> str:
    """The token of a history of this key."""
    digest = key.stored[:POSITION_BYTES]
    content = _encoder.encode((digest, history, fastest) if fastest else (digest, history))
    return urlsafe_b64encode(_checksum(content) + content).decode()


def from_token(key: Key, token: str) -> CausalContext:
    """What a token says. Raises BadContext in words."""
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise BadContext(f"the context is longer than {TOKEN_CHARACTERS_MAX} characters")
    try:
        raw = urlsafe_b64decode(token.encode("ascii"))
        content = raw[CHECKSUM_BYTES:]
        # The decoder skips what is none of its letters, and whatever comes behind the padding.
        as_returned = urlsafe_b64encode(raw).decode() == token
        if not as_returned or raw[:CHECKSUM_BYTES] != _checksum(content):
            raise BadContext("the context is malformed: pass it exactly as it was returned")
        digest, history, fastest = msgspec.structs.astuple(_decoder.decode(content))
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError):
        raise BadContext("the context is malformed: pass it exactly as it was returned") from None
    if digest != key.stored[:POSITION_BYTES]:
        raise BadContext("the context belongs to another key")
    if not _is_normal(history):
        raise BadContext("the context is malformed: its history is not in order")
    return CausalContext(history, fastest)


def _checksum(content: bytes) -> bytes:
    return md5(content, usedforsecurity=False).digest()[:CHECKSUM_BYTES]


def _is_normal(history: History) -> bool:
    """Lines and bounds in ascending order, bounds in pairs: what `join` makes."""
    lines = [(node, incarnation) for node, incarnation, _ in history]
    return all(a < b for a, b in pairwise(lines)) and all(
        bounds and len(bounds) % 2 == 0 and all(a < b for a, b in pairwise(bounds))
        for _, _, bounds in history
    )
