"""A process ends thread by thread: it is dead once it can be fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from systems_under_test.environments.local import node as node_module
from systems_under_test.environments.local.node import LocalNode
from systems_under_test.environments.local.processes import Seen

if TYPE_CHECKING:
    import pytest


class Ending:
    """A process whose first thread has ended; the last one ends while it is waited for."""

    pid = 4711
    status: int | None = None

    def poll(self) -> int | None:
        return self.status

    def wait(self, timeout_s: float) -> int:
        self.status = -9
        return self.status


def test_a_node_that_is_told_dead_has_a_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "look", lambda pid: Seen("Z", "then"))
    node: Any = object.__new__(LocalNode)
    node._process = Ending()
    assert node.state() == "dead"
    assert node.exit_status() == -9
