from __future__ import annotations

import pytest

from systems_under_test.environments.simulated.latency import (
    Constant,
    Exponential,
    Latency,
    Uniform,
)
from systems_under_test.rng import Rng


def drawn(latency: Latency, count: int) -> list[int]:
    rng = Rng("latency")
    return [latency.draw(rng) for _ in range(count)]


def test_a_constant_is_one() -> None:
    assert drawn(Constant(7), 3) == [7, 7, 7]


def test_a_uniform_stays_within_its_bounds_and_fills_them() -> None:
    values = drawn(Uniform(10, 20), 1000)
    assert sorted(set(values)) == list(range(10, 20))


def test_an_exponential_has_its_mean_and_a_tail() -> None:
    values = drawn(Exponential(100, 1000), 50_000)
    assert min(values) >= 100
    assert 1080 < sum(values) / len(values) < 1120
    beyond = [sum(v - 100 > k * 1000 for v in values) / len(values) for k in (1, 2, 4)]
    assert 0.30 < beyond[0] < 0.42  # An exponential has 0.37, 0.14 and 0.018.
    assert 0.10 < beyond[1] < 0.17
    assert 0.008 < beyond[2] < 0.025
    assert max(values) <= 100 + 22 * 1000


@pytest.mark.parametrize(
    ("latency", "first"),
    [
        (Uniform(0, 1_000_000), [974024, 463096, 495730, 54798]),
        (Exponential(0, 1_000_000), [1316016, 2997153, 1418311, 317794]),
    ],
)
def test_draws_the_same_on_every_machine(latency: Latency, first: list[int]) -> None:
    assert drawn(latency, 4) == first


@pytest.mark.parametrize("width", [1, 32, 64])
def test_bits_are_what_below_of_that_power_of_two_draws(width: int) -> None:
    one, other = Rng("bits"), Rng("bits")
    assert [one.bits(width) for _ in range(50)] == [other.below(1 << width) for _ in range(50)]
