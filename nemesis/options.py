"""When faults come and how many: what `--nemesis-option` sets."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from nemesis.courses import SECOND, Timing

if TYPE_CHECKING:
    from collections.abc import Mapping

TOGETHER: Final = "together"
CYCLE: Final = "cycle"
LIMITS: Final = ("one", "minority", "majority", "all")


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultOptions:
    """When faults come and how many. Ranges are `LOW-HIGH` or one number, in seconds."""

    lead_in: str = ""
    """Seconds of quiet before the first fault; by default 0.5-2, or the plan's own."""
    fault: str = ""
    """Seconds from a fault to its healing; by default 2-4, or the plan's own."""
    quiet: str = ""
    """Seconds from a healing to the next fault; by default 1-2, or the plan's own."""
    tail: float | None = None
    """Seconds at the end without faults; by default 1, but a tenth of the run at most."""
    order: str = TOGETHER
    """`together`: plans run independently of one another; `cycle`: each in turn."""
    at_most: str = ""
    """Nodes that may be down or without a majority at once: a number, or a word of `LIMITS`."""
    budget: int | None = None
    """How many faults each plan may inject; without it as many as there is time for."""
    zones: str = ""
    """Zones as `n1+n2/n3+n4/n5`; by default the system's own, else thirds."""

    def over(self, timing: Timing) -> Timing:
        """That timing, with the ranges that are given here. Raises ValueError for one that is none.

        So who asks for another lead-in does not slow down a family that is quick by its nature.
        """
        return Timing(
            lead_in_ns=_range("lead-in", self.lead_in) if self.lead_in else timing.lead_in_ns,
            fault_ns=_range("fault", self.fault) if self.fault else timing.fault_ns,
            quiet_ns=_range("quiet", self.quiet) if self.quiet else timing.quiet_ns,
        )


def options_of(given: Mapping[str, Any]) -> FaultOptions:
    """The options by name. Raises ValueError: a line for each problem."""
    known = {field.name: field for field in fields(FaultOptions)}
    values: dict[str, Any] = {}
    problems: list[str] = []
    for spelled, value in given.items():
        name = spelled.replace("-", "_")
        if name not in known:
            names = ", ".join(sorted(n.replace("_", "-") for n in known))
            problems.append(f"faults have no option {spelled!r}; there are: {names}")
        elif name in ("tail", "budget"):
            values[name] = value
        else:
            values[name] = str(value)
    problems += _problems(FaultOptions(**values)) if not problems else []
    if problems:
        raise ValueError("\n".join(problems))
    return FaultOptions(**values)


def _problems(options: FaultOptions) -> list[str]:
    found: list[str] = []
    try:
        options.over(Timing())
    except ValueError as error:
        found.append(str(error))
    if options.order not in (TOGETHER, CYCLE):
        found.append(f"order={options.order}: there are {TOGETHER}, {CYCLE}")
    if options.at_most not in ("", *LIMITS) and not options.at_most.isdigit():
        found.append(f"at-most={options.at_most}: a number, or one of {', '.join(LIMITS)}")
    if options.tail is not None and not _is_number(options.tail):
        found.append(f"tail={options.tail}: seconds, from 0")
    if options.budget is not None and not (type(options.budget) is int and options.budget > 0):
        found.append(f"budget={options.budget}: a whole number from 1")
    return found


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and value >= 0


def _range(name: str, text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    try:
        first, last = float(low), float(high or low)
        if not 0 <= first <= last < float("inf"):
            raise ValueError
    except ValueError:
        raise ValueError(f"{name}={text}: seconds as LOW-HIGH, or one number") from None
    return round(first * SECOND), round(last * SECOND)
