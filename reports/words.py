"""How the report speaks: spans and moments, counts, and what an operation asked and was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checker.history.values import canonical

if TYPE_CHECKING:
    from checker.history.events import FaultWindow, Operation

BRIEF_MAX: Final = 60
"""Characters of a value where it stands among other things."""
WHOLE_MAX: Final = 2_000
"""Characters of a value where all of it should be seen."""

READING: Final = frozenset({"read", "get", "dequeue", "pop"})
"""Operations that answer null, where others answer nothing: a history says neither."""

_UNITS: Final = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"))


def span(ns: int) -> str:
    """A length of time to three digits: `1.24 s`, `350 ms`, `17 ns`."""
    for size, unit in _UNITS:
        if abs(ns) >= size:
            tenths = 2 if abs(ns) < 10 * size else 1 if abs(ns) < 100 * size else 0
            text = f"{ns / size:.{tenths}f}"
            return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}"
    return f"{ns} ns"


def moment(ns: int, *, digits: int = 3) -> str:
    """A stamp of the run in seconds, to the millisecond unless more digits are asked for."""
    return f"{ns / 1_000_000_000:.{digits}f} s"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun, thousands apart: `1 operation`, `12 345 operations`."""
    noun = one if number == 1 else many or f"{one}s"
    return f"{grouped(number)} {noun}"


def grouped(number: int) -> str:
    """Thousands apart, by a space that does not break."""
    return f"{number:,}".replace(",", "\u00a0")


def cut(text: str, longest: int) -> str:
    """The text, or its beginning where it is longer."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def whole(value: Any) -> str:
    """A value as JSON, cut only where it is huge; nothing for null."""
    return "" if value is None else cut(canonical(value).decode(), WHOLE_MAX)


def brief(value: Any) -> str:
    """A value as JSON in a few characters; nothing for null.

    What the workloads of a store with versions ask and answer is said shorter: versions as
    `id=value`, of a write its value or its version.
    """
    return cut(_short(value), BRIEF_MAX)


def _short(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        if isinstance(value.get("versions"), list):
            return f"[{', '.join(_version(version) for version in value['versions'])}]"
        if set(value) == {"value", "context"}:
            return _short(value["value"]) + (" with context" if value["context"] else "")
        if set(value) == {"id", "context"}:
            return _short(value["id"])
        if set(value) == {"r"}:
            return f"from {_short(value['r'])}"
        if set(value) == {"context"}:
            return "with context"
    if isinstance(value, str):
        return value
    return canonical(value).decode()


def _version(version: Any) -> str:
    if not isinstance(version, dict):
        return _short(version)
    held = "deleted" if version.get("tombstone") else _short(version.get("value"))
    return f"{_short(version.get('id'))}={held}"


def asked(operation: Operation) -> str:
    """What was asked, in a few words: `put x 17`."""
    parts = [operation.f, _short(operation.key), _short(operation.input)]
    return cut(" ".join(part for part in parts if part), BRIEF_MAX)


def answered(operation: Operation) -> str:
    """What was answered, in a few words; for an unknown outcome that it is unknown."""
    if operation.outcome == "info":
        return cut(f"? {_short(operation.error)}".strip(), BRIEF_MAX)
    if operation.outcome == "fail":
        return cut(f"failed {_short(operation.error)}".strip(), BRIEF_MAX)
    return brief(operation.output) or ("null" if operation.f in READING else "ok")


def struck(fault: FaultWindow) -> str:
    """What a fault struck, in a few words: its variant, its nodes, its figures."""
    given = fault.input if isinstance(fault.input, dict) else {}
    parts = [str(given["variant"])] if given.get("variant") else []
    targets = given.get("targets")
    if isinstance(targets, list) and targets:
        parts.append(cut(", ".join(map(str, targets)), BRIEF_MAX))
    if isinstance(given.get("wall_offset_ns"), int):
        parts.append(f"by {span(given['wall_offset_ns'])}")
    if isinstance(given.get("rate_ppm"), int):
        parts.append(f"by {given['rate_ppm']} ppm")
    if not parts:
        parts = [brief(fault.input)]
    return " · ".join(part for part in parts if part)
