"""Last write wins: of two versions of a key the one with the later time stays, whoever saw whom.

The pattern of applications that cannot merge: a session's data, say. The coordinator stamps each
write with its wall clock, in microseconds; the stamp is the counter of the dot, so it never repeats
and never runs back in a node. The other version is dropped, be it concurrent: that is the price,
named and counted. And *later* is what two clocks say. While they are apart by less than the
declared bound e, a write that was asked for more than e after another had returned always wins;
beyond it the write of a slow clock is acknowledged and gone.

Source: DeCandia et al., SOSP 2007, 4.4, 6 ("timestamp based reconciliation").
"""

from __future__ import annotations

from typing import Final

MICROSECOND: Final = 1_000


def next_counter(counter: int, wall: int) -> int:
    """The counter of the next write: the wall clock in microseconds, or one more than the last."""
    return max(counter + 1, wall // MICROSECOND)
