from __future__ import annotations

from systems_under_test.environments.simulated.kernel import Kernel


def test_orders_events_by_time_and_equal_times_by_insertion() -> None:
    kernel = Kernel()
    seen: list[str] = []
    for time, name in [(20, "c"), (10, "a"), (20, "d"), (10, "b")]:
        kernel.push(time, seen.append, name)
    while kernel.step():
        pass
    assert seen == ["a", "b", "c", "d"]


def test_gives_every_event_a_tick_of_its_own() -> None:
    kernel = Kernel()
    stamps: list[int] = []
    for time in (5, 5, 5, 6, 100):
        kernel.push(time, lambda _: stamps.append(kernel.now), None)
    kernel.run_until(200)
    assert stamps == [5, 6, 7, 8, 100]
    assert kernel.now == 200
    assert kernel.events == 5


def test_an_event_of_the_past_happens_on_the_next_tick() -> None:
    kernel = Kernel()
    kernel.run_until(50)
    kernel.push(10, lambda _: None, None)
    assert kernel.step()
    assert kernel.now == 51
    assert not kernel.step()


def test_stops_before_what_is_due_later() -> None:
    kernel = Kernel()
    seen: list[int] = []
    kernel.push(10, seen.append, 10)
    kernel.push(11, seen.append, 11)
    kernel.run_until(10)
    assert seen == [10]
