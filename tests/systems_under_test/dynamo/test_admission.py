"""Background work yields to slow requests, goes on at one slice, and comes back."""

from __future__ import annotations

from systems_under_test.dynamo.admission import INTERVAL, SLICES_AT_FIRST, SLICES_MAX, Admission
from systems_under_test.dynamo.configuration import MS, Configuration
from systems_under_test.dynamo.counters import Counters
from tests.systems_under_test.dynamo.alone import Tables, step_on
from tests.systems_under_test.dynamo.driving import Drive
from tests.systems_under_test.dynamo.test_membership import SIX, assert_kept, filled
from workloads.client import Request

FAST, SLOW = 1 * MS, 60 * MS


def admitted(admission: Admission, tenth: int) -> int:
    """How many slices a tenth of a second has."""
    step = step_on(Tables(), mono=tenth * INTERVAL)
    return next(n for n in range(1000) if not admission.admits(step))


def test_slices_are_halved_while_requests_are_slow_and_one_is_left() -> None:
    admission = Admission(Configuration(), Counters())
    slices = []
    for tenth in range(1, 8):
        admission.observe(SLOW)
        slices.append(admitted(admission, tenth))
    assert slices == [SLICES_AT_FIRST // 2, 2, 1, 1, 1, 1, 1]


def test_slices_come_back_one_by_one_when_requests_are_fast() -> None:
    admission = Admission(Configuration(), Counters())
    admission.observe(SLOW)
    first = admitted(admission, 1)
    for tenth in range(2, 60):
        admission.observe(FAST)
        assert admitted(admission, tenth) == min(SLICES_MAX, first + tenth - 1)


def test_one_slow_request_in_a_hundred_is_no_reason() -> None:
    admission = Admission(Configuration(), Counters())
    for _ in range(99):
        admission.observe(FAST)
    admission.observe(SLOW)
    assert admitted(admission, 1) == SLICES_AT_FIRST + 1


def test_without_a_target_everything_is_admitted() -> None:
    counters = Counters()
    admission = Admission(Configuration(background_latency_ms=0), counters)
    admission.observe(SLOW)
    step = step_on(Tables())
    assert all(admission.admits(step) for _ in range(1000))
    assert counters.background_deferred == 0


def test_a_transfer_is_put_off_and_still_ends_when_every_request_is_slow() -> None:
    # Every request takes longer than no time at all: one slice in each tenth is left.
    drive = Drive({"spares": 1, "background_latency_ms": 1}, nodes=SIX)
    values = filled(drive, 200)
    for key in values:
        drive.begin("n1", drive_get(key))
    drive.change("n2", "join", node="n6")
    assert drive.counter("background_deferred") > 0
    assert_kept(drive, values)


def drive_get(key: str) -> Request:
    """A read."""
    return Request("GET", f"/kv/{key}")
