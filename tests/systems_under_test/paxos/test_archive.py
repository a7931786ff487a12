"""The archive has what is chosen, any second can be restored, the scrubber finds what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.paxos import archiver
from systems_under_test.paxos.archive import (
    NOTHING,
    Inventory,
    NotArchived,
    Segment,
    Snapshot,
)
from systems_under_test.paxos.view import View
from systems_under_test.replica import Write
from tests.systems_under_test.paxos.driving import THREE, Drive
from tests.systems_under_test.paxos.invariants import archived_without_gap
from workloads.client import Request

if TYPE_CHECKING:
    from systems_under_test.paxos.state_machine import Rows
    from systems_under_test.paxos.step import Step

MS = 1_000_000
OFTEN = {
    "archive": "on",
    "archive_every_ms": 200,
    "archive_segment_slots": 20,
    "archive_snapshot_slots": 40,
    "checkpoint_slots": 10,
}


def archived(drive: Drive, slot: int, limit_ms: int = 5_000) -> dict[str, Any]:
    """Wait until the archive reaches a slot; how it is."""
    for _ in range(limit_ms // 50):
        leader = drive.leader()
        if leader is not None:
            found: dict[str, Any] = drive.status(leader)["archive"]
            if found["slot"] >= slot:
                return found
        drive.wait(50)
    raise AssertionError(f"the archive does not reach slot {slot}")


def restored(drive: Drive, node: str, ms: int) -> tuple[int, Any]:
    return drive.answer(node, Request("POST", f"/admin/restore?to={ms}"))


def scrubbed(drive: Drive, limit_ms: int = 15_000) -> dict[str, Any]:
    """Have the replicas compared; the report."""
    leader = drive.await_leader()
    before = drive.status(leader)["scrub"]
    assert drive.order(leader, "scrub")[0] == 200
    for _ in range(limit_ms // 50):
        drive.wait(50)
        report: dict[str, Any] = drive.status(leader)["scrub"]
        if report != before:
            return report
    raise AssertionError("the scrubber has not reported")


def wall_ms(drive: Drive, node: str) -> int:
    place = drive.cluster.nodes[node]
    return int(place.clock.read(drive.cluster.now).wall // MS)


@pytest.mark.parametrize(("seed", "batch_bytes"), [(0, 1 << 18), (1, 200), (2, 60)])
def test_any_moment_is_restored_as_it_was(
    seed: int, batch_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snapshots are made in slices of a batch, while rows change."""
    taken: list[int] = []

    class Watched(View):
        def next(self, step: Step, size_max: int) -> Rows:
            rows = super().next(step, size_max)
            taken.append(sum(len(key) + len(value) for _, key, value in rows))
            return rows

    monkeypatch.setattr(archiver, "View", Watched)
    drive = Drive({**OFTEN, "batch_bytes": batch_bytes}, seed=seed)
    leader = drive.await_leader()
    moments: list[tuple[int, dict[str, Any]]] = []
    state: dict[str, Any] = {}
    slot = 0
    for n in range(120):
        slot = drive.put(leader, f"k{n % 17}", n)
        state[f"k{n % 17}"] = n
        drive.wait(5)
        if n % 10 == 0:
            moments.append((wall_ms(drive, leader), dict(state)))
            drive.wait(5)
    archived(drive, slot)
    for node in THREE:
        for ms, expected in moments:
            status, content = restored(drive, node, ms)
            assert status == 200, content
            assert content["keys"] == expected
    pictures = sum(name.startswith("snapshots/") for name in drive.cluster.objects.contents)
    assert 0 < pictures <= len(taken)
    assert max(taken) < batch_bytes + 200
    assert (len(taken) > 5 * pictures) == (batch_bytes < 1_000)


def test_a_moment_that_the_archive_does_not_go_beyond_is_refused() -> None:
    drive = Drive(OFTEN)
    leader = drive.await_leader()
    slot = drive.put(leader, "k", 1)
    archived(drive, slot)
    status, content = restored(drive, leader, wall_ms(drive, leader) + 60_000)
    assert status == 409
    assert "the archive cannot show" in content["error"]


def test_a_backup_takes_what_is_chosen_now_into_the_archive() -> None:
    drive = Drive({**OFTEN, "archive_every_ms": 60_000, "archive_segment_slots": 1_000})
    leader = drive.await_leader()
    slot = drive.put(leader, "k", 1)
    drive.wait(1_000)
    assert drive.status(leader)["archive"]["slot"] < slot
    assert drive.order(leader, "backup")[0] == 200
    archived(drive, slot + 1, limit_ms=2_000)


def test_archiving_goes_on_under_the_next_leader_without_a_gap() -> None:
    drive = Drive(OFTEN)
    slot, state = 0, {}
    for turn in range(4):
        leader = drive.await_leader()
        for n in range(30):
            slot = drive.put(leader, f"k{n}", [turn, n])
            state[f"k{n}"] = [turn, n]
        drive.cluster.nodes[leader].kill()
        drive.await_leader()
        drive.cluster.nodes[leader].start()
    drive.wait(1_000)
    moment = wall_ms(drive, drive.await_leader())
    drive.wait(10)
    slot = drive.put(drive.await_leader(), "later", 1)
    archived(drive, slot)
    there = Inventory(drive.cluster.objects.contents)
    assert there.chain(NOTHING)[-1].last >= slot
    status, content = restored(drive, drive.await_leader(), moment)
    assert (status, content["keys"]) == (200, state)


