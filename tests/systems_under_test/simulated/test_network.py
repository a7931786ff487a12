"""Every fault of a link, with the counters that prove it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systems_under_test.environments.cluster import EnvironmentFailed, Link, LinkQuality
from systems_under_test.environments.simulated.latency import Constant
from systems_under_test.environments.simulated.network import Network
from systems_under_test.environments.simulated.options import SimulationOptions
from systems_under_test.rng import Rng
from tests.systems_under_test.simulated.puppet import MS, World

STEADY = SimulationOptions(peer_latency=Constant(MS), effect_gap=Constant(10_000))
LINK: Link = ("n1", "n2")
SENT = 400


def sent(quality: LinkQuality, *, options: SimulationOptions = STEADY) -> tuple[World, list[int]]:
    """Send numbered messages over a link of this quality; what arrives, in order."""
    world = World(2, options=options)
    world.shape({LINK: quality})
    for n in range(SENT):
        world.ask("n1", ["send", "n2", {"n": n}], ["respond", "ok"])
    world.settle()
    return world, [int(event.rpartition("=")[2]) for event in world.heard("n2")]


def test_a_plain_link_passes_everything_in_order_when_its_latency_is_constant() -> None:
    world, arrived = sent(LinkQuality())
    assert arrived == list(range(SENT))
    assert world.link_counters()[LINK] == {
        "passed": SENT, "dropped": 0, "delayed": 0, "duplicated": 0, "held": 0, "stale": 0,
    }  # fmt: skip


def test_messages_overtake_each_other_by_default() -> None:
    _, arrived = sent(LinkQuality(), options=SimulationOptions())
    assert sorted(arrived) == list(range(SENT))
    assert arrived != sorted(arrived)


def test_loss_loses_about_so_many_and_counts_them() -> None:
    world, arrived = sent(LinkQuality(loss_ppm=250_000))
    dropped = world.link_counters()[LINK]["dropped"]
    assert 60 <= dropped <= 140
    assert len(arrived) == SENT - dropped


def test_duplication_doubles_about_so_many_and_counts_them() -> None:
    world, arrived = sent(LinkQuality(duplicate_ppm=250_000))
    doubled = world.link_counters()[LINK]["duplicated"]
    assert 60 <= doubled <= 140
    assert len(arrived) == SENT + doubled
    assert set(arrived) == set(range(SENT))


def test_reordering_lets_messages_be_overtaken() -> None:
    world, arrived = sent(LinkQuality(reorder_ppm=250_000))
    assert sorted(arrived) == list(range(SENT))
    assert arrived != sorted(arrived)
    assert 60 <= world.link_counters()[LINK]["delayed"] <= 140


def test_delay_and_jitter_are_added_to_every_message() -> None:
    world = World(2, options=STEADY)
    world.shape({LINK: LinkQuality(delay_ns=20 * MS, jitter_ns=10 * MS)})
    world.tell("n1", ["send", "n2", {"n": 0}])
    world.settle(20 * MS)
    assert world.heard("n2") == []
    world.settle(13 * MS)
    assert len(world.heard("n2")) == 1
    assert world.link_counters()[LINK]["delayed"] == 1


def test_a_narrow_link_carries_so_many_bytes_a_second_in_order() -> None:
    world, first = sent(LinkQuality(rate_bytes_s=500))
    world.run_until(world.now + 6_000 * MS)
    arrived = [int(event.rpartition("=")[2]) for event in world.heard("n2")]
    counters = world.link_counters()[LINK]
    assert arrived == sorted(arrived)
    assert counters["delayed"] == counters["passed"] == len(arrived) > len(first)
    assert counters["dropped"] == SENT - len(arrived) > 0, "the queue has an end"


def test_a_hold_keeps_messages_and_those_in_flight_until_it_is_released() -> None:
    world = World(2, options=STEADY)
    world.ask("n1", ["send", "n2", {"n": 0}], ["respond", "ok"])
    world.shape({LINK: LinkQuality(hold=True)})
    world.ask("n1", ["send", "n2", {"n": 1}], ["respond", "ok"])
    world.settle()
    assert world.heard("n2") == []
    assert world.link_counters()[LINK]["held"] == 2
    assert world.probe([LINK]) == {LINK: False}
    world.shape({})
    world.settle()
    assert [event[-1] for event in sorted(world.heard("n2"))] == ["0", "1"]
    assert world.link_counters()[LINK]["held"] == 0


def test_held_messages_are_bounded() -> None:
    world = World(2, options=SimulationOptions(held_messages_max=3))
    world.shape({LINK: LinkQuality(hold=True)})
    for n in range(5):
        world.ask("n1", ["send", "n2", {"n": n}], ["respond", "ok"])
    world.settle()
    assert world.link_counters()[LINK]["held"] == 3
    assert world.link_counters()[LINK]["dropped"] == 2


def test_a_cut_is_one_way_and_takes_what_is_in_flight() -> None:
    world = World(2, options=STEADY)
    world.ask("n1", ["send", "n2", {"n": 0}], ["respond", "ok"])
    world.set_cut({LINK})
    world.ask("n1", ["send", "n2", {"n": 1}], ["respond", "ok"])
    world.ask("n2", ["send", "n1", {"n": 2}], ["respond", "ok"])
    world.settle()
    assert world.heard("n2") == []
    assert len(world.heard("n1")) == 1
    assert world.link_counters()[LINK]["dropped"] == 2
    assert world.probe([LINK, ("n2", "n1")]) == {LINK: False, ("n2", "n1"): True}
    world.set_cut(())
    world.ask("n1", ["send", "n2", {"n": 3}], ["respond", "ok"])
    world.settle()
    assert len(world.heard("n2")) == 1


def test_what_was_sent_during_a_cut_does_not_pass_after_it() -> None:
    world = World(2, options=STEADY)
    world.set_cut({LINK})
    world.ask("n1", ["send", "n2", {"n": 1}], ["respond", "ok"])
    world.set_cut(())
    world.settle()
    assert world.heard("n2") == []


def test_a_cut_that_does_nothing_is_seen_by_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Network, "set_cut", lambda self, links: None)
    world = World(2)
    world.set_cut({LINK})
    assert world.probe([LINK]) == {LINK: True}


def test_a_probe_draws_nothing_from_the_streams_of_messages() -> None:
    logs = []
    for probes in (0, 50):
        world = World(2, options=SimulationOptions(baseline=LinkQuality(loss_ppm=300_000)))
        for n in range(50):
            world.ask("n1", ["send", "n2", {"n": n}], ["respond", "ok"])
            if n < probes:
                world.probe([LINK])
                world.latencies([LINK])
        world.settle()
        logs.append(world.log("n2"))
    assert logs[0] == logs[1]


def test_a_trial_takes_as_long_as_a_message_would() -> None:
    world = World(2, options=STEADY)
    (plain,) = world.latencies([LINK]).values()
    assert plain is not None
    world.shape({LINK: LinkQuality(delay_ns=50 * plain, rate_bytes_s=1_000)})
    for _ in range(2):  # The second is no later for the first: a trial takes nobody's turn.
        assert world.latencies([LINK]) == {LINK: 51 * plain + 64_000_000}
    world.shape({LINK: LinkQuality(loss_ppm=1_000_000)})
    assert world.latencies([LINK]) == {LINK: None}
    world.shape({})
    world.nodes["n2"].kill()
    assert world.latencies([LINK]) == {LINK: None}


def test_a_lossy_link_passes_a_probe_unless_it_loses_everything() -> None:
    world = World(2)
    world.shape({LINK: LinkQuality(loss_ppm=500_000)})
    assert world.probe([LINK]) == {LINK: True}
    world.shape({LINK: LinkQuality(loss_ppm=1_000_000)})
    assert world.probe([LINK]) == {LINK: False}


def test_loss_on_one_link_does_not_reshuffle_another() -> None:
    logs = []
    for quality in (LinkQuality(), LinkQuality(loss_ppm=500_000)):
        world = World(3)
        world.shape({LINK: quality})
        for n in range(50):
            world.ask("n1", ["send", "n2", {"n": n}], ["send", "n3", {"n": n}], ["respond", "ok"])
        world.settle()
        logs.append(world.log("n3"))
    assert logs[0] == logs[1]


def test_unknown_links_are_an_error_that_names_them() -> None:
    world = World(2)
    with pytest.raises(EnvironmentFailed, match="n9"):
        world.set_cut({("n1", "n9")})
    with pytest.raises(EnvironmentFailed, match="n9"):
        world.shape({("n9", "n1"): LinkQuality()})
    with pytest.raises(EnvironmentFailed, match="n9"):
        world.probe([("n9", "n1")])


def test_messages_share_nothing_with_their_sender() -> None:
    body = {"list": [1]}
    world = World(2)
    world.tell("n1", ["send", "n2", body], ["respond", "ok"])
    world.settle()
    assert world.heard("n2") == ['heard who="n1/1" list=[1]']


@given(st.integers(0, 10**6))
@settings(max_examples=25)
def test_no_message_is_unaccounted_for(seed: int) -> None:
    rng = Rng(f"{seed}/accounts")
    world = World(2, seed=seed)
    for n in range(60):
        if rng.below(6) == 0:
            quality = LinkQuality(
                delay_ns=rng.below(5 * MS),
                jitter_ns=rng.below(5 * MS),
                loss_ppm=rng.below(2) * 300_000,
                duplicate_ppm=rng.below(2) * 300_000,
                reorder_ppm=rng.below(2) * 300_000,
                hold=rng.below(3) == 0,
            )
            world.shape({LINK: quality})
        if rng.below(6) == 0:
            world.set_cut([LINK] if rng.below(2) else [])
        world.ask("n1", ["send", "n2", {"n": n}], ["respond", "ok"])
    world.shape({})
    world.settle()
    counters = world.link_counters()[LINK]
    assert counters["passed"] + counters["dropped"] == 60 + counters["duplicated"]
    assert counters["held"] == counters["stale"] == 0
    assert len(world.heard("n2")) == counters["passed"]
