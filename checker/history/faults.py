"""The windows of faults, made of the nemesis's lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from checker.history.events import FaultWindow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker.history.events import Event

HEAL: Final = "heal"


def windows(nemesis: Iterable[Event]) -> tuple[FaultWindow, ...]:
    """A window for each fault, in order of injection.

    It begins when the fault was asked for and ends when a healing that took (effect not `leaked`
    or `uncertain`) was done: what happens between may have met the fault. Else it has no end. One
    that seemed to be applied is `ineffective` if its healing says so: only then could the counters
    be read that show whether a slow link slowed anything.
    """
    found: dict[int, FaultWindow] = {}
    last_healed: int | None = None
    for event in nemesis:
        number = event.fault
        if event.f == HEAL:
            number = last_healed = _healed(event, last_healed)
        if number is None:
            continue
        window = found.get(number)
        if event.f == HEAL:
            if window is not None and window.end is None:
                found[number] = _ended(window, event)
        elif window is None:
            found[number] = _completed(_opened(event, number), event)
        else:
            found[number] = _completed(window, event)
    return tuple(found.values())


def _healed(event: Event, last: int | None) -> int | None:
    """The fault that is healed: by the line's number, or the input's, or as asked for last."""
    if event.fault is not None:
        return event.fault
    if event.type != "invoke":
        return last
    number = event.input.get("fault") if isinstance(event.input, dict) else None
    return number if type(number) is int else None


def _ended(window: FaultWindow, event: Event) -> FaultWindow:
    """With what a line of its healing tells."""
    if window.healing is None:
        window = msgspec.structs.replace(window, healing=event.time)
    if not _heals(event):
        return window
    effect = "ineffective" if _was_idle(event) else window.effect
    return msgspec.structs.replace(window, end=event.time, effect=effect)


def _was_idle(event: Event) -> bool:
    return isinstance(event.output, dict) and event.output.get("effect") == "ineffective"


def _heals(event: Event) -> bool:
    effect = event.output.get("effect") if isinstance(event.output, dict) else None
    return event.type != "invoke" and effect not in ("leaked", "uncertain")


def _opened(event: Event, number: int) -> FaultWindow:
    return FaultWindow(
        fault=number,
        f=event.f,
        input=event.input,
        start=event.time,
        end=None,
        effect=None,
        method=None,
    )


def _completed(window: FaultWindow, event: Event) -> FaultWindow:
    """With what the completion tells; an invocation tells nothing yet."""
    if event.type == "invoke" or not isinstance(event.output, dict):
        return window
    return msgspec.structs.replace(
        window,
        effect=event.output.get("effect"),
        method=event.output.get("method"),
        evidence=event.output.get("evidence"),
        seen=event.time,
    )
