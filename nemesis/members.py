"""Who is a member at a moment of a schedule: what words as `minority` are reckoned by.

Of three members and two spares two would be a minority of all nodes, and without them the three
have no majority. So spares do not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemesis.ledger import targets_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nemesis.plan import Fault


def members(
    nodes: tuple[str, ...], spares: tuple[str, ...], open_faults: Iterable[Fault] = ()
) -> tuple[str, ...]:
    """The members among these nodes, in order, less those that an open fault has told to leave.

    An order may still wait to be accepted, so who is to join is not counted on.
    """
    leaving = {node for fault in open_faults if fault.f == "leave" for node in targets_of(fault)}
    return tuple(node for node in nodes if node not in spares and node not in leaving)
