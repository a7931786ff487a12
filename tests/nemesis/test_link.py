"""Links that are slow, lossy, doubling, reordering or held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemesis.families import LINKS
from nemesis.link import LinkFault, showing, together
from nemesis.links import links_at
from nemesis.plan import Fault
from systems_under_test.environments.cluster import Link, LinkQuality
from tests.nemesis.memory_cluster import MemoryCluster

if TYPE_CHECKING:
    from collections.abc import Iterable

LINK = LinkFault()
FIVE = ("n1", "n2", "n3", "n4", "n5")

qualities = st.builds(
    LinkQuality,
    delay_ns=st.integers(0, 1_000),
    jitter_ns=st.integers(0, 1_000),
    loss_ppm=st.integers(0, 1_000_000),
    duplicate_ppm=st.integers(0, 1_000_000),
    reorder_ppm=st.integers(0, 1_000_000),
    hold=st.booleans(),
)


def fault(number: int, variant: str, *targets: str) -> Fault:
    links = [list(link) for link in links_at(FIVE, targets)]
    quality = LINKS[variant][1].quality
    return Fault(number, "link", {"links": links, "quality": quality, "targets": list(targets)})


@pytest.mark.parametrize("variant", sorted(LINKS))
def test_a_quality_is_applied_to_the_targets_links_and_healed(variant: str) -> None:
    cluster = MemoryCluster()
    one = fault(1, variant, "n1")
    effect = LINK.inject(cluster, one)
    assert effect.effect == "applied"
    assert effect.evidence["shaped"] == 8
    assert sorted(cluster.qualities) == sorted(links_at(FIVE, ["n1"]))
    cluster.traffic()
    healing = LINK.heal(cluster, one)
    assert healing.effect == "healed"
    assert any(healing.evidence["meanwhile"][name] == 8 for name in ("dropped", "delayed")) or (
        healing.evidence["meanwhile"]["duplicated"] == 8
    )
    assert not cluster.qualities


@pytest.mark.parametrize("variant", sorted(LINKS))
def test_a_shape_that_is_not_taken_is_ineffective(variant: str) -> None:
    cluster = MemoryCluster()
    cluster.broken.add("shape")
    assert LINK.inject(cluster, fault(1, variant, "n1")).effect == "ineffective"


@pytest.mark.parametrize("variant", sorted(LINKS))
def test_a_shape_that_stays_leaks(variant: str) -> None:
    cluster = MemoryCluster()
    one = fault(1, variant, "n1")
    LINK.inject(cluster, one)
    cluster.traffic()
    cluster.broken.add("shape")
    healing = LINK.heal(cluster, one)
    assert healing.effect == "leaked"
    assert len(healing.evidence["still_shaped"]) == 8


class Boastful(MemoryCluster):
    """Says that its links are as they should be, and lets everything pass."""

    def traffic(self) -> None:
        real, self.qualities = self.qualities, {}
        super().traffic()
        self.qualities = real

    def latencies(self, links: Iterable[Link]) -> dict[Link, int | None]:
        """Those messages that it is asked for, it delays as it should."""
        real = {link: self.link_qualities()[link].delay_ns for link in links}
        return {link: 1_000 + delay for link, delay in real.items()}

    def _passes(self, link: Link) -> bool:
        return True


class Quick(MemoryCluster):
    """Says that its links are slow, and is as quick as ever."""

    def latencies(self, links: Iterable[Link]) -> dict[Link, int | None]:
        return dict.fromkeys(links, 1_000)


def test_links_over_which_messages_come_too_soon_are_not_slow() -> None:
    effect = LINK.inject(Quick(), fault(1, "slow", "n1"))
    assert effect.effect == "ineffective"
    assert len(effect.evidence["too_soon"]) == 8
    assert LINK.inject(Quick(), fault(1, "lossy", "n1")).effect == "applied"
    partly = MemoryCluster()
    partly.nodes["n2"].life = "dead"
    effect = LINK.inject(partly, fault(1, "slow", "n1"))
    assert (effect.effect, effect.evidence["too_soon"]) == ("applied", []), "nothing came at all"


def test_what_became_of_a_few_messages_is_told_in_figures() -> None:
    cluster = MemoryCluster()
    one = fault(1, "slow", "n1")
    evidence = LINK.inject(cluster, one).evidence
    assert evidence["tried_before"] == {
        "sent": 8,
        "passed": 8,
        "ms": {"least": 0.0, "median": 0.0, "most": 0.0},
    }
    assert evidence["tried"]["sent"] == evidence["tried"]["passed"] == 24
    assert evidence["tried"]["ms"]["least"] == 100.0
    cluster.traffic()
    healed = LINK.heal(cluster, one).evidence["tried"]
    assert (healed["sent"], healed["ms"]["most"]) == (8, 0.0)


@pytest.mark.parametrize("variant", sorted(set(LINKS) - {"hold"}))
def test_a_quality_that_no_message_felt_is_ineffective_when_healed(variant: str) -> None:
    cluster = Boastful()
    one = fault(1, variant, "n1")
    assert LINK.inject(cluster, one).effect == "applied"
    cluster.traffic()
    healing = LINK.heal(cluster, one)
    assert healing.effect == "ineffective"
    assert healing.evidence["meanwhile"]["passed"] == 8


def test_a_hold_that_lets_messages_pass_is_ineffective_at_once() -> None:
    effect = LINK.inject(Boastful(), fault(1, "hold", "n1"))
    assert effect.effect == "ineffective"
    assert len(effect.evidence["passing"]) == 8


def test_faults_of_one_link_add_up_and_each_healing_takes_its_own_share() -> None:
    cluster = MemoryCluster()
    slow, more, held = fault(1, "slow", "n1"), fault(2, "slow", "n1", "n2"), fault(3, "hold", "n2")
    for one in (slow, more, held):
        assert LINK.inject(cluster, one).effect == "applied"
    delay = LINKS["slow"][1].quality["delay_ns"]
    assert cluster.qualities["n1", "n3"].delay_ns == 2 * delay
    assert cluster.qualities["n1", "n2"].hold
    cluster.traffic()
    assert LINK.heal(cluster, slow).effect == "healed"
    assert cluster.qualities["n1", "n3"].delay_ns == delay
    assert LINK.heal(cluster, held).effect == "healed"
    assert cluster.qualities["n1", "n2"] == LinkQuality(delay_ns=delay, jitter_ns=delay)
    assert LINK.heal(cluster, more).effect == "healed"
    assert not cluster.qualities


def test_an_environment_of_poor_links_is_left_as_poor_as_it_was() -> None:
    class Poor(MemoryCluster):
        def link_qualities(self) -> dict[Link, LinkQuality]:
            poor = LinkQuality(delay_ns=7)
            return {link: self.qualities.get(link, poor) for link in self.links}

    cluster = Poor()
    slow, lossy = fault(1, "slow", "n1"), fault(2, "lossy", "n1")
    LINK.inject(cluster, slow)
    LINK.inject(cluster, lossy)
    cluster.traffic()
    assert LINK.heal(cluster, slow).effect == "healed"
    assert LINK.heal(cluster, lossy).effect == "healed"


def test_healing_twice_does_no_harm() -> None:
    cluster = MemoryCluster()
    one, other = fault(1, "slow", "n1"), fault(2, "lossy", "n1")
    LINK.inject(cluster, one)
    LINK.inject(cluster, other)
    cluster.traffic()
    LINK.heal(cluster, one)
    assert LINK.heal(cluster, one).effect == "healed"
    assert {quality.loss_ppm for quality in cluster.qualities.values()} == {300_000}


def test_an_unknown_quality_is_an_error() -> None:
    bad: dict[str, Any] = {"links": [["n1", "n2"]], "quality": {"speed": 1}, "targets": []}
    with pytest.raises(TypeError, match="speed"):
        LINK.inject(MemoryCluster(), Fault(1, "link", bad))


@given(qualities, qualities)
def test_together_is_symmetric_and_never_milder_than_either(a: LinkQuality, b: LinkQuality) -> None:
    both = together(a, b)
    assert both == together(b, a)
    assert together(a, LinkQuality()) == a
    assert set(showing(a)) | set(showing(b)) == set(showing(both))
    assert a.loss_ppm <= both.loss_ppm <= 1_000_000
    assert both.delay_ns == a.delay_ns + b.delay_ns
