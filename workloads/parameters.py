"""Checks a workload's parameters: everything that is wrong with them, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class WrongParameters(ValueError):
    """A workload was given parameters that it cannot use.

    `problems` holds a sentence for each; as a text it is one line for each.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def demand(workload: str, *findings: str | None) -> None:
    """Raise `WrongParameters` if there is any finding; each check below answers one, or None."""
    problems = [f"workload {workload}: {finding}" for finding in findings if finding is not None]
    if problems:
        raise WrongParameters(problems)


def whole(name: str, value: Any, low: int, high: int) -> str | None:
    """It must be a whole number in this range."""
    if _is_whole(value) and low <= value <= high:
        return None
    return f"{name} is {value!r}: give a whole number from {low:,} to {high:,}"


def truth(name: str, value: Any) -> str | None:
    """It must be true or false."""
    return None if isinstance(value, bool) else f"{name} is {value!r}: give true or false"


def shares(percents: Mapping[str, Any], rest: str) -> str | None:
    """They must be percents, and leave at least one for the rest."""
    wrong = [n for n, value in percents.items() if not (_is_whole(value) and 0 <= value <= 100)]
    if wrong:
        shown = ", ".join(f"{n} is {percents[n]!r}" for n in wrong)
        return f"{shown}: give whole percents from 0 to 100"
    total = sum(percents.values())
    if total < 100:
        return None
    return f"{' + '.join(percents)} make {total} percent: leave some for {rest}"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
