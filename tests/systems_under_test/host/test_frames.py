from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systems_under_test.host.frames import (
    HEADER,
    PAYLOAD_BYTES_MAX,
    BadFrame,
    FrameSplitter,
    Kind,
    pack,
)

if TYPE_CHECKING:
    from systems_under_test.replica import Wire

_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(), st.binary()
)
_WIRE = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@given(values=st.lists(_WIRE, max_size=6), cuts=st.lists(st.integers(1, 9), max_size=40))
def test_frames_come_back_however_the_stream_is_cut(values: list[Wire], cuts: list[int]) -> None:
    stream = b"".join(pack(Kind.MESSAGE, value) for value in values)
    splitter = FrameSplitter()
    frames = []
    rest = stream
    for cut in cuts:
        frames += splitter.feed(rest[:cut])
        rest = rest[cut:]
    frames += splitter.feed(rest)
    assert [frame.value() for frame in frames] == values
    assert b"".join(frame.raw() for frame in frames) == stream


def test_a_frame_that_claims_to_be_huge_is_refused_before_it_is_gathered() -> None:
    with pytest.raises(BadFrame, match="at most"):
        FrameSplitter().feed(HEADER.pack(PAYLOAD_BYTES_MAX + 1, Kind.MESSAGE, 0))


def test_a_flipped_bit_anywhere_in_a_frame_ends_it() -> None:
    whole = pack(Kind.MESSAGE, [1, b"a body"])
    for bit in range(8 * len(whole)):
        frame = bytearray(whole)
        frame[bit // 8] ^= 1 << bit % 8
        try:
            assert FrameSplitter().feed(bytes(frame)) == [], "a longer one may be waited for"
        except BadFrame:
            continue
        assert bit < 32


def test_a_payload_that_is_no_msgpack_is_refused() -> None:
    head = HEADER.pack(1, Kind.MESSAGE, zlib.crc32(b"\xc1", Kind.MESSAGE))
    (frame,) = FrameSplitter().feed(head + b"\xc1")
    with pytest.raises(BadFrame, match="not msgpack"):
        frame.value()


def test_a_message_that_is_too_long_is_refused_where_it_is_sent() -> None:
    with pytest.raises(ValueError, match="at most"):
        pack(Kind.MESSAGE, bytes(PAYLOAD_BYTES_MAX))
