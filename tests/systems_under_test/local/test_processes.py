from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.local.processes import Seen, _ask_ps, look
from tests.systems_under_test.local.clusters import until

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.live


@pytest.mark.parametrize("ask", [look, _ask_ps])
def test_a_process_is_seen_alive_stopped_dead_and_gone(ask: Callable[[int], Seen | None]) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    letters = []
    births = set()

    def seen(letter: str) -> bool:
        found = ask(child.pid)
        assert found is not None
        births.add(found.birth)
        letters.append(found.letter)
        return found.letter == letter

    try:
        until(lambda: seen("S"))
        os.kill(child.pid, signal.SIGSTOP)
        until(lambda: seen("T"))
        child.kill()
        until(lambda: seen("Z"))
        assert len(births) == 1
    finally:
        child.kill()
        child.wait()
    assert ask(child.pid) is None
