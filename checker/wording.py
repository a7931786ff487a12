"""How findings speak: moments, values and versions in words that need no knowledge of the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checker.history.values import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker.history.events import Operation

MILLISECOND = 1_000_000
VALUE_CHARACTERS_MAX = 60
CHARACTERS_MAX = 300
"""So long an action, a state, or a reason of a model may be in a sentence."""
END_CHARACTERS = 100
LISTED_MAX = 6


def seconds(time_ns: int) -> str:
    """A moment or a span: seconds to the microsecond, nanoseconds where it is below 1 ms."""
    if abs(time_ns) < MILLISECOND:
        return f"{time_ns} ns"
    whole, rest = divmod(abs(time_ns) // 1_000, MILLISECOND)
    digits = f"{rest:06}"
    sign = "-" if time_ns < 0 else ""
    return f"{sign}{whole}.{digits[:3]}{digits[3:].rstrip('0')} s"


def value(of: Any) -> str:
    """A value as JSON, cut where it is long."""
    text = canonical(of).decode()
    if len(text) <= VALUE_CHARACTERS_MAX:
        return text
    return f"{text[: VALUE_CHARACTERS_MAX - 1]}…"


def shortened(words: str) -> str:
    """The words, cut in the middle where they are long: the end tells as much as the beginning."""
    if len(words) <= CHARACTERS_MAX:
        return words
    return f"{words[: CHARACTERS_MAX - END_CHARACTERS - 1]}…{words[-END_CHARACTERS:]}"


def listed(words: Iterable[str]) -> str:
    """`a, b and c`; a long list is cut and the rest counted; nothing for none."""
    given = list(words)
    if len(given) > LISTED_MAX:
        given = [*given[: LISTED_MAX - 1], f"{len(given) - LISTED_MAX + 1} more"]
    if len(given) < 2:
        return given[0] if given else "nothing"
    return f"{', '.join(given[:-1])} and {given[-1]}"


def asked(operation: Operation) -> str:
    """When an operation was asked and when it was answered."""
    if operation.ret is None:
        return f"asked at {seconds(operation.call)}, outcome unknown"
    return f"asked at {seconds(operation.call)}, answered at {seconds(operation.ret)}"


def through(operation: Operation) -> str:
    """The node that was asked, where the history names it."""
    return f" through {operation.node}" if operation.node is not None else ""


def of_key(key: Any) -> str:
    """The key in words, nothing where the operation has none."""
    return "" if key is None else f" of key {value(key)}"


def of_object(key: Any, element: str | None) -> str:
    """The object in words: its key, and which of its elements it is, if it is one."""
    return f"{'' if element is None else f' of element {shortened(element)}'}{of_key(key)}"


def counted(number: int, of: str) -> str:
    """So many of something: `1 configuration`, `1,234 configurations`."""
    return f"{number:,} {of}{'' if number == 1 else 's'}"


def sentence(words: str) -> str:
    """The words with a capital at the beginning and a full stop at the end."""
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith('.') else '.'}"
