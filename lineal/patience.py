"""Somebody else's code, waited for so long and no longer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Hung(Exception):
    """What was called has not come back in time."""


def within(timeout_s: float, act: Callable[[], T]) -> T:
    """What `act` returns or raises, called in a thread of its own.

    Raises Hung if it takes longer. The thread is left behind then, as a daemon: no thread can be
    ended from outside.
    """
    returned: list[T] = []
    raised: list[BaseException] = []

    def call() -> None:
        try:
            returned.append(act())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if raised:
        raise raised[0]
    if not returned:
        raise Hung(f"it has not come back within {timeout_s:g} s")
    return returned[0]
