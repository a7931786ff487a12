from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from systems_under_test.environments.cluster import LinkQuality
from systems_under_test.environments.local.fate import OVERTAKEN_NS, copies
from systems_under_test.rng import Rng

MILLION = 1_000_000


def _many(quality: LinkQuality, count: int = 20_000) -> list[tuple[int, ...]]:
    rng = Rng("fate")
    return [copies(quality, rng) for _ in range(count)]


def test_a_clear_link_passes_everything_at_once_and_draws_nothing() -> None:
    rng, twin = Rng("a"), Rng("a")
    assert [copies(LinkQuality(), rng) for _ in range(100)] == [(0,)] * 100
    assert rng.below(10**9) == twin.below(10**9)


def test_loss_duplication_and_overtaking_have_the_chances_given() -> None:
    lost = sum(not fate for fate in _many(LinkQuality(loss_ppm=200_000)))
    doubled = sum(len(fate) == 2 for fate in _many(LinkQuality(duplicate_ppm=200_000)))
    overtaken = sum(fate[0] >= OVERTAKEN_NS for fate in _many(LinkQuality(reorder_ppm=200_000)))
    for count in (lost, doubled, overtaken):
        assert 3_700 < count < 4_300


def test_certain_loss_loses_everything() -> None:
    assert set(_many(LinkQuality(loss_ppm=MILLION, duplicate_ppm=MILLION))) == {()}


@given(delay_ns=st.integers(0, 10**9), jitter_ns=st.integers(0, 10**9), seed=st.text(max_size=4))
def test_a_delay_lies_between_delay_and_delay_with_jitter(
    delay_ns: int, jitter_ns: int, seed: str
) -> None:
    quality = LinkQuality(delay_ns=delay_ns, jitter_ns=jitter_ns, duplicate_ppm=500_000)
    rng = Rng(seed)
    for _ in range(10):
        for delay in copies(quality, rng):
            assert delay_ns <= delay <= delay_ns + jitter_ns


def test_a_message_that_is_to_be_overtaken_waits_longer_than_any_other() -> None:
    quality = LinkQuality(delay_ns=5, jitter_ns=1_000, reorder_ppm=300_000)
    delays = [fate[0] for fate in _many(quality, 2_000)]
    usual = [delay for delay in delays if delay <= 1_005]
    assert min(delay for delay in delays if delay > 1_005) >= max(usual) + OVERTAKEN_NS - 1_005
    assert len(usual) < 2_000
