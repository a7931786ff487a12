"""An event loop in a thread of its own, for what must go on while the harness does other things."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, TypeVar

from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class LoopThread:
    """Runs coroutines and functions for other threads, in the order in which they come."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, for what runs in it."""
        return self._loop

    def run(self, work: Coroutine[None, None, T], *, timeout_s: float, what: str) -> T:
        """The result of a coroutine. Raises what it raises; EnvironmentFailed past the time-out."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError:
            if future.done():
                raise  # Its own time-out, not ours.
            future.cancel()
            raise EnvironmentFailed(f"{what} took longer than {timeout_s} s") from None
        except BaseException:
            future.cancel()
            raise

    def do(self, act: Callable[[], T], *, what: str) -> T:
        """The result of a function that is called in the loop."""

        async def acting() -> T:
            return act()

        return self.run(acting(), timeout_s=10.0, what=what)

    def stop(self) -> None:
        """End every task, then the thread; can be called twice."""
        if self._loop.is_closed():
            return
        try:
            self.run(_cancel_all(), timeout_s=5.0, what="ending the proxies")
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5.0)
            if not self._thread.is_alive():
                self._loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)  # Lets transports that were closed tell so.
