"""One event is one line, always the same bytes, and the line is the event."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from checker.history.encoding import decode, encode
from checker.history.events import Event
from checker.history.problems import MalformedHistory
from checker.history.values import canonical
from tests.checker.history.histories import VALUES, event_lists


def event(**fields: Any) -> Event:
    return Event(index=0, time=1, process=2, type="invoke", f="write", **fields)


def test_fields_stand_in_their_order_and_extra_ones_after_them() -> None:
    line = encode(event(key="x", input=None, node="n1", extra={"slot": 3, "context": {}}))
    assert line == (
        b'{"index":0,"time":1,"process":2,"type":"invoke","f":"write","key":"x","node":"n1"'
        b',"context":{},"slot":3}\n'
    )


def test_the_order_of_a_dictionary_does_not_matter() -> None:
    one = event(input={"a": 1, "b": {"c": 2, "d": 3}}, extra={"x": 1, "y": {"a": 1, "b": 2}})
    other = event(input={"b": {"d": 3, "c": 2}, "a": 1}, extra={"y": {"b": 2, "a": 1}, "x": 1})
    assert encode(one) == encode(other)


@settings(deadline=None, max_examples=100)
@given(events=event_lists())
def test_a_line_is_decoded_to_the_event_that_it_encodes(events: list[Event]) -> None:
    for original in events:
        decoded = decode(encode(original))
        assert decode(encode(decoded)) == decoded
        assert encode(original).count(b"\n") == 1
        # Equality of Python's numbers is too lax, and -0.0 is read as 0.0.
        read, written = (
            canonical([e.key, e.input, e.output, e.error, e.node, e.request, e.fault, e.extra])
            for e in (decoded, original)
        )
        assert read == written


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("wrapped", [lambda v: v, lambda v: [None, {"a": (v,)}], lambda v: {v}])
def test_numbers_that_are_none_are_refused(value: float, wrapped: Any) -> None:
    for field in ("key", "input", "output", "error"):
        with pytest.raises(ValueError, match="is no JSON number"):
            encode(event(**{field: wrapped(value)}))
    with pytest.raises(ValueError, match="is no JSON number"):
        encode(event(extra={"context": wrapped(value)}))
    with pytest.raises(ValueError, match="is no JSON number"):
        canonical(wrapped(value))


def test_nulls_are_written_where_they_are_inside() -> None:
    assert b'"input":["r","null",null]' in encode(event(input=["r", "null", None]))


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError):
        encode(event(input={1: "a"}))
    with pytest.raises(TypeError):
        encode(event(input=object()))
    with pytest.raises(ValueError, match="surrogates not allowed"):
        encode(event(input="\ud800"))


def test_an_extra_field_takes_no_known_name() -> None:
    with pytest.raises(ValueError, match=r"extra fields \['node', 'time'\] have the names"):
        encode(event(extra={"time": 1, "node": 2, "slot": 3}))
    assert decode(encode(event(extra={"extra": {"a": 1}}))).extra == {"extra": {"a": 1}}


def test_what_is_no_event_is_not_decoded() -> None:
    with pytest.raises(MalformedHistory, match="the line is malformed: 4 problems"):
        decode(b'{"index":1}')


@settings(deadline=None, max_examples=200)
@given(value=VALUES)
def test_canonical_text_is_a_fixed_point(value: Any) -> None:
    text = canonical(value)
    assert (
        canonical(
            decode(
                b'{"index":0,"time":0,"process":0,"type":"ok","f":"f","output":%s}' % text
            ).output
        )
        == text
    )
