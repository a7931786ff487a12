"""Random register histories with unique writes: from a real register, and with answers spoiled."""

from __future__ import annotations

import random
from typing import Any

from checker.history.columns import History
from checker.history.events import Event


def register_history(seed: int, *, operations: int = 14, processes: int = 4) -> History:
    """Each operation takes effect at one moment between call and return; some answers are wrong.

    Writes may end without an answer, and then take effect or not. Stamps of different processes may
    be equal.
    """
    rng = random.Random(seed)
    spoiled = rng.choice((0.0, 0.2, 0.5))
    state: int | None = None
    events: list[Event] = []
    open_operations: dict[int, tuple[int, str, Any]] = {}
    last_stamp: dict[int, int] = {}
    time = asked = retired = 0

    def event(process: int, type: Any, f: str, **fields: Any) -> None:
        events.append(
            Event(index=len(events), time=time, process=process, type=type, f=f, key="x", **fields)
        )

    while asked < operations or open_operations:
        time += rng.choice((0, 1, 2))
        lane = rng.randrange(processes)
        time += last_stamp.get(lane) == time
        last_stamp[lane] = time
        process = lane + processes * retired
        if lane in open_operations:
            process, f, answer = open_operations.pop(lane)
            kind = "info" if f == "write" and rng.random() < 0.2 else "ok"
            event(process, kind, f, **({"output": answer} if f == "read" else {}))
            retired += kind == "info"
        elif asked < operations:
            asked += 1
            takes_effect = rng.random() < 0.9
            if rng.random() < 0.5:
                event(process, "invoke", "write", input=asked)
                state = asked if takes_effect else state
                open_operations[lane] = (process, "write", None)
            else:
                event(process, "invoke", "read")
                wrong = rng.choice((None, *range(1, asked + 1)))
                answer = wrong if rng.random() < spoiled else state
                open_operations[lane] = (process, "read", answer)
    return History.of(events)
