"""How the tests of this folder replay: two clients unless told otherwise, one fixed seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from systems_under_test.rng import Rng
from workloads.generators.schedule import Schedule, replay

if TYPE_CHECKING:
    from workloads.generators.protocol import Liftable


def played(generator: Liftable, *, seed: str = "45", **options: Any) -> Schedule:
    """The schedule under the fixed seed; proposals kept or dropped, no operation is different."""
    return replay(generator, rng=Rng(seed), **options)


def asked(generator: Liftable, **options: Any) -> list[str]:
    """The invocations alone, one text each."""
    return played(generator, **options).asked
