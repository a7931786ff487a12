"""The scrubber compares states of any length in parts, while writes go on and messages are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.environments.simulated.network import Network
from systems_under_test.paxos import scrub
from systems_under_test.paxos.scrub import PART_BYTES
from systems_under_test.paxos.view import View
from systems_under_test.replica import Write
from systems_under_test.rng import Rng
from tests.systems_under_test.paxos.driving import THREE, Drive

if TYPE_CHECKING:
    from systems_under_test.environments.simulated.life import Life
    from systems_under_test.environments.simulated.network import Channel

SMALL_PART = 200
ROWS = 60


class Watch:
    """What the scrubbers have sent and read so far; some of their messages are lost."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.views: list[View] = []
        self.lengths: list[int] = []
        self.lost = 0
        self.one_of = 0
        """One message of so many is lost, none with 0."""
        rng = Rng("lost")
        send, made = Network.send, self.views

        class Watched(View):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args)
                made.append(self)

        def sent(
            network: Network, channel: Channel, sender: Life, payload: bytes, departure: int
        ) -> None:
            if b"scrubbed" in payload[:40] or b"scrub-next" in payload[:40]:
                self.lengths.append(len(payload))
                if self.one_of and not rng.below(self.one_of):
                    self.lost += 1
                    return
            send(network, channel, sender, payload, departure)

        monkeypatch.setattr(scrub, "View", Watched)
        monkeypatch.setattr(scrub, "PART_BYTES", SMALL_PART)
        monkeypatch.setattr(Network, "send", sent)

    @property
    def closed(self) -> bool:
        """Whether no row is kept for a view any more."""
        return all(view.done for view in self.views)


def filled() -> tuple[Drive, str, list[str]]:
    """A cluster with rows; its leader, the others."""
    drive = Drive()
    leader = drive.await_leader()
    for n in range(ROWS):
        drive.put(leader, f"k{n:03}", "v" * 20)
    return drive, leader, [node for node in THREE if node != leader]


def report_of(drive: Drive, leader: str, limit_ms: int, *, writing: bool = False) -> dict[str, Any]:
    """Have the replicas compared; the report."""
    assert drive.order(leader, "scrub")[0] == 200
    for n in range(limit_ms // 10):
        if writing:
            drive.put(leader, f"k{n * 7 % (ROWS + 20):03}", n)
        drive.wait(10)
        report: dict[str, Any] | None = drive.status(leader)["scrub"]
        if report is not None:
            return report
    raise AssertionError("the scrubber has not reported")


def go_half_way(drive: Drive, leader: str, watch: Watch) -> None:
    """Begin to have the replicas compared, and let some of their parts come."""
    assert drive.order(leader, "scrub")[0] == 200
    while len(watch.lengths) < 8:
        assert drive.cluster.step()
    assert [view.done for view in watch.views] == [False] * 3


@pytest.mark.parametrize("one_of", [0, 5])
def test_parts_show_one_state_though_rows_change_and_messages_are_lost(
    one_of: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(monkeypatch)
    watch.one_of = one_of
    drive, leader, (victim, other) = filled()
    drive.cluster.nodes[victim].disk.apply([Write("values-0", b"k050", b'"wrong"')])
    drive.cluster.nodes[other].disk.apply([Write("values-0", b"k999", b'"more"')])
    report = report_of(drive, leader, 60_000, writing=True)
    assert report["differs"] == [[victim, "values", "k050"], [other, "values", "k999"]]
    assert (report["compared"], report["silent"]) == (list(THREE), [])
    assert (watch.lost > 3) == bool(one_of)
    drive.wait(12_000)
    assert len(watch.views) == 3
    assert watch.closed
    # More than one part for each two hundred bytes; none longer than what such a part may have.
    assert len(watch.lengths) > 2 * ROWS * 20 // SMALL_PART
    assert max(watch.lengths) < 16 * (SMALL_PART + 100)


def test_who_falls_silent_half_way_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    drive, leader, (one, two) = filled()
    go_half_way(drive, leader, watch)
    drive.cluster.nodes[one].kill()
    drive.wait(15_000)
    report = drive.status(leader)["scrub"]
    assert (report["silent"], report["compared"]) == ([one], sorted([leader, two]))
    assert report["differences"] == 0


def test_who_tells_a_leader_that_is_gone_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    drive, leader, _ = filled()
    go_half_way(drive, leader, watch)
    drive.cluster.nodes[leader].kill()
    successor = drive.await_leader()
    drive.wait(12_000)
    assert sum(not view.done for view in watch.views) <= 1  # The dead one's.
    # And the next one is asked of as if nothing had been.
    drive.cluster.nodes[leader].start()
    drive.wait(2_000)
    report = report_of(drive, successor, 5_000)
    assert (report["compared"], report["differences"]) == (list(THREE), 0)


def test_much_damage_is_told_in_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub, "DAMAGE_MAX", 3)
    drive, leader, (victim, _) = filled()
    disk = drive.cluster.nodes[victim].disk
    lines = [f"row {n} is damaged" for n in range(10)]
    monkeypatch.setattr(
        type(disk), "damaged_records", lambda self: iter(lines if self is disk else [])
    )
    report = report_of(drive, leader, 5_000)
    assert report["damage"] == {victim: [*lines[:3], "and 7 more"]}


def test_a_part_of_the_shortest_rows_fits_into_a_message() -> None:
    assert 16 * PART_BYTES < 1 << 20
