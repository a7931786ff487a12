"""An event as one line of JSON, and back."""

from __future__ import annotations

from typing import Final

import msgspec

from checker.history.events import Event
from checker.history.values import refuse_not_finite

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_FIELDS: Final = frozenset(Event.__struct_fields__) - {"extra"}
_EXTRA: Final = len(b',"extra":')

assert Event.__struct_fields__[-1] == "extra", "encode cuts it off the end of the line"


def encode(event: Event) -> bytes:
    """The line of an event, with its newline: fields in their order, `extra` flattened after them.

    The same event gives the same bytes, whatever the order of its dictionaries. Raises ValueError
    for NaN, infinities, lone surrogates and an extra field that has the name of a known one,
    TypeError for what JSON cannot say.
    """
    line = _ENCODER.encode(event)
    if b"null" in line:
        refuse_not_finite([event.key, event.input, event.output, event.error, event.extra])
    if not event.extra:
        return line + b"\n"
    if not _FIELDS.isdisjoint(event.extra):
        taken = sorted(_FIELDS & set(event.extra))
        raise ValueError(f"extra fields {taken} have the names of fields of an event: rename them")
    extra = _ENCODER.encode(event.extra)
    return line[: -(_EXTRA + len(extra) + 1)] + b"," + extra[1:] + b"\n"


def decode(line: bytes) -> Event:
    """The event of one line. Raises MalformedHistory (which names line 1) for what is none."""
    # Few need it, and `lineal check` starts sooner without.
    from checker.history.twin import event_of

    return event_of(line)
