"""Options of the test run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.systems_under_test.ssh.machines import Machines

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("lineal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples each time, so that a change is judged by what it changed. `make explore` looks
# for new ones.
settings.register_profile("same", settings.get_profile("lineal"), derandomize=True)
settings.load_profile("lineal" if os.environ.get("LINEAL_EXPLORE") else "same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite",
        action="store_true",
        help="write into each scenario what comes of it now, to be reviewed with git diff",
    )


@pytest.fixture(scope="session")
def made() -> Iterator[Machines]:
    """Five machines of network namespaces, for all tests that take any."""
    from tests.systems_under_test.ssh.machines import made_machines

    with made_machines(5) as five:
        yield five
