"""A table that prints nothing is looked at again: `docker exec` may lose what was printed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker.partitions import InNetworks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.environments.docker.entrances import Program

ADDRESSES = {"n1": "10.0.0.1", "n2": "10.0.0.2"}


class Losing:
    """Prints nothing so many times in n2, then an empty table."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.asked: list[list[str]] = []

    def run(self, programs: Mapping[str, Program]) -> Mapping[str, str]:
        self.asked.append(sorted(programs))
        self.times -= 1
        empty = json.dumps({"nftables": []})
        return {n: "" if n == "n2" and self.times >= 0 else empty for n in programs}


def counted(entrance: Losing) -> dict[tuple[str, str], dict[str, int]]:
    links = [("n1", "n2"), ("n2", "n1")]
    return InNetworks("run", ADDRESSES, links, entrance, lambda _: True).counters()


def test_only_what_was_lost_is_looked_at_again() -> None:
    entrance = Losing(1)
    assert set(counted(entrance)) == {("n1", "n2"), ("n2", "n1")}
    assert entrance.asked == [["n1", "n2"], ["n2"]]


def test_what_is_lost_each_time_is_said() -> None:
    with pytest.raises(EnvironmentFailed, match="in the network of n2 printed nothing"):
        counted(Losing(9))
