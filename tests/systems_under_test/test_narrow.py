"""A narrow line: each message has its turn, and the queue has an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from systems_under_test.environments.narrow import QUEUE_NS_MAX, Narrow

SECOND = 1_000_000_000


def test_messages_take_as_long_as_their_bytes_and_wait_for_those_before() -> None:
    line = Narrow()
    assert line.delay_ns(500, 1_000, 0) == SECOND // 2
    assert line.delay_ns(500, 1_000, 0) == SECOND
    assert line.delay_ns(100, 1_000, SECOND // 2) == SECOND // 2 + SECOND // 10
    assert line.delay_ns(100, 1_000, 9 * SECOND) == SECOND // 10, "it was free again"


def test_what_would_wait_too_long_is_dropped_and_delays_nobody() -> None:
    line = Narrow()
    assert line.delay_ns(3_000, 1_000, 0) == 3 * SECOND
    assert line.delay_ns(1, 1_000, 0) is None
    assert line.delay_ns(1, 1_000, SECOND) == 2 * SECOND + SECOND // 1_000


@given(
    st.integers(1, 10_000),
    st.lists(st.tuples(st.integers(1, 5_000), st.integers(0, SECOND)), max_size=50),
)
def test_no_more_passes_than_the_rate_allows_and_in_order(
    rate: int, messages: list[tuple[int, int]]
) -> None:
    line, now, last, carried = Narrow(), 0, 0, 0
    for size, gap in messages:
        now += gap
        delay = line.delay_ns(size, rate, now)
        if delay is None:
            continue
        carried += size
        assert now + delay >= last
        assert delay <= QUEUE_NS_MAX + size * SECOND // rate + 1
        last = now + delay
        assert carried * SECOND // rate - len(messages) <= last
