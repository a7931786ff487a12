"""What a restore to a moment must hold: everything before it, nothing after it.

Let all clocks that stamp writes be wrong by at most `bound`. A write that was acknowledged before
`moment - bound` was stamped before the moment, so it is in; one that was invoked after
`moment + bound` was stamped after it, so it is out. Between them either is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable


@dataclass(frozen=True, slots=True)
class DatedWrite:
    """A write of something unique; times on one true clock, any unit. Not acknowledged: None."""

    element: str
    invoked: int
    acknowledged: int | None


def judge_restore(
    writes: Iterable[DatedWrite], held: Container[str], *, moment: int, bound: int
) -> list[str]:
    """What is wrong with a state restored to a moment, in sentences; empty if nothing is.

    `held` is what the restored state contains; nothing that was written is ever overwritten.
    """
    wrong = []
    for write in writes:
        early = write.acknowledged is not None and write.acknowledged < moment - bound
        if early and write.element not in held:
            wrong.append(
                f"{write.element} was acknowledged at {write.acknowledged}, before {moment} - "
                f"{bound}, and is missing"
            )
        if write.invoked > moment + bound and write.element in held:
            wrong.append(
                f"{write.element} was invoked at {write.invoked}, after {moment} + {bound}, and "
                f"is there"
            )
    return wrong
