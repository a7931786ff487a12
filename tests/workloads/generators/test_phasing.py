from __future__ import annotations

from tests.workloads.generators.schedules import asked
from workloads.generators import (
    any_of,
    invoke,
    limit,
    on_clients,
    on_nemesis,
    phases,
    repeat,
    synchronize,
    then,
)
from workloads.generators.schedule import Ending, crashing

a, b, c = invoke("a"), invoke("b"), invoke("c")


def test_phases_wait_for_everyone_in_between() -> None:
    assert asked(phases([a, a, a], [b, b], c)) == [
        "0 0: a",
        "0 1: a",
        "10 0: a",
        "20 1: b",
        "20 0: b",
        "30 0: c",
    ]


def test_phases_go_on_after_crashes() -> None:
    assert asked(phases(a, b), ends=crashing) == ["0 0: a", "10 2: b"]


def test_then_waits_before_the_second_alone() -> None:
    assert asked(then(limit(3, repeat(a)), b)) == ["0 0: a", "0 1: a", "10 0: a", "20 1: b"]
    assert asked([a, then(b, c)]) == ["0 0: a", "0 1: b", "10 0: c"]


def test_synchronize_waits_only_for_threads_that_it_sees() -> None:
    busy_nemesis = any_of(on_nemesis(c), on_clients([a, synchronize(b)]))
    schedule = asked(
        busy_nemesis,
        nemesis=True,
        ends=lambda op, rng: Ending("ok", 1000 if op.f == "c" else 10),
    )
    assert sorted(schedule) == ["0 0: a", "0 nemesis: c", "10 1: b"]
