"""What happens to a message on a link of some quality: a pure draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from systems_under_test.environments.cluster import LinkQuality
    from systems_under_test.rng import Rng

OVERTAKEN_NS: Final = 30_000_000
"""A message that is to be overtaken waits so much longer than the slowest other one."""


def copies(quality: LinkQuality, rng: Rng) -> tuple[int, ...]:
    """The delay of each copy that arrives, in nanoseconds; empty where the message is lost."""
    if quality.loss_ppm and rng.chance(quality.loss_ppm):
        return ()
    first = _delay_ns(quality, rng)
    if quality.duplicate_ppm and rng.chance(quality.duplicate_ppm):
        return first, _delay_ns(quality, rng)
    return (first,)


def _delay_ns(quality: LinkQuality, rng: Rng) -> int:
    delay = quality.delay_ns
    if quality.jitter_ns:
        delay += rng.below(quality.jitter_ns + 1)
    if quality.reorder_ppm and rng.chance(quality.reorder_ppm):
        delay += quality.jitter_ns + OVERTAKEN_NS
    return delay
