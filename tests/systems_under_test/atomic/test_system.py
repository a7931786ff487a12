"""The atomic store as the rest of Lineal sees it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from systems_under_test.atomic.system import SYSTEM
from systems_under_test.replica import Place
from workloads.client import Reply

if TYPE_CHECKING:
    from systems_under_test.system import BundledSystem

NODES = ("n1",)


def test_is_a_bundled_system() -> None:
    system: BundledSystem = SYSTEM
    assert (system.name, system.nodes_default, system.workload_default) == ("atomic", 1, "register")
    assert set(system.offers) == {"register"}


def test_its_register_swaps() -> None:
    workload = SYSTEM.offers["register"].workload(keys=2)
    assert workload.parameters["cas"] is True
    assert "linearizable" in workload.claims


def test_names_every_problem_of_its_options_at_once() -> None:
    assert SYSTEM.problems({}, NODES) == []
    assert SYSTEM.problems({"engine": "memory"}, NODES) == []
    found = SYSTEM.problems({"engine": "tape", "speed": 3}, ("n1", "n2"))
    assert len(found) == 3
    assert "no option 'speed'" in found[0]
    assert "sqlite, lmdb, memory" in found[1]
    assert "not 2" in found[2]


def test_a_host_reaches_the_replica_by_its_path() -> None:
    module, _, function = SYSTEM.replica_path.partition(":")
    make = getattr(importlib.import_module(module), function)
    place = Place("n1", NODES)
    assert type(make(place, {}, None)) is type(SYSTEM.replica(place, {}, None))


def test_is_at_rest_as_soon_as_it_answers() -> None:
    assert SYSTEM.unrest({"n1": Reply(200, {}, b"{}")}) == []
    assert SYSTEM.unrest({"n1": Reply(503, {}, b"")}) == ["n1 answers its status request with 503"]
