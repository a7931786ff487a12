"""Systems that fail in ways of their own, for tests of the harness: loaded by import path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from systems_under_test.atomic.system import Atomic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.replica import Place


def refuse(place: Place, options: Mapping[str, Any], bug: str | None) -> NoReturn:
    """A replica that cannot be made."""
    raise RuntimeError("this replica refuses to live")


class StillBorn(Atomic):
    """A store whose node dies as soon as it is started."""

    replica_path: Final = "tests.lineal.failing:refuse"  # type: ignore[misc]
