from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lineal.cli import exit_status
from lineal.cli.main import main
from tests.systems_under_test.ssh.test_ends import assert_nothing_left

if TYPE_CHECKING:
    from tests.systems_under_test.ssh.machines import Machines

pytestmark = [pytest.mark.live, pytest.mark.ssh]


def doctor(made: Machines, *texts: str) -> int:
    flags = [f"--environment-option={key}={value}" for key, value in made.options().items()]
    return main(["doctor", "--nodes", ",".join(texts), *flags])


def test_the_doctor_tries_machines(made: Machines, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(made, *made.texts(2)) == exit_status.VALID
    said = capsys.readouterr().out
    assert f"ok       n1: n1 (root@{made.addresses[0]}:22): Python 3." in said
    assert "ok       n2 partitions: iptables takes a chain of ours" in said
    # A namespace of networks hides the control groups of its machine.
    assert "absent   n2 resources: n2 (root@" in said
    assert "nothing can limit a process here" in said
    assert_nothing_left(made, within_s=1.0)


def test_the_doctor_says_what_is_missing(
    made: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    root, guest = made.texts(1)[0], made.texts(2, "guest")[1]
    closed, second = f"root@{made.addresses[2]}:23", f"root@{made.second}:22"
    assert doctor(made, root, guest, closed, second) == exit_status.FAILED
    said = capsys.readouterr().out
    assert "ok       n1: " in said
    assert "missing  n2 partitions: n2 (guest@" in said
    assert "missing  n3: n3 (root@" in said
    assert "missing  partitions: n4 and n1 are on one machine" in said
    assert_nothing_left(made, within_s=1.0)
