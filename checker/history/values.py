"""Values of a history, each kept once, by its canonical JSON text.

Texts compare as JSON values do: `true` is not 1, and 1 is not 1.0, which Python's `==` would
confuse. `0.0` and `-0.0` are one number, as are `1.0` and `1e0`.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NULL: Final = 0
"""The number of null, and of what is absent, in every table."""

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_UNSEEN: Final = object()


def canonical(value: Any) -> bytes:
    """The canonical JSON text: keys sorted by code point, no spaces, shortest numbers, UTF-8.

    Raises TypeError for what JSON cannot say, ValueError for NaN and infinities.
    """
    text = _ENCODER.encode(value)
    if b"null" in text:
        refuse_not_finite(value)
    return _ENCODER.encode(_without_negative_zero(value)) if b"-0.0" in text else text


def refuse_not_finite(value: Any) -> None:
    """Raise ValueError if a NaN or an infinity is anywhere inside: the encoder writes null."""
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"{value} is no JSON number: write null, a string or a finite number")
    elif isinstance(value, dict):
        for part in value.values():
            refuse_not_finite(part)
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            refuse_not_finite(part)


def _without_negative_zero(value: Any) -> Any:
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, dict):
        return {name: _without_negative_zero(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_negative_zero(part) for part in value]
    return value


class Values:
    """The values of a history by number: null is number 0, equal values have equal numbers.

    `texts` holds the canonical texts one after another; `ends` (int64) where each ends.
    Values are decoded when first asked for and then shared: do not change them.
    """

    __slots__ = ("_decoded", "ends", "texts")

    def __init__(self, texts: bytes, ends: memoryview) -> None:
        self.texts: Final = texts
        self.ends: Final = ends
        self._decoded: Final[list[Any]] = [_UNSEEN] * len(ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, number: int) -> Any:
        value = self._decoded[number]
        if value is _UNSEEN:
            value = self._decoded[number] = msgspec.json.decode(self.text(number))
        return value

    def __iter__(self) -> Iterator[Any]:
        return (self[number] for number in range(len(self)))

    def text(self, number: int) -> bytes:
        """The canonical JSON text of a value."""
        start = self.ends[number - 1] if number else 0
        return self.texts[start : self.ends[number]]


class Interner:
    """Gives equal values equal numbers, in order of first appearance."""

    __slots__ = ("numbers",)

    def __init__(self) -> None:
        self.numbers: Final[dict[bytes, int]] = {b"null": NULL}

    def number(self, value: Any) -> int:
        """The number of this value."""
        text = canonical(value)
        return self.numbers.setdefault(text, len(self.numbers))

    def values(self) -> Values:
        """The table of all values seen."""
        ends, end = [], 0
        for text in self.numbers:
            end += len(text)
            ends.append(end)
        return Values(b"".join(self.numbers), int64(ends))


def int64(numbers: Iterable[int]) -> memoryview:
    """A column of 64-bit integers."""
    return memoryview(array("q", numbers).tobytes()).cast("q")


def int32(numbers: Iterable[int]) -> memoryview:
    """A column of 32-bit integers."""
    return memoryview(array("i", numbers).tobytes()).cast("i")