def test_an_archive_out_of_reach_stops_no_write_and_nothing_is_truncated_that_it_lacks() -> None:
    drive = Drive(OFTEN)
    leader = drive.await_leader()
    drive.wait(1_000)
    drive.cluster.objects.down = True
    for n in range(200):
        slot = drive.put(leader, f"k{n}", n)
    status = drive.status(leader)
    assert status["log_start"] <= status["archive"]["slot"] < slot
    assert status["archive"]["trouble"]
    drive.cluster.objects.down = False
    archived(drive, slot, limit_ms=10_000)
    drive.put(leader, "k", 1)
    drive.wait(500)
    assert drive.status(leader)["log_start"] > 100


def test_an_archive_out_of_reach_for_too_long_gets_a_gap_and_begins_anew() -> None:
    drive = Drive({**OFTEN, "archive_lag_slots": 50})
    leader = drive.await_leader()
    drive.wait(1_000)
    drive.cluster.objects.down = True
    for n in range(300):
        drive.put(leader, f"k{n}", n)
        drive.wait(2)
    assert drive.status(leader)["log_start"] > drive.status(leader)["archive"]["slot"]
    drive.cluster.objects.down = False
    slot = drive.put(leader, "k", 1)
    archived(drive, slot, limit_ms=10_000)
    moment = wall_ms(drive, leader)
    drive.wait(10)
    archived(drive, drive.put(leader, "later", 1))
    assert restored(drive, leader, moment)[1]["keys"]["k299"] == 299


def test_a_segment_is_cut_by_bytes() -> None:
    limit, value = 10_000, "x" * 3_000
    drive = Drive({**OFTEN, "archive_segment_bytes": limit, "archive_segment_slots": 1_000})
    leader = drive.await_leader()
    drive.cluster.objects.down = True
    for n in range(40):
        drive.put(leader, f"k{n}", value)
    drive.cluster.objects.down = False
    drive.wait(10)
    slot = drive.put(leader, "last", value)
    archived(drive, slot)
    there = drive.cluster.objects.contents
    segments = [len(there[segment.name][0]) for segment in Inventory(there).chain(NOTHING)]
    assert sum(segments) > 40 * len(value)
    assert max(segments) <= limit + 2 * len(value)


def test_a_segment_is_written_as_soon_as_it_is_full() -> None:
    full = {"archive_segment_bytes": 10_000, "archive_segment_slots": 1_000}
    drive = Drive({**OFTEN, **full, "archive_every_ms": 60_000})
    leader = drive.await_leader()
    drive.wait(500)
    slot = 0
    for n in range(4):
        slot = drive.put(leader, f"k{n}", "x" * 3_000)
    archived(drive, slot, limit_ms=1_000)


def test_an_archive_out_of_reach_for_too_many_bytes_gets_a_gap() -> None:
    drive = Drive({**OFTEN, "archive_lag_bytes": 50_000})
    leader = drive.await_leader()
    drive.wait(1_000)
    drive.cluster.objects.down = True
    kept = 0
    for n in range(200):
        drive.put(leader, f"k{n % 10}", "x" * 1_000)
        drive.wait(2)
        status = drive.status(leader)
        kept = max(kept, status["last"] - status["log_start"])
    assert status["log_start"] > status["archive"]["slot"]
    assert kept < 100, "about fifty commands, and what was written since the last heartbeat"
    drive.cluster.objects.down = False
    slot = drive.put(leader, "k", 1)
    archived(drive, slot, limit_ms=10_000)


def test_a_new_leader_truncates_nothing_before_it_knows_what_is_archived() -> None:
    drive = Drive(OFTEN)
    leader = drive.await_leader()
    drive.wait(1_000)
    drive.cluster.objects.down = True
    drive.order(leader, "handover")
    drive.wait(300)
    second = drive.await_leader()
    assert second != leader
    reach = archived_without_gap(Inventory(drive.cluster.objects.contents))
    for n in range(150):
        drive.put(second, f"k{n}", n)
        drive.wait(5)
    assert all(drive.status(node)["log_start"] <= reach for node in THREE)
    assert "is down" in drive.status(second)["archive"]["trouble"]
    drive.cluster.objects.down = False
    archived(drive, drive.put(second, "k", 1), limit_ms=10_000)
    assert drive.status(second)["archive"]["trouble"] == ""
    there = Inventory(drive.cluster.objects.contents)
    assert archived_without_gap(there) == there.segments[-1].last


