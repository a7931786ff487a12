"""Which plans a run was asked for, one by one, so that one that did nothing can be named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemesis.courses import InTurn
from nemesis.limits import Within
from nemesis.schedule import Alternate
from nemesis.script import Script

if TYPE_CHECKING:
    from nemesis.plan import FaultPlan


def asked_plans(plan: FaultPlan) -> dict[str, str] | None:
    """Each part that is to inject something, with why it may have found no chance, or nothing.

    The names are those that its injections carry. None where a schedule is one of somebody's own:
    then the names of its faults have to do.
    """
    asked: dict[str, str] = {}
    for schedule in plan.schedules:
        if isinstance(schedule, Script):
            asked |= dict.fromkeys((line.said for line, draw in schedule.lines if draw), "")
        elif not isinstance(schedule, Alternate):
            return {} if not plan.nemesis.faults else None
        else:
            course = schedule.draw
            why = ""
            if isinstance(course, Within):
                why = f"no room under at-most={course.limit}, or too little time"
                course = course.course
            names = course.names if isinstance(course, InTurn) else ()
            asked |= dict.fromkeys(names or (schedule.stream,), why)
    return asked
