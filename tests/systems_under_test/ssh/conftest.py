from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.systems_under_test.ssh.machines import Machines, machines, require

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def made() -> Iterator[Machines]:
    """Five machines for all tests. Their keys lie where other users may read them."""
    require()
    with (
        tempfile.TemporaryDirectory(prefix="lineal-machines-") as folder,
        machines(Path(folder), 5) as five,
    ):
        yield five
