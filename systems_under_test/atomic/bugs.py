"""The named bugs of the atomic store, off unless they are named."""

from __future__ import annotations

from typing import Final

from systems_under_test.atomic.replica import CAS_WITHOUT_COMPARE, FORGETS_ON_RESTART, STALE_READ
from systems_under_test.system import Bug

_BUGS: Final = (
    Bug(
        name=STALE_READ,
        sentence="A read is served from a cached copy for a second after it was read once.",
        finding="not-linearizable",
        workload="register",
    ),
    Bug(
        name=FORGETS_ON_RESTART,
        sentence="The log is not replayed at a start, so that every register is null again.",
        finding="not-linearizable",
        workload="register",
        faults="kill",
    ),
    Bug(
        name=CAS_WITHOUT_COMPARE,
        sentence="A compare-and-set stores the new value and says yes, whatever the old one was.",
        finding="not-linearizable",
        workload="register",
    ),
)

BUGS: Final = {bug.name: bug for bug in _BUGS}