def test_a_store_that_is_silent_is_told_as_trouble_and_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drive = Drive(OFTEN)
    leader = drive.await_leader()
    drive.wait(1_000)
    with monkeypatch.context() as silent:
        silent.setattr(type(drive.cluster.objects), "ask", lambda *asked: None)
        slot = drive.put(leader, "k", 1)
        drive.wait(6_000)
        assert "has not answered" in drive.status(leader)["archive"]["trouble"]
        assert drive.status(leader)["archive"]["slot"] < slot
    archived(drive, slot, limit_ms=10_000)
    assert drive.status(leader)["archive"]["trouble"] == ""


def test_what_is_older_than_the_window_leaves_the_archive() -> None:
    drive = Drive({**OFTEN, "archive_keep_ms": 1_000})
    leader = drive.await_leader()
    for n in range(400):
        slot = drive.put(leader, f"k{n % 9}", n)
        drive.wait(15)
    archived(drive, slot)
    drive.wait(1_000)
    there = Inventory(drive.cluster.objects.contents)
    assert there.segments[0].first > 100
    assert len(there.snapshots) > 1
    now = wall_ms(drive, leader)
    drive.put(leader, "last", 1)
    drive.wait(1_000)
    assert restored(drive, leader, now - 500)[0] == 200


def test_the_scrubber_finds_replicas_and_archive_equal() -> None:
    drive = Drive(OFTEN)
    leader = drive.await_leader()
    for n in range(100):
        drive.put(leader, f"k{n}", n)
    report = scrubbed(drive)
    assert report["compared"] == ["archive", *THREE]
    assert (report["archive"], report["differences"], report["damage"]) == ("compared", 0, {})
    assert report["silent"] == []


@pytest.mark.parametrize("seed", range(4))
def test_the_scrubber_names_file_and_record_of_a_bit_flipped_under_a_running_node(
    seed: int,
) -> None:
    drive = Drive(OFTEN, seed=seed)
    leader = drive.await_leader()
    for n in range(50):
        drive.put(leader, f"k{n}", n)
    victim = next(node for node in THREE if node != leader)
    where = drive.cluster.nodes[victim].disk.damage("flip")
    report = scrubbed(drive)
    assert list(report["damage"]) == [victim]
    (line,) = report["damage"][victim]
    assert where["file"] in line
    assert "checksum" in line


def test_the_scrubber_names_a_row_that_differs_though_its_checksum_is_right() -> None:
    drive = Drive(OFTEN)
    leader = drive.await_leader()
    for n in range(20):
        drive.put(leader, f"k{n}", n)
    victim = next(node for node in THREE if node != leader)
    node = drive.cluster.nodes[victim]
    node.disk.apply([Write("values-0", b"k7", b'"wrong"')])
    report = scrubbed(drive)
    assert report["differs"] == [[victim, "values", "k7"]]


def test_the_scrubber_tells_a_damaged_object_of_the_archive() -> None:
    drive = Drive({**OFTEN, "archive_snapshot_slots": 10_000})
    leader = drive.await_leader()
    slot = 0
    for n in range(60):
        slot = drive.put(leader, f"k{n}", n)
    archived(drive, slot)
    name = Inventory(drive.cluster.objects.contents).segments[0].name
    drive.cluster.objects.flip(name)
    report = scrubbed(drive)
    assert name in report["archive"]
    assert report["compared"] == list(THREE)


def test_without_an_archive_nothing_can_be_restored_and_the_scrubber_compares_replicas() -> None:
    drive = Drive()
    leader = drive.await_leader()
    drive.put(leader, "k", 1)
    assert restored(drive, leader, 1)[0] == 503
    report = scrubbed(drive)
    assert (report["archive"], report["compared"]) == ("off", list(THREE))
    assert drive.answer(leader, Request("POST", "/admin/restore?to=yesterday"))[0] == 400
    assert drive.answer(leader, Request("POST", "/admin/scrub?now=1"))[0] == 400


def test_an_inventory_finds_chains_gaps_and_what_is_too_old() -> None:
    segments = [
        Segment(1, 10, 100),
        Segment(5, 20, 200),
        Segment(21, 30, 300),
        Segment(40, 50, 500),
    ]
    there = Inventory([s.name for s in segments] + [Snapshot(20, 200).name, "other", "segments/x"])
    assert there.chain(NOTHING) == segments[:3]
    assert there.reaches(0) == (30, 300, 20)
    assert there.reaches(31) == (30, 300, 20)
    gap = Inventory([segments[0].name, Snapshot(20, 200).name, segments[2].name])
    assert [gap.reaches(held)[0] for held in (5, 10, 11, 99)] == [10, 10, 30, 30]
    assert there.at_slot(25) == (Snapshot(20, 200), [segments[2]])
    assert there.at_slot(12) == (NOTHING, segments[:2])
    assert there.at_time(150) == (NOTHING, segments[:2])
    assert there.at_time(200) == (Snapshot(20, 200), [segments[2]])
    with pytest.raises(NotArchived, match="slot 45"):
        there.at_slot(45)
    with pytest.raises(NotArchived, match="300"):
        there.at_time(300)
    assert there.outdated(250) == [segments[0].name, segments[1].name]
    assert there.outdated(150) == []
