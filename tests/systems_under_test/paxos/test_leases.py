"""The arithmetic of leases, against simulated clocks; the rule for choosing a value."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from systems_under_test.environments.simulated.clock import Clock
from systems_under_test.paxos.configuration import Configuration
from systems_under_test.paxos.election import highest
from systems_under_test.paxos.group import first_group
from systems_under_test.paxos.lease import NEVER, confirmed_at
from systems_under_test.paxos.messages import Ballot, Entry, Promise

FIVE = ("n1", "n2", "n3", "n4", "n5")
BOUND = Configuration().drift_ppm
rates = st.integers(-BOUND, BOUND)


@given(rates, rates, st.integers(1, 60_000), st.integers(0, 10**9), st.integers(0, 10**12))
def test_a_leader_gives_up_before_its_grantor_does(
    leader_rate: int, grantor_rate: int, lease_ms: int, travel: int, sent: int
) -> None:
    configuration = Configuration(lease_ms=lease_ms)
    leader, grantor = Clock(17, 0), Clock(10**13, 0)
    leader.change(0, rate_ppm=leader_rate)
    grantor.change(0, rate_ppm=grantor_rate)
    until = leader.read(sent).mono + configuration.leader_lease
    granted_until = grantor.read(sent + travel).mono + configuration.lease
    first_without = leader.due(until)
    assert grantor.read(first_without - 1).mono < granted_until


def test_without_the_factor_a_slow_leader_outlives_a_grantor() -> None:
    configuration = Configuration()
    leader, grantor = Clock(0, 0), Clock(0, 0)
    leader.change(0, rate_ppm=-BOUND)
    assert grantor.read(leader.due(configuration.lease) - 1).mono > configuration.lease


@given(st.dictionaries(st.sampled_from(FIVE[1:]), st.integers(0, 1_000)), st.integers(0, 1_000))
def test_confirmed_means_that_a_quorum_has_answered_since(echoed: dict[str, int], now: int) -> None:
    group = first_group(FIVE, 5)
    since = confirmed_at(group, group.majority, "n1", now, echoed)
    answered = [now, *(at for at in echoed.values())]
    assert since == NEVER or sum(at >= since for at in answered) >= 3
    assert since == NEVER or sum(at > since for at in answered) < 3
    assert (since == NEVER) == (len(answered) < 3)


entries = st.builds(
    lambda round, time: Entry(Ballot(round, "n"), time, b"%d" % round),
    st.integers(1, 5),
    st.integers(0, 3),
)


@given(st.lists(st.dictionaries(st.integers(1, 4), entries), min_size=1, max_size=4))
def test_the_value_of_the_highest_ballot_is_chosen(logs: list[dict[int, Entry]]) -> None:
    promises = [Promise(Ballot(9, "c"), 1, tuple(log.items()), 0, b"") for log in logs]
    found = highest(promises)
    for slot in range(1, 5):
        accepted = [log[slot] for log in logs if slot in log]
        assert (slot in found) == bool(accepted)
        if accepted:
            assert found[slot].payload == max(accepted, key=lambda entry: entry.ballot).payload
