"""The windows of faults, made of the nemesis's lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from checker.history.events import FaultWindow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker.history.events import Event

HEAL = "heal"


def windows(nemesis: Iterable[Event]) -> tuple[FaultWindow, ...]:
    """A window for each fault, in order of injection.

    It begins when the fault was asked for and ends when a healing that took (effect not `leaked`)
    was done: what happens between may have met the fault. A fault that leaked has no end.
    """
    found: dict[int, FaultWindow] = {}
    for event in nemesis:
        number = _fault_of(event)
        if number is None:
            continue
        window = found.get(number)
        output = event.output if isinstance(event.output, dict) else {}
        if window is None and event.f != HEAL:
            window = _opened(event, number)
        elif window is not None and event.f == HEAL and _heals(event, output, window):
            window = msgspec.structs.replace(window, end=event.time)
        if window is None:
            continue
        if event.f != HEAL and event.type != "invoke":
            window = msgspec.structs.replace(
                window,
                effect=output.get("effect"),
                method=output.get("method"),
                evidence=output.get("evidence"),
            )
        found[number] = window
    return tuple(found.values())


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


def _heals(event: Event, output: dict[str, Any], window: FaultWindow) -> bool:
    return event.type != "invoke" and window.end is None and output.get("effect") != "leaked"


def _fault_of(event: Event) -> int | None:
    """Its fault's number: of its own field, or of a healing's input."""
    if event.fault is None and event.f == HEAL and isinstance(event.input, dict):
        number = event.input.get("fault")
        return number if type(number) is int else None
    return event.fault
